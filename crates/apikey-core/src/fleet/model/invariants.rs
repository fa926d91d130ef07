//! What must hold in every state.

use super::Bounds;
use super::state::{CUT_OFF, LEASE, State};

/// The invariant that the state breaks.
pub(super) fn violation(state: &State, bounds: &Bounds) -> Option<&'static str> {
    let now = state.now;
    for (number, removal) in (1..).zip(&state.removals) {
        if removal.is_told && state.faults.trims == 0 && !state.store.has(number) {
            return Some("the store has acknowledged a removal that it does not have");
        }
    }
    for instance in state.instances.iter().filter(|instance| instance.is_up) {
        let Some(answer) = &instance.answer else { continue };
        let is_linked = instance.is_linked(now);
        let is_fresh = now - answer.asked < bounds.time_to_live;
        let age = now - answer.truly_asked;
        if is_linked && is_fresh && age >= bounds.time_to_live {
            return Some("I5: an answer serves past its time to live");
        }
        for (number, removal) in (1..).zip(&state.removals) {
            if !bounds.concerns(number) || !removal.is_called || answer.covers.has(number) || !is_fresh {
                continue;
            }
            if instance.applied.has(number) {
                return Some("I3: an instance has an answer from before a removal that it has done");
            }
            let Some(executed) = removal.executed.map(|executed| now - executed) else { continue };
            if removal.is_lost {
                let is_known = state.instances.iter().any(|other| other.is_up && other.applied.has(number));
                if is_known && is_linked && instance.confirmed_by == state.store.changes {
                    return Some("I4: the new log confirms, and lacks a removal that an instance knows");
                }
                continue;
            }
            if is_linked && executed >= LEASE {
                return Some("I1: a linked instance serves an answer past the lease");
            }
            let confirmed_for = instance.confirmed.map(|confirmed| now - confirmed);
            let may_serve = confirmed_for.is_some_and(|confirmed| confirmed < CUT_OFF) || age < CUT_OFF;
            if may_serve && executed >= CUT_OFF {
                return Some("I2: an instance serves an answer past the cut-off time");
            }
        }
    }
    None
}
