//! Notices when the machine stands still. The library is not to blame for what is late then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::oracle::Oracle;

const EVERY: Duration = Duration::from_millis(20);
/// After a stall of this length, a verification may miss its budget and a stale answer may serve. It is a part of
/// `stale_while_slow`.
const LATE: Duration = Duration::from_millis(60);

/// Reports stalls to the oracle and counts them, until it is aborted.
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
