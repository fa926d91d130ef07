//! What the engine knows of Kinde's health, and what the operator reads of it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Engine;
use super::breaker::{Consequences, Seen, Transition};
use crate::client::Client;
use crate::verifier::Health;

impl Engine {
    /// Takes in what a flight says about Kinde's health.
    pub(super) fn learn(&self, seen: Seen, client: Option<Client>, is_probe: bool, now: Instant) {
        self.draw(self.breaker.record(seen, client, is_probe, now));
    }

    /// Waits until a health check may be due.
    pub(crate) async fn health_check_wanted(&self) {
        self.breaker.woken().await;
    }

    /// How long until the next health check; `None` if none is wanted.
    pub(crate) fn next_health_check(&self, now: Instant) -> Option<Duration> {
        self.breaker.next_health_check(now)
    }

    /// Begins a health check if one is due. Whoever begins it ends it.
    pub(crate) fn begin_health_check(&self, now: Instant) -> bool {
        self.breaker.begin_health_check(now)
    }

    pub(crate) fn end_health_check(&self, health: Health, now: Instant) {
        self.draw(self.breaker.end_health_check(health, now));
    }

    fn draw(&self, consequences: Consequences) {
        if consequences.outage_is_over {
            // What clients were given back in it is forgotten.
            self.outages.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(transition) = consequences.transition {
            transition.tell();
        }
    }
}

impl Transition {
    /// Tells the operator. Never called under a lock.
    fn tell(&self) {
        match self {
            Self::Opened(error) => tracing::warn!(
                "circuit_breaker: the health check failed twice, so callers' keys are not sent for a while: {error}"
            ),
            Self::OpenedByOutcomes => {
                tracing::warn!(
                    "circuit_breaker: most verifications fail, so callers' keys are not sent for a while"
                );
            }
            Self::Closed => tracing::info!("circuit_breaker: verifying works again"),
            Self::Paused(silence) => tracing::warn!(
                "the verifier asks everybody to wait: no key is sent for {} ms",
                silence.as_millis()
            ),
        }
    }
}
