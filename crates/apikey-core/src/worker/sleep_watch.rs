//! The watch for a machine that slept. The clock that dates answers does not count sleep, so answers would seem
//! younger than they are.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::clock::Clock;
use crate::engine::Engine;

/// How often it looks for sleep.
const INTERVAL: Duration = Duration::from_secs(1);
/// A shorter sleep than this is none: it may be noise between two readings.
const NO_SLEEP: Duration = Duration::from_millis(100);

/// Looks for sleep for ever. If the clock can't tell how long the machine slept, it ends at once.
pub(super) async fn watch_for_sleep(engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    let Some(mut known) = clock.suspended() else { return };
    loop {
        sleep(INTERVAL).await;
        let Some(suspended) = clock.suspended() else { return };
        let slept = suspended.saturating_sub(known);
        if slept > NO_SLEEP {
            tracing::info!(
                "the machine slept for {} ms, so cached answers are no longer fresh",
                slept.as_millis()
            );
            engine.slept(slept);
        }
        known = suspended;
    }
}
