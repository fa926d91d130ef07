//! The searches.

use super::*;
use crate::fleet::broken::{Mistake, Neglect};
use crate::fleet::link::Rule;

const TAKE_OVER: Bounds = Bounds { take_overs: 1, asks: 0, ticks: 2, ..QUIET };
const LOG_LOSS: Bounds = Bounds { log_losses: 1, asks: 0, ticks: 2, ..QUIET };
const CRASH: Bounds = Bounds { crashes: 1, ticks: 2, ..QUIET };
const DELAYS: Bounds = Bounds { delays: true, asks: 0, ..QUIET };
const PAGES: Bounds = Bounds { removals: 2, second_is_of_another_key: true, page: 1, asks: 0, ..QUIET };
const TRIM: Bounds = Bounds {
    start: Start::Behind,
    trims: 1,
    removals: 2,
    second_is_of_another_key: true,
    asks: 0,
    ticks: 5,
    ..QUIET
};
const LOST: Bounds = Bounds { start: Start::Lost, asks: 0, ..QUIET };
const LOST_TWICE: Bounds = Bounds { take_overs: 1, ticks: 2, ..LOST };
const STALL: Bounds = Bounds { stalls: 1, quarantine: 4, ticks: 7, ..LOST };
const CLOCK: Bounds =
    Bounds { take_overs: 1, sets_clock_back: true, time_to_live: 3, removals: 0, asks: 0, ticks: 4, ..QUIET };

fn assert_sound(scenarios: &[(&str, Bounds)]) {
    for (name, bounds) in scenarios {
        let found = search(bounds);
        eprintln!("{name}: {} states", found.states);
        assert_eq!(found.violation, None, "{name}");
    }
}

#[test]
fn no_schedule_without_a_fault_breaks_an_invariant() {
    assert_sound(&[("no fault", QUIET), ("delays", DELAYS), ("pages", PAGES), ("crash", CRASH)]);
}

#[test]
fn no_schedule_that_loses_records_breaks_an_invariant() {
    assert_sound(&[("take-over", TAKE_OVER), ("log loss", LOG_LOSS), ("trim", TRIM)]);
}

#[test]
fn no_schedule_after_a_loss_breaks_an_invariant() {
    let delays = Bounds { delays: true, ..LOST };
    assert_sound(&[("lost", LOST), ("lost, delays", delays), ("lost twice", LOST_TWICE), ("stall", STALL)]);
}

#[test]
fn no_schedule_that_sets_the_clock_back_breaks_an_invariant() {
    assert_sound(&[("clock", CLOCK)]);
}

/// The bounds of the ordinary tests, and more. It needs 4 GiB of memory.
#[test]
#[ignore = "it takes minutes"]
fn no_long_schedule_breaks_an_invariant() {
    assert_sound(&[
        ("no fault", Bounds { ticks: 6, ..QUIET }),
        ("two removals", Bounds { removals: 2, ticks: 6, ..QUIET }),
        ("take-over", Bounds { ticks: 5, ..TAKE_OVER }),
        ("log loss", Bounds { ticks: 5, ..LOG_LOSS }),
        ("log loss, asks", Bounds { asks: 1, ..LOG_LOSS }),
        ("crash", Bounds { ticks: 4, ..CRASH }),
        ("delays, take-over", Bounds { delays: true, ticks: 3, ..TAKE_OVER }),
        ("delays, log loss", Bounds { delays: true, ticks: 3, ..LOG_LOSS }),
        ("trim", Bounds { ticks: 7, ..TRIM }),
        ("lost, asks", Bounds { asks: 2, ticks: 6, ..LOST }),
        ("lost twice", Bounds { ticks: 4, ..LOST_TWICE }),
        ("stall", Bounds { ticks: 9, stalls: 2, ..STALL }),
        ("clock", Bounds { ticks: 5, ..CLOCK }),
        ("clock, asks", Bounds { asks: 1, ..CLOCK }),
    ]);
}

/// Each rule, the schedules in which it is missed, and the invariant that breaks without it.
const RULES: [(Broken, Bounds, &str); 16] = [
    (Broken::Link(Rule::LeaseFromSending), DELAYS, "I1"),
    (Broken::Link(Rule::QuarantineOfRuns), TAKE_OVER, "I4"),
    // An eviction takes the log, and nothing else.
    (Broken::Link(Rule::QuarantineOfLogs), LOG_LOSS, "I4"),
    (Broken::Link(Rule::QuarantineWithoutGaps), STALL, "I4"),
    (Broken::Link(Rule::LastPageConfirms), PAGES, "I1"),
    (Broken::Link(Rule::ForgetWhenBehind), TRIM, "I1"),
    (Broken::Link(Rule::Retell), LOST, "I4"),
    (Broken::Link(Rule::AppendAgain), TAKE_OVER, "I4"),
    (Broken::Link(Rule::HeadOfEntry), QUIET, "I3"),
    (Broken::Link(Rule::OutboxOfEntry), QUIET, "I3"),
    (Broken::Link(Rule::ClockOfLook), CLOCK, "I5"),
    (Broken::Link(Rule::FloorOfEntries), CLOCK, "I5"),
    // The store takes a removal that is told again for one that it has.
    (Broken::Store(Mistake::OriginsSeenForEver), LOG_LOSS, "the store"),
    // What tells one server from another is data, so the next server has it, too.
    (Broken::Store(Mistake::RunIsCopied), TAKE_OVER, "I4"),
    (Broken::Store(Mistake::RunOfTheProcess), LOST_TWICE, "I4"),
    (Broken::Engine(Neglect::Flights), QUIET, "I3"),
];

#[test]
fn each_rule_is_missed_by_some_schedule() {
    for (broken, bounds, invariant) in RULES {
        let found = search(&Bounds { broken: Some(broken), ..bounds });
        let violation = found.violation.unwrap_or_default();
        eprintln!("{broken:?}, {} states: {violation}", found.states);
        assert!(violation.starts_with(invariant), "{broken:?}: {violation:?}");
    }
}
