//! Several backends behind one address, as behind a load balancer.

use std::sync::Mutex;

use serde::Serialize;

use super::{
    Emulator,
    faults::{Fault, FaultPlan},
    lock::locked,
};

const MOST_BACKENDS: usize = 1000;

/// How many backends share the emulator's address, and which of them serves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backends {
    /// The number of backends, 1 to 1000.
    pub count: usize,
    /// Which backend serves a new connection, with all its requests.
    pub choice: BackendChoice,
}

/// How the emulator chooses the backend of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendChoice {
    /// In turn, starting with index 0.
    RoundRobin,
    /// At random. The same seed gives the same backends in the same order.
    Random(u64),
}

impl Backends {
    /// This many backends, in turn.
    pub fn round_robin(count: usize) -> Backends {
        Backends { count, choice: BackendChoice::RoundRobin }
    }

    /// This many backends, at random.
    pub fn random(count: usize, seed: u64) -> Backends {
        Backends { count, choice: BackendChoice::Random(seed) }
    }
}

impl Default for Backends {
    /// One backend for all connections.
    fn default() -> Self {
        Backends::round_robin(1)
    }
}

/// What one backend received since a test last reset the counters or set the backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackendCounters {
    /// Connections that the backend was given.
    pub connections: u64,
    /// Complete requests that the backend received, without those to the control plane.
    pub requests: u64,
}

/// The backends, with their faults and counters.
pub(crate) struct BackendBoard {
    memory: Mutex<Memory>,
}

struct Memory {
    choice: BackendChoice,
    chosen: u64,
    backends: Vec<Backend>,
}

#[derive(Default)]
struct Backend {
    counters: BackendCounters,
    fault: FaultPlan,
}

impl Default for BackendBoard {
    fn default() -> Self {
        BackendBoard { memory: Mutex::new(Memory::new(Backends::default())) }
    }
}

impl Memory {
    fn new(setting: Backends) -> Memory {
        let backends = std::iter::repeat_with(Backend::default).take(setting.count).collect();
        Memory { choice: setting.choice, chosen: 0, backends }
    }
}

impl BackendBoard {
    /// Returns `false` if the number of backends is out of range.
    pub(crate) fn set(&self, setting: Backends) -> bool {
        let possible = (1..=MOST_BACKENDS).contains(&setting.count);
        if possible {
            *locked(&self.memory) = Memory::new(setting);
        }
        possible
    }

    /// Returns `false` if there is no such backend.
    pub(crate) fn set_fault(&self, index: usize, fault: Option<Fault>) -> bool {
        let mut memory = locked(&self.memory);
        let backend = memory.backends.get_mut(index);
        backend.map(|backend| backend.fault.set_standing(fault)).is_some()
    }

    /// Chooses the backend of a new connection.
    pub(crate) fn choose(&self) -> usize {
        let mut memory = locked(&self.memory);
        let number = match memory.choice {
            BackendChoice::RoundRobin => memory.chosen,
            BackendChoice::Random(seed) => scrambled(seed, memory.chosen),
        };
        memory.chosen += 1;
        // The remainder fits, because the divisor was a usize.
        let index = (number % memory.backends.len() as u64) as usize;
        memory.backends[index].counters.connections += 1;
        index
    }

    /// Counts a request and returns the backend's fault. The backend of a connection that is older than the present
    /// setting may no longer exist.
    pub(crate) fn request(&self, index: usize) -> Option<Fault> {
        let mut memory = locked(&self.memory);
        let backend = memory.backends.get_mut(index)?;
        backend.counters.requests += 1;
        backend.fault.next()
    }

    pub(crate) fn counters(&self) -> Vec<BackendCounters> {
        locked(&self.memory).backends.iter().map(|backend| backend.counters).collect()
    }

    pub(crate) fn reset_counters(&self) {
        for backend in &mut locked(&self.memory).backends {
            backend.counters = BackendCounters::default();
        }
    }
}

/// The nth number that follows from a seed (SplitMix64).
fn scrambled(seed: u64, nth: u64) -> u64 {
    let mut number = seed.wrapping_add((nth + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Several backends. They share keys, tokens and all settings, and differ only in their faults.
impl Emulator {
    /// Sets the backends that serve new connections. Their counters start at 0, and no backend has a fault.
    ///
    /// Open connections keep the index of their backend.
    ///
    /// # Panics
    ///
    /// If there would be no backend, or more than 1000.
    pub fn set_backends(&self, backends: Backends) {
        assert!(self.state.backends.set(backends), "there must be 1 to 1000 backends");
    }

    /// Sets the fault of one backend, counted from 0; `None` ends it. The fault hits every request on this backend's
    /// connections (verify calls, token calls and the rest) and takes precedence over the faults of keys and
    /// endpoints.
    ///
    /// # Panics
    ///
    /// If there is no backend with this index.
    pub fn set_backend_fault(&self, index: usize, fault: Option<Fault>) {
        assert!(self.state.backends.set_fault(index, fault), "there is no backend {index}");
    }

    /// What reached each backend, in the order of their indexes.
    pub fn backend_counters(&self) -> Vec<BackendCounters> {
        self.state.backends.counters()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_follows_from_the_seed_and_is_fair() {
        let choices = |seed| {
            let board = BackendBoard::default();
            board.set(Backends::random(3, seed));
            let choices: Vec<usize> = (0..3000).map(|_| board.choose()).collect();
            assert!(board.counters().iter().all(|counters| (900..=1100).contains(&counters.connections)));
            choices
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
    }

    #[test]
    fn a_connection_of_a_backend_that_is_gone_has_no_fault() {
        let board = BackendBoard::default();
        board.set(Backends::round_robin(2));
        board.set_fault(1, Some(Fault::Hang));
        board.set(Backends::round_robin(1));
        assert!(board.request(1).is_none() && board.request(0).is_none());
        assert_eq!(board.counters(), [BackendCounters { connections: 0, requests: 1 }]);
        assert!(!board.set_fault(1, None));
        assert!(!board.set(Backends::round_robin(0)) && !board.set(Backends::round_robin(1001)));
    }
}
