//! Runs a fleet through random faults, and checks what its instances serve.
//!
//! Each instance has the real [`Link`](super::link::Link) and the real rule of `engine/currency.rs`. Its engine is
//! a model with a cache, flights and refusals that uses the real [`Purge::matches`]. The store, the network, the clocks and
//! Kinde are models, too. The seed decides everything.
//!
//! If a seed breaks an invariant, it is printed. `APIKEY_FLEET_SEED` runs that seed alone, and `APIKEY_FLEET_SEEDS` sets how
//! many run.

mod facts;
mod faults;
mod instance;
mod line;
mod network;
mod oracle;
mod plots;
mod removals;
mod requests;
mod store;
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::broken::{Broken, Mistake, Neglect};
use super::link::LinkSettings;
use crate::engine::currency::CurrencyLimits;
use crate::engine::tests::simulation::random::Random;
use facts::{Facts, KEYS, Removal};
use instance::Instance;
use store::Store;

const INSTANCES: usize = 4;
/// The true time, in microseconds since the beginning.
type At = u64;
const MILLISECOND: At = 1_000;
const SECOND: At = 1_000_000;
/// Faults and removals end here.
const CALM: At = 34 * SECOND;
/// After that all instances must be linked.
const LINKED_WITHIN: At = 4 * SECOND;
const END: At = CALM + 6 * SECOND;

type Event = Box<dyn FnOnce(&mut Simulation)>;

struct Scheduled {
    at: At,
    number: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// What happened, so that a test can tell that the schedules reach what they should.
#[derive(Debug, Default)]
struct Counts {
    served: u64,
    linked: u64,
    from_the_store: u64,
    not_believed: u64,
    from_before: u64,
    asked: u64,
    removals: u64,
    lost: u64,
    take_overs: u64,
    forgotten: u64,
    collapsed: u64,
    sleeps: u64,
    longest_until_linked: At,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.linked += other.linked;
        self.from_the_store += other.from_the_store;
        self.not_believed += other.not_believed;
        self.from_before += other.from_before;
        self.asked += other.asked;
        self.removals += other.removals;
        self.lost += other.lost;
        self.take_overs += other.take_overs;
        self.forgotten += other.forgotten;
        self.collapsed += other.collapsed;
        self.sleeps += other.sleeps;
        self.longest_until_linked = self.longest_until_linked.max(other.longest_until_linked);
    }
}

/// When a clock of the store jumped, and by how many milliseconds.
#[derive(Debug)]
struct Jump {
    at: At,
    by: i64,
}

/// The server that is the primary.
struct Primary {
    store: Store,
    is_up: bool,
    is_stalled: bool,
    /// What came while it was stalled.
    stalled: Vec<Event>,
    /// How many primaries there were before.
    reign: u64,
    /// Since when the log is what it is, but for what was appended.
    began: At,
}

struct Simulation {
    now: At,
    zero: Instant,
    heap: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    random: Random,
    broken: Option<Broken>,
    limits: CurrencyLimits,
    primary: Primary,
    /// An older state that may answer looks.
    replica: Store,
    instances: Vec<Instance>,
    removals: Vec<Removal>,
    facts: Facts,
    jumps: Vec<Jump>,
    /// When the store began or ended to stall.
    stalls: Vec<At>,
    /// How many times rarer removals and faults are than usual.
    calmness: At,
    counts: Counts,
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Simulation {
    fn run(seed: u64, broken: Option<Broken>) -> Counts {
        let mut random = Random(seed);
        let page_size = [1_000, 100, 25][random.below(3)];
        let most_kept = [8192, 8192, 40][random.below(3)];
        let cut_off = [milliseconds(5_000), milliseconds(5_000), milliseconds(1_500)][random.below(3)];
        let calmness = [1, 1, 1, 6][random.below(4)];
        let zero = Instant::now() + Duration::from_secs(1_000_000);
        let link = LinkSettings { most_kept, ..LinkSettings::new(Duration::ZERO) };
        let primary = Primary {
            store: Store::new(0, page_size, broken),
            is_up: true,
            is_stalled: false,
            stalled: Vec::new(),
            reign: 0,
            began: 0,
        };
        let mut simulation = Self {
            now: 0,
            zero,
            heap: BinaryHeap::new(),
            scheduled: 0,
            limits: CurrencyLimits::new(link.lease, milliseconds(2_000), cut_off, Duration::ZERO),
            primary,
            replica: Store::new(0, page_size, broken),
            instances: (0..INSTANCES).map(|index| Instance::new(index, &link, zero, &mut random)).collect(),
            removals: Vec::new(),
            facts: Facts::new(),
            jumps: Vec::new(),
            stalls: Vec::new(),
            calmness,
            counts: Counts::default(),
            random,
            broken,
        };
        simulation.go();
        simulation.counts
    }

    fn go(&mut self) {
        for index in 0..INSTANCES {
            let at = self.random_below(300 * MILLISECOND);
            self.schedule(at, move |simulation| simulation.start(index));
        }
        self.schedule(SECOND / 2, Self::request_of_somebody);
        self.schedule(SECOND, Self::mishap);
        self.schedule(SECOND, Self::copy_to_replica);
        self.schedule(SECOND * 3 / 2, Self::removal_by_somebody);
        self.schedule(CALM, Self::calm);
        self.schedule(CALM, Self::watch_links);
        while let Some(Reverse(Scheduled { at, event, .. })) = self.heap.pop() {
            if at > END {
                break;
            }
            self.now = at;
            event(self);
        }
        self.check_that_all_is_told();
    }

    fn schedule(&mut self, at: At, event: impl FnOnce(&mut Self) + 'static) {
        self.scheduled += 1;
        self.heap.push(Reverse(Scheduled { at, number: self.scheduled, event: Box::new(event) }));
    }

    fn random_below(&mut self, bound: At) -> At {
        self.random.next() % bound
    }

    /// A random span whose average is this.
    fn random_span(&mut self, average: At) -> At {
        self.random_below(2 * average)
    }

    fn is_on(&self, neglect: Neglect) -> bool {
        self.broken != Some(Broken::Engine(neglect))
    }
}
