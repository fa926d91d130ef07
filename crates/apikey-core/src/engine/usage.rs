//! How a cached answer is used: whether at all, and whether by so many at once that its reference count would be what they
//! wait for.
//!
//! Every request holds a reference to its answer. Where many threads use one key, they would take turns at the one counter of
//! it, and two threads would get less done than one. So an answer that is seen in use elsewhere again and again is copied,
//! once for each processor, and each thread counts on a copy of its own.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::cached_key::CachedKey;

/// The cache itself holds so many references to an answer: one in its map, one in its slot.
const OF_THE_CACHE: usize = 2;
/// An answer that was seen in use elsewhere so often is copied.
const SIGHTINGS: u8 = 64;
/// How many answers are copied at most, so that copies take next to no memory.
const MOST_SPREAD: usize = 256;
/// More copies than this are never made of one answer.
const MOST_COPIES: usize = 64;

/// Part of every answer; written while it is new, and hardly ever after.
#[derive(Debug, Default)]
pub(super) struct Usage {
    used: AtomicBool,
    sightings: AtomicU8,
    /// Of the cache's slots, the one that holds the answer. The cache writes and reads it under its lock. It fills what would
    /// be padding here, and saves the cache another index.
    slot: AtomicU32,
    copies: OnceLock<Box<Copies>>,
}

impl Usage {
    /// For an answer that takes the place of this one: it is in use as much.
    pub(super) fn of_successor(&self) -> Self {
        Self { used: AtomicBool::new(self.used.load(Ordering::Relaxed)), ..Self::default() }
    }

    /// Whether the answer was used since this was asked last.
    pub(super) fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    pub(super) fn slot(&self) -> usize {
        self.slot.load(Ordering::Relaxed) as usize
    }

    pub(super) fn set_slot(&self, slot: usize) {
        self.slot.store(u32::try_from(slot).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// One copy for each processor, and their slot among those that are spread.
#[derive(Debug)]
struct Copies {
    answers: Box<[Arc<CachedKey>]>,
    _slot: SpreadSlot,
}

/// How many copies are made of an answer, and of how many answers there are any.
pub(super) struct Spreading {
    copies: usize,
    spread: Arc<AtomicUsize>,
}

impl Spreading {
    pub(super) fn over_the_processors() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { copies: processors.next_power_of_two().min(MOST_COPIES), spread: Arc::default() }
    }

    #[cfg(test)]
    pub(super) fn over(copies: usize) -> Self {
        Self { copies, spread: Arc::default() }
    }

    fn slot(&self) -> Option<SpreadSlot> {
        if self.copies < 2 || self.spread.load(Ordering::Relaxed) >= MOST_SPREAD {
            return None;
        }
        self.spread.fetch_add(1, Ordering::Relaxed);
        Some(SpreadSlot(Arc::clone(&self.spread)))
    }
}

#[derive(Debug)]
struct SpreadSlot(Arc<AtomicUsize>);

impl Drop for SpreadSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A reference to the answer, or to a copy of it.
pub(super) fn hand_out(answer: &Arc<CachedKey>, spreading: &Spreading) -> Arc<CachedKey> {
    let usage = &answer.usage;
    if !usage.used.load(Ordering::Relaxed) {
        usage.used.store(true, Ordering::Relaxed);
    }
    if let Some(copy) = usage.copies.get().and_then(|copies| copies.of_this_thread()) {
        return Arc::clone(copy);
    }
    if Arc::strong_count(answer) > OF_THE_CACHE {
        sight(answer, spreading);
    }
    Arc::clone(answer)
}

/// Somebody else uses the answer at this moment.
#[cold]
fn sight(answer: &CachedKey, spreading: &Spreading) {
    let sightings = answer.usage.sightings.load(Ordering::Relaxed);
    if sightings < SIGHTINGS {
        // Sightings that threads overwrite for each other are made up for by the next.
        answer.usage.sightings.store(sightings + 1, Ordering::Relaxed);
    } else if let Some(slot) = spreading.slot() {
        answer.usage.copies.get_or_init(|| {
            let answers = (0..spreading.copies).map(|_| Arc::new(answer.copy())).collect();
            Box::new(Copies { answers, _slot: slot })
        });
    }
}

impl Copies {
    fn of_this_thread(&self) -> Option<&Arc<CachedKey>> {
        // The number of copies is a power of two.
        self.answers.get(thread_number() & (self.answers.len() - 1))
    }
}

/// Numbers the threads that use spread answers, in the order in which they come, from 1.
fn thread_number() -> usize {
    static LATEST: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }
    let number = NUMBER.try_with(|number| {
        if number.get() == 0 {
            number.set(LATEST.fetch_add(1, Ordering::Relaxed) + 1);
        }
        number.get()
    });
    number.unwrap_or_default()
}

#[cfg(test)]
mod tests;
