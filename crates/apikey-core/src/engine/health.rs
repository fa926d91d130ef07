//! What the engine learns about Kinde's health, and what it tells the operator.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Engine;
use super::breaker::{Consequences, Seen, Transition};
use crate::client::Client;
use crate::telemetry::BreakerState;
use crate::verifier::Health;

impl Engine {
    /// Takes what a flight says about Kinde's health.
    pub(super) fn learn(&self, seen: Seen, client: Option<Client>, is_probe: bool, now: Instant) {
        self.draw(self.breaker.record(seen, client, is_probe, now));
    }

    /// Waits until a health check may be due.
    pub(crate) async fn health_check_wanted(&self) {
        self.breaker.woken().await;
    }

    /// How long until the next health check. `None` if none is wanted.
    pub(crate) fn next_health_check(&self, now: Instant) -> Option<Duration> {
        self.breaker.next_health_check(now)
    }

    /// Begins a health check if one is due. Whoever begins it must end it.
    pub(crate) fn begin_health_check(&self, now: Instant) -> bool {
        self.breaker.begin_health_check(now)
    }

    pub(crate) fn end_health_check(&self, health: Health, now: Instant) {
        self.draw(self.breaker.end_health_check(health, now));
    }

    /// Does what the breaker's change asks of the engine. Call it without any lock.
    fn draw(&self, consequences: Consequences) {
        if consequences.outage_is_over {
            // The limiter now forgets the attempts that it gave back during this outage.
            self.outages.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(transition) = consequences.transition {
            transition.tell();
            self.telemetry.breaker_changed(transition.state());
        }
    }
}

impl Transition {
    fn state(&self) -> BreakerState {
        match self {
            Self::Opened(_) | Self::OpenedByOutcomes => BreakerState::Open,
            Self::Closed => BreakerState::Closed,
            Self::Paused(_) => BreakerState::Paused,
        }
    }

    /// Writes the log line. It must not be called under a lock.
    fn tell(&self) {
        match self {
            Self::Opened(error) => tracing::warn!(
                "circuit_breaker: open, because two health checks in a row failed. Callers' keys are not sent: {error}"
            ),
            Self::OpenedByOutcomes => {
                tracing::warn!(
                    "circuit_breaker: open, because most verifications fail. Callers' keys are not sent"
                );
            }
            Self::Closed => tracing::info!("circuit_breaker: closed, because verifying works again"),
            Self::Paused(silence) => tracing::warn!(
                "circuit_breaker: Kinde is overloaded and asks to wait. No key is sent for {} ms",
                silence.as_millis()
            ),
        }
    }
}
