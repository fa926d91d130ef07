//! Whether the counters of the authenticator say what happened.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use apikey_core::{Event, Observer, SampleValue, Statistics};

/// The outcome, the code of a denial, and where the answer came from.
type Labels = [String; 3];

/// Hears every decision, and counts them in the simplest way.
#[derive(Default)]
pub(super) struct Ledger(Mutex<BTreeMap<Labels, u64>>);

impl Observer for Ledger {
    fn observe(&self, event: &Event<'_>) {
        let Event::Decided(decision) = event else { return };
        let labels = [
            decision.outcome.as_str(),
            decision.code.map_or("", |code| code.as_str()),
            decision.source.map_or("", |source| source.as_str()),
        ];
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(labels.map(str::to_owned)).or_default() += 1;
    }

    fn hears_every_decision(&self) -> bool {
        true
    }
}

impl Ledger {
    /// What the counters say otherwise, at rest: than what was decided, and than what clients saw. `seen` are the
    /// answers that clients read, by the code in the body, or by `""`. Further clients hung up, and nobody knows whether
    /// they would have got an answer.
    pub(super) fn complaints(
        &self,
        statistics: &Statistics,
        seen: &BTreeMap<String, u64>,
        hung_up: u64,
    ) -> Vec<String> {
        let decided = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = counted(statistics);
        let mut complaints = Vec::new();
        for labels in decided.keys().chain(counted.keys()) {
            let [decided, counted] =
                [&decided, &counted].map(|counts| counts.get(labels).copied().unwrap_or(0));
            if decided != counted {
                complaints.push(format!("{labels:?}: {decided} decisions, and {counted} counted"));
            }
        }
        for (code, seen) in seen.iter().filter(|(code, _)| !code.is_empty()) {
            let of_code: u64 =
                counted.iter().filter(|([_, counted, _], _)| counted == code).map(|(_, count)| count).sum();
            if of_code < *seen || of_code > seen + hung_up {
                complaints
                    .push(format!("{code}: clients saw {seen}, {hung_up} hung up, and {of_code} counted"));
            }
        }
        complaints
    }
}

fn counted(statistics: &Statistics) -> BTreeMap<Labels, u64> {
    let decisions = statistics.samples().filter(|sample| sample.metric.name == "apikey.decisions");
    let counts = decisions.filter_map(|sample| {
        let label = |name| {
            let label = sample.labels.iter().find(|(label, _)| *label == name);
            label.map_or(String::new(), |(_, value)| value.clone().into_owned())
        };
        match sample.value {
            SampleValue::Counter(count) if count > 0 => {
                Some((["outcome", "code", "source"].map(label), count))
            }
            _ => None,
        }
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apikey_core::{Authenticator, PlainRequest, Policy};
    use apikey_testkit::FakeVerifier;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_decision_too_many_or_too_few_is_found() {
        let ledger = Arc::new(Ledger::default());
        let keys =
            Authenticator::builder(FakeVerifier::new()).observer(Arc::clone(&ledger) as _).build().unwrap();
        let (policy, request) = (Policy::any_key(), PlainRequest::new());
        let denied = keys.gate(&policy).decide(keys.begin(&request), &request, |key| key).wait().await;
        assert!(denied.is_err());
        let seen = |count| BTreeMap::from([("MISSING_KEY".to_owned(), count)]);
        assert!(ledger.complaints(&keys.statistics(), &seen(1), 0).is_empty());
        assert!(ledger.complaints(&keys.statistics(), &seen(0), 1).is_empty());
        assert_eq!(ledger.complaints(&keys.statistics(), &seen(2), 0).len(), 1);
        assert_eq!(ledger.complaints(&keys.statistics(), &seen(0), 0).len(), 1);
        ledger.0.lock().unwrap().clear();
        assert_eq!(ledger.complaints(&keys.statistics(), &seen(1), 0).len(), 1);
    }
}
