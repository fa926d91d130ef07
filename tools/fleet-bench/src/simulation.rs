//! What a store should expect, by arithmetic.

use crate::schedule::Traffic;

/// How long after it was asked for an answer is renewed, as a part of the time to live: the jitter takes a twentieth on
/// average, and the renewal comes another twentieth earlier.
const RENEWED_AFTER: f64 = 0.95 * 0.95;
/// How often an instance reads the log in a second.
pub(crate) const PULLS: f64 = 4.0;

/// Of a whole fleet in each second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) calls: f64,
    pub(crate) looks: f64,
}

impl Expected {
    /// Requests arrive at random at any instance. Times are in seconds.
    pub(crate) fn of(traffic: &Traffic, time_to_live: f64, kinde_takes: f64) -> Self {
        let ranks = || (1..=traffic.keys).map(|rank| 1.0 / rank as f64);
        let part = traffic.per_second() / ranks().sum::<f64>();
        let instances = traffic.instances as f64;
        let renewed_after = RENEWED_AFTER * time_to_live;
        let (mut calls, mut looks) = (0.0, 0.0);
        for rate in ranks().map(|rank| rank * part) {
            let cycle = renewed_after + 1.0 / rate;
            // The other instances that are asked within this time.
            let others = |time: f64| (instances - 1.0) * (1.0 - (-rate / instances * time).exp());
            calls += (1.0 + others(kinde_takes)) / cycle;
            looks += (1.0 + others(renewed_after)) / cycle;
        }
        Self { calls, looks }
    }

    /// Looks and pulls, and an attempt and an entry for each call.
    pub(crate) fn operations(&self, traffic: &Traffic) -> f64 {
        self.looks + 2.0 * self.calls + PULLS * traffic.instances as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// These are the figures of the design.
    #[test]
    fn fifty_instances_cost_a_store_3730_operations_a_second() {
        let span = Duration::ZERO;
        let traffic = Traffic { instances: 50, keys: 100_000, per_second_and_instance: 200.0, span };
        let expected = Expected::of(&traffic, 300.0, 0.1);
        let operations = expected.operations(&traffic);
        assert!((3_690.0..3_770.0).contains(&operations), "{operations}");
        assert!((300.0..315.0).contains(&expected.calls), "{}", expected.calls);
    }
}
