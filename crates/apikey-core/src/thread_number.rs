//! A small number for each thread, so that threads can keep apart.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of this thread. Threads that ask are numbered from 1, in the order in which they come.
#[inline]
pub(crate) fn thread_number() -> usize {
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }
    let number = NUMBER.try_with(|number| {
        if number.get() == 0 {
            number.set(next());
        }
        number.get()
    });
    number.unwrap_or_default()
}

#[cold]
fn next() -> usize {
    static LATEST: AtomicUsize = AtomicUsize::new(0);
    LATEST.fetch_add(1, Ordering::Relaxed) + 1
}
