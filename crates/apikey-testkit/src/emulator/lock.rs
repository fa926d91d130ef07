//! Locking, in one way everywhere.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever became of a panicking holder: no section leaves its data half changed.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
