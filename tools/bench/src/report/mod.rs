//! The results of a run, and how they are shown.

mod plot;
mod spread;
mod table;

use serde::Serialize;

pub(crate) use plot::plot;
pub(crate) use spread::Spread;
pub(crate) use table::{finding, loads, opening};

use crate::machine::Machine;

/// All results of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) quick: bool,
    pub(crate) noise: Noise,
    pub(crate) sections: Vec<Section>,
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
}

/// How reliable the figures are.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Noise {
    /// Each bare server compared with itself a round earlier, in requests a second. Without noise it is 1.
    pub(crate) bare_against_bare: Option<Spread>,
    /// The same in processor time per request.
    pub(crate) bare_against_bare_processor_time: Option<Spread>,
    /// The part of the machine that other processes used meanwhile.
    pub(crate) others: Option<f64>,
}

/// One question, on one framework.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) loads: Vec<Load>,
    pub(crate) findings: Vec<Finding>,
}

/// One server under load.
#[derive(Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) server: String,
    pub(crate) requests_per_second: Spread,
    /// Percent of one core.
    pub(crate) processor_percent: Option<Spread>,
    pub(crate) microseconds_per_request: Option<Spread>,
    /// Milliseconds, measured under load alone.
    pub(crate) median_latency: Option<f64>,
    /// Milliseconds. One request in a hundred takes longer.
    pub(crate) high_latency: Option<f64>,
}

/// One figure, with its bound if there is one.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) value: Spread,
    pub(crate) bound: Option<Bound>,
    pub(crate) kept: Option<bool>,
    pub(crate) note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Ratio,
    Milliseconds,
    Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Finding {
    pub(crate) fn new(what: impl Into<String>, unit: Unit, value: Spread) -> Self {
        Self { what: what.into(), unit, value, bound: None, kept: None, note: String::new() }
    }

    /// The median must keep the bound.
    pub(crate) fn bound(mut self, bound: Bound) -> Self {
        self.kept = Some(match bound {
            Bound::AtLeast(least) => self.value.median >= least,
            Bound::AtMost(most) => self.value.median <= most,
        });
        self.bound = Some(bound);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_keeps_a_bound_or_breaks_it() {
        let spread = Spread::of(&[0.9, 1.0, 1.2]).unwrap();
        let kept = |bound| Finding::new("", Unit::Ratio, spread).bound(bound).kept;
        assert_eq!(kept(Bound::AtLeast(1.0)), Some(true));
        assert_eq!(kept(Bound::AtLeast(1.1)), Some(false));
        assert_eq!(kept(Bound::AtMost(1.0)), Some(true));
        assert_eq!(kept(Bound::AtMost(0.95)), Some(false));
    }
}
