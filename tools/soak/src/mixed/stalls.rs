//! Notices when the machine stands still: what is late then is late for no fault of the library's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::oracle::Oracle;

const EVERY: Duration = Duration::from_millis(20);
/// So late, a verification may miss its budget and a stale answer may serve: a part of `stale_while_slow`.
const LATE: Duration = Duration::from_millis(60);

/// Tells the oracle of stalls, and counts them, until it is aborted.
pub(super) async fn watch(oracle: Arc<Oracle>, stalls: Arc<AtomicU64>) {
    loop {
        let before = Instant::now();
        tokio::time::sleep(EVERY).await;
        let now = Instant::now();
        if now - before > EVERY + LATE {
            oracle.stalled(before, now);
            stalls.fetch_add(1, Ordering::Relaxed);
        }
    }
}
