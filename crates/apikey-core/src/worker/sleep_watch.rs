//! The watch for a machine that slept, because answers are dated by a clock that does not count sleep.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::clock::Clock;
use crate::engine::Engine;

/// How often the clock that counts sleep is compared with the one that does not.
const INTERVAL: Duration = Duration::from_secs(1);
/// Up to this much, a gap between the two clocks is no sleep.
const NO_SLEEP: Duration = Duration::from_millis(100);

/// Compares the two clocks for ever. It ends at once if there is only one.
pub(super) async fn watch_for_sleep(engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    let Some(mut known) = clock.suspended() else { return };
    loop {
        sleep(INTERVAL).await;
        let Some(suspended) = clock.suspended() else { return };
        let slept = suspended.saturating_sub(known);
        if slept > NO_SLEEP {
            tracing::info!(
                "the machine slept for {} ms: cached answers are asked for again",
                slept.as_millis()
            );
            engine.slept(slept);
        }
        known = suspended;
    }
}
