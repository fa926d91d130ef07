//! What clients read, and what the authenticator counted.

use std::collections::BTreeMap;

use apikey_core::{SampleValue, Statistics};
use apikey_testkit::raw::RawResponse;
use serde_json::Value;

/// How many wrong answers a ledger keeps.
const MOST_KEPT: usize = 5;

/// How often each combination of outcome, code and source occurred. A label that does not apply is empty.
pub(super) type Counts = BTreeMap<[String; 3], u64>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Anonymous,
    /// With this code.
    Denied(&'static str),
}

/// The right answer to a request, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) outcome: Outcome,
    /// Empty if no key was looked up or asked about.
    pub(super) source: &'static str,
    /// How many gates decide about the request.
    pub(super) gates: u64,
}

impl Expected {
    pub(super) fn denied(code: &'static str, source: &'static str) -> Self {
        Self { outcome: Outcome::Denied(code), source, gates: 1 }
    }

    fn labels(&self) -> [String; 3] {
        let (outcome, code) = match self.outcome {
            Outcome::Accepted => ("accepted", ""),
            Outcome::Anonymous => ("anonymous", ""),
            Outcome::Denied(code) => ("denied", code),
        };
        [outcome, code, self.source].map(str::to_owned)
    }

    /// Whether a client read this. A handler answers with the key id, or with nothing for an anonymous caller.
    fn is_read_in(&self, answer: &RawResponse, key_id: &str) -> bool {
        match self.outcome {
            Outcome::Accepted => answer.status == 200 && answer.body == key_id.as_bytes(),
            Outcome::Anonymous => answer.status == 200 && answer.body.is_empty(),
            Outcome::Denied(code) => {
                let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                answer.status == status(code) && body["code"] == code
            }
        }
    }
}

/// The status of each denial.
fn status(code: &str) -> u16 {
    match code {
        "MULTIPLE_KEYS" => 400,
        "INSUFFICIENT_SCOPE"
        | "ORGANIZATION_KEY_REQUIRED"
        | "USER_KEY_REQUIRED"
        | "ORGANIZATION_MISMATCH"
        | "API_MISMATCH" => 403,
        "RATE_LIMITED" => 429,
        "INTERNAL_ERROR" => 500,
        "VERIFICATION_UNAVAILABLE" => 503,
        _ => 401,
    }
}

/// The record of clients: all answers that they expected and read.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) counts: Counts,
    pub(super) requests: u64,
    /// How many calls the emulator must have received.
    pub(super) calls: u64,
    pub(super) wrongs: u64,
    /// The first wrong answers.
    pub(super) wrong: Vec<String>,
}

impl Ledger {
    /// Notes the answer to a request for which Kinde was asked or not.
    pub(super) fn note(&mut self, expected: Expected, is_asked: bool, answer: &RawResponse, key_id: &str) {
        self.requests += 1;
        self.calls += u64::from(is_asked);
        *self.counts.entry(expected.labels()).or_default() += expected.gates;
        if !expected.is_read_in(answer, key_id) {
            self.wrongs += 1;
            if self.wrong.len() < MOST_KEPT {
                self.wrong.push(format!("{expected:?} was {} {:?}", answer.status, answer.body_text()));
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        add(&mut self.counts, other.counts);
        self.requests += other.requests;
        self.calls += other.calls;
        self.wrongs += other.wrongs;
        self.wrong.extend(other.wrong.into_iter().take(MOST_KEPT - self.wrong.len().min(MOST_KEPT)));
    }
}

pub(super) fn add(counts: &mut Counts, others: Counts) {
    for (labels, count) in others {
        *counts.entry(labels).or_default() += count;
    }
}

/// The decisions that an authenticator counted. A series that stands at zero is here, too.
pub(super) fn counted(statistics: &Statistics) -> Counts {
    let decisions = statistics.samples().filter(|sample| sample.metric.name == "apikey.decisions");
    let counts = decisions.map(|sample| {
        let label = |name| {
            let label = sample.labels.iter().find(|(label, _)| *label == name);
            label.map_or(String::new(), |(_, value)| value.clone().into_owned())
        };
        let SampleValue::Counter(count) = sample.value else { return (Default::default(), u64::MAX) };
        (["outcome", "code", "source"].map(label), count)
    });
    counts.collect()
}

/// Where the two differ, and which series no client has moved.
pub(super) fn differences(read: &Counts, counted: &Counts) -> Vec<String> {
    let mut differences = Vec::new();
    for labels in read.keys().chain(counted.keys().filter(|labels| !read.contains_key(*labels))) {
        let [read, counted] = [read, counted].map(|counts| counts.get(labels).copied().unwrap_or_default());
        if read != counted || read == 0 {
            differences.push(format!("{labels:?}: clients know {read}, and {counted} counted"));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_or_mislabelled_decision_is_found() {
        let labels =
            [["accepted", "", "hit"], ["accepted", "", "stale"], ["denied", "INVALID_KEY", "verified"]]
                .map(|labels| labels.map(str::to_owned));
        let read = Counts::from(labels.clone().map(|labels| (labels, 2)));
        assert_eq!(differences(&read, &read), [""; 0]);
        for missed in &labels {
            let mut counted = read.clone();
            *counted.get_mut(missed).unwrap() -= 1;
            assert_eq!(differences(&read, &counted).len(), 1, "{missed:?}");
            for other in labels.iter().filter(|other| *other != missed) {
                let mut moved = counted.clone();
                *moved.get_mut(other).unwrap() += 1;
                assert_eq!(differences(&read, &moved).len(), 2, "{missed:?} as {other:?}");
            }
            counted.remove(missed);
            assert_eq!(differences(&read, &counted).len(), 1, "{missed:?}");
        }
    }

    #[test]
    fn a_series_that_no_client_moves_is_found() {
        let counted = Counts::from([(["accepted", "", "hit"].map(str::to_owned), 0)]);
        assert_eq!(differences(&Counts::new(), &counted).len(), 1);
    }
}
