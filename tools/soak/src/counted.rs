//! What an authenticator has counted.

use std::collections::BTreeMap;

use apikey_core::{SampleValue, Statistics};

/// The outcome, the code of a denial, and where the answer came from.
pub(crate) type Labels = [String; 3];

/// How many decisions of each kind. Kinds without any are left out.
pub(crate) fn counted(statistics: &Statistics) -> BTreeMap<Labels, u64> {
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
