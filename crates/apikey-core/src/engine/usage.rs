//! The use of a cached answer: whether it is used at all, and whether so many threads use it at once that its
//! reference count slows them down.
//!
//! Every request holds a reference to its answer. If many threads use one key, they take turns at one reference
//! count, and two threads get less done than one. So a value that is often in use by two at once is copied,
//! once for each processor. Then each thread counts references to a copy of its own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use crate::thread_number::thread_number;

/// How many references the cache itself holds to a value: one in its map, one in its slot.
const OF_THE_CACHE: usize = 2;
/// How often a value must be seen in use by another request before it is copied.
const SIGHTINGS: u8 = 64;
/// How many values are copied at most, so that copies take next to no memory.
const MOST_SPREAD: usize = 256;
/// How many copies are made of one value at most.
const MOST_COPIES: usize = 64;

/// The use of the value that it is a part of. It is written while the value is new, and hardly ever after. Its eight
/// bytes are read by every request.
#[derive(Debug)]
pub(super) struct Usage {
    used: AtomicBool,
    is_spread: AtomicBool,
    sightings: AtomicU8,
    /// The cache's slot that holds the value. The cache reads and writes it under its lock. It takes no extra
    /// memory, because it fills padding, and the cache needs no other index.
    slot: AtomicU32,
}

impl Default for Usage {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Usage {
    fn new(used: bool) -> Self {
        Self {
            used: AtomicBool::new(used),
            is_spread: AtomicBool::default(),
            sightings: AtomicU8::default(),
            slot: AtomicU32::default(),
        }
    }

    /// The usage for a value that replaces this one in the cache. The new value counts as used if this one
    /// does.
    pub(super) fn of_successor(&self) -> Self {
        Self::new(self.used.load(Ordering::Relaxed))
    }

    /// Whether the value was used since the last call.
    pub(super) fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    pub(super) fn slot(&self) -> usize {
        self.slot.load(Ordering::Relaxed) as usize
    }

    pub(super) fn set_slot(&self, slot: usize) {
        self.slot.store(u32::try_from(slot).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Notes that another request uses the value now.
    #[cold]
    fn sight<T>(&self, copies: &Copies<T>, spreading: &Spreading, copy: impl Fn() -> T) {
        let sightings = self.sightings.load(Ordering::Relaxed);
        if sightings < SIGHTINGS {
            // If two threads overwrite each other's count, the next call makes up for it.
            self.sightings.store(sightings + 1, Ordering::Relaxed);
        } else if let Some(slot) = spreading.slot() {
            copies.0.get_or_init(|| {
                let values = (0..spreading.copies).map(|_| Arc::new(copy())).collect();
                Box::new(Made { values, _slot: slot })
            });
            self.is_spread.store(true, Ordering::Relaxed);
        }
    }
}

/// A reference to the value, or to a copy of it. `usage` and `copies` are parts of the value.
pub(super) fn hand_out<T>(
    value: &Arc<T>,
    usage: &Usage,
    copies: &Copies<T>,
    spreading: &Spreading,
    copy: impl Fn(&T) -> T,
) -> Arc<T> {
    if !usage.used.load(Ordering::Relaxed) {
        usage.used.store(true, Ordering::Relaxed);
    }
    if usage.is_spread.load(Ordering::Relaxed) {
        if let Some(copy) = copies.of_this_thread() {
            return Arc::clone(copy);
        }
    }
    if Arc::strong_count(value) > OF_THE_CACHE {
        usage.sight(copies, spreading, || copy(value));
    }
    Arc::clone(value)
}

/// One copy for each processor, if the value needs copies.
#[derive(Debug)]
pub(super) struct Copies<T>(OnceBox<Made<T>>);

#[derive(Debug)]
struct Made<T> {
    values: Box<[Arc<T>]>,
    _slot: SpreadSlot,
}

impl<T> Default for Copies<T> {
    fn default() -> Self {
        Self(OnceBox::new())
    }
}

impl<T> Copies<T> {
    fn of_this_thread(&self) -> Option<&Arc<T>> {
        let values = &self.0.get()?.values;
        // The number of copies is a power of two.
        values.get(thread_number() & (values.len() - 1))
    }
}

/// How many copies are made of a value, and how many values are copied.
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

/// One of the [`MOST_SPREAD`] values that may be copied. It is given back when this is dropped.
#[derive(Debug)]
struct SpreadSlot(Arc<AtomicUsize>);

impl Drop for SpreadSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
