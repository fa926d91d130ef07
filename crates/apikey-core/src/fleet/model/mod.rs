//! Tries every schedule of a small fleet, within bounds, and checks the invariants in each state.
//!
//! The fleet has two instances, one key, one store and up to two removals. Time goes in ticks. A pull that takes more than a
//! tick is dropped. The lease is 2 ticks, the quarantine 2, the cut-off time 3. Whoever knows a removal that the store has
//! lost, and reaches the store, tells it again within a tick.
//!
//! The search goes breadth first, so the schedule that it prints for a violation is one of the shortest.

mod instance;
mod invariants;
mod state;
mod steps;
mod store;
mod tests;

use std::hash::{BuildHasher as _, BuildHasherDefault};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::broken::Broken;
use hasher::StateHasher;
use state::State;
use steps::Step;

/// How a schedule begins. Each instance has an answer, and is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Both are up to date. If the schedule is about ages, they have no answers, and the store has an entry.
    UpToDate,
    /// The first removal was just executed, and only the first instance has heard of it.
    Behind,
    /// Then a server has taken over that lacks it.
    Lost,
}

/// What a schedule may contain.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    start: Start,
    ticks: u8,
    removals: u8,
    /// The second removal is of another key. The first instance calls both.
    second_is_of_another_key: bool,
    /// How long no pull confirms after another server or log was seen. A stall of the store
    /// may go unnoticed for the tick between two pulls and the tick that a pull may take. They come on top.
    quarantine: u8,
    /// The answer of a pull may be under way for a while.
    delays: bool,
    /// How often Kinde may be asked.
    asks: u8,
    take_overs: u8,
    /// A take-over may set the store's clock back.
    sets_clock_back: bool,
    log_losses: u8,
    trims: u8,
    crashes: u8,
    stalls: u8,
    /// How many records a page holds.
    page: usize,
    /// How old an answer may be, in ticks. The greatest number stands for no limit.
    time_to_live: u8,
    broken: Option<Broken>,
}

/// No fault, one removal.
const QUIET: Bounds = Bounds {
    start: Start::UpToDate,
    ticks: 4,
    removals: 1,
    second_is_of_another_key: false,
    quarantine: 2,
    delays: false,
    asks: 1,
    take_overs: 0,
    sets_clock_back: false,
    log_losses: 0,
    trims: 0,
    crashes: 0,
    stalls: 0,
    page: 9,
    time_to_live: u8::MAX,
    broken: None,
};

struct Found {
    states: usize,
    violation: Option<String>,
}

/// A state, and how it came about: the number of the state before it, and the step.
struct Visited {
    state: State,
    from: Option<(u32, Step)>,
}

/// Visits every state that the bounds allow, or stops at the first violation.
fn search(bounds: &Bounds) -> Found {
    let hash = |state: &State| BuildHasherDefault::<StateHasher>::default().hash_one(state);
    let first = State::first(bounds);
    let mut visited = vec![Visited { state: first, from: None }];
    let mut numbers: HashTable<u32> = HashTable::new();
    numbers.insert_unique(hash(&first), 0, |_| 0);
    let mut number = 0;
    while number < visited.len() {
        let state = visited[number].state;
        if let Some(broken) = invariants::violation(&state, bounds) {
            let violation = format!("{broken} after {}", schedule(&visited, number as u32));
            return Found { states: visited.len(), violation: Some(violation) };
        }
        steps::all(&state, bounds, &mut |step, next| {
            let is_same = |number: &u32| visited[*number as usize].state == next;
            let hash_of = |number: &u32| hash(&visited[*number as usize].state);
            if let Entry::Vacant(entry) = numbers.entry(hash(&next), is_same, hash_of) {
                entry.insert(visited.len() as u32);
                visited.push(Visited { state: next, from: Some((number as u32, step)) });
            }
        });
        number += 1;
    }
    Found { states: visited.len(), violation: None }
}

fn schedule(visited: &[Visited], mut number: u32) -> String {
    let mut steps = Vec::new();
    while let Some((before, step)) = visited[number as usize].from {
        steps.push(format!("{step:?}"));
        number = before;
    }
    steps.reverse();
    steps.join(", ")
}

mod hasher {
    use std::hash::Hasher;

    /// Fast, and good enough for small numbers.
    #[derive(Default)]
    pub(super) struct StateHasher(u64);

    impl Hasher for StateHasher {
        fn finish(&self) -> u64 {
            self.0 ^ (self.0 >> 32)
        }

        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.write_u64(u64::from(*byte));
            }
        }

        fn write_u8(&mut self, value: u8) {
            self.write_u64(u64::from(value));
        }

        fn write_usize(&mut self, value: usize) {
            self.write_u64(value as u64);
        }

        fn write_isize(&mut self, value: isize) {
            self.write_u64(value as u64);
        }

        fn write_u64(&mut self, value: u64) {
            self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
}
