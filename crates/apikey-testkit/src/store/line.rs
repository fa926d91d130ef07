//! The line between a client and the server in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apikey_core::fleet::StoreError;

#[derive(Default)]
pub(super) struct Line(Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    pub(super) fault: Option<StoreError>,
    pub(super) fault_of_appends: Option<StoreError>,
    pub(super) there: Duration,
    pub(super) back: Duration,
}

impl Line {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn delays(&self) -> (Duration, Duration) {
        let state = self.lock();
        (state.there, state.back)
    }

    pub(super) fn fault(&self) -> Result<(), StoreError> {
        self.lock().fault.clone().map_or(Ok(()), Err)
    }
}
