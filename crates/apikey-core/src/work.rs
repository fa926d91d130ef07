//! The background work: verifications that no caller can cancel, and that end with their authenticator.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::denial::ServerFault;
use crate::engine::Flight;
use crate::key::PresentedKey;
use crate::retry::RetryBudget;
use crate::verification::Judgement;
use crate::verifier::{Verifier, VerifierError};

/// Verifies keys in tasks of its own. Dropping it ends them.
pub(crate) struct Worker {
    tools: Arc<Tools>,
    /// Nothing is ever sent: that this end is gone is the message.
    alive: watch::Sender<()>,
}

struct Tools {
    verifier: Arc<dyn Verifier>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    retries: Option<RetryBudget>,
}

impl Worker {
    pub(crate) fn new(
        verifier: Arc<dyn Verifier>,
        clock: Arc<dyn Clock>,
        timeout: Duration,
        retries: bool,
    ) -> Self {
        let retries = retries.then(RetryBudget::new);
        Self { tools: Arc::new(Tools { verifier, clock, timeout, retries }), alive: watch::channel(()).0 }
    }

    /// Verifies in a task of its own, so that a caller who hangs up cancels nobody else's answer.
    pub(crate) fn launch(&self, flight: Flight, key: PresentedKey) {
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!("API keys can only be verified within a Tokio runtime");
            let now = self.tools.clock.now();
            let _landed = flight.land(Err(ServerFault::Internal), None, now);
            return;
        };
        let tools = Arc::clone(&self.tools);
        let mut alive = self.alive.subscribe();
        let work = async move {
            tokio::select! {
                () = tools.fly(flight, &key) => {}
                _authenticator_is_gone = alive.changed() => {}
            }
        };
        runtime.spawn(work.in_current_span());
    }

    pub(crate) async fn check(&self) -> Result<(), VerifierError> {
        let timeout = self.tools.timeout;
        match tokio::time::timeout(timeout, self.tools.verifier.check()).await {
            Ok(checked) => checked,
            Err(_elapsed) => Err(too_late(timeout)),
        }
    }
}

impl Tools {
    /// Verifies until the flight has landed; a purge in between makes it ask again, within the same budget.
    async fn fly(&self, flight: Flight, key: &PresentedKey) {
        let deadline = Instant::now() + self.timeout;
        let mut flight = flight;
        loop {
            let began = self.clock.now();
            let judged = self.verify(key, deadline).await;
            // Who chooses a key must not be able to make Kinde look ill for others.
            let tells_of_kinde = !matches!(judged, Err(VerifierError::Unjudged(_)));
            let outcome = match judged {
                Ok(Judgement::Accepted(verification)) => Ok(Ok(flight.answer(verification))),
                Ok(Judgement::Refused(refusal)) => Ok(Err(refusal)),
                Err(error) => {
                    match &error {
                        VerifierError::Misconfigured(_) => tracing::error!("{error}"),
                        // No line of the log for each key that somebody makes up.
                        VerifierError::Unjudged(_) => tracing::debug!("{error}"),
                        _ => tracing::warn!("{error}"),
                    }
                    Err(ServerFault::from(&error))
                }
            };
            let now = self.clock.now();
            let took = tells_of_kinde.then(|| now.saturating_duration_since(began));
            match flight.land(outcome, took, now) {
                Some(again) => flight = again,
                None => return,
            }
        }
    }

    async fn verify(&self, key: &PresentedKey, deadline: Instant) -> Result<Judgement, VerifierError> {
        if let Some(retries) = &self.retries {
            retries.earn();
        }
        let mut retried = 0;
        loop {
            let failed = match timeout_at(deadline, self.verifier.verify(key)).await {
                Err(_elapsed) => return Err(too_late(self.timeout)),
                Ok(Err(error)) => error,
                Ok(Ok(judgement)) => return Ok(judgement),
            };
            let (Some(retries), &VerifierError::Transient { retry_after, .. }) = (&self.retries, &failed)
            else {
                return Err(failed);
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(wait) = retries.next(retried, retry_after, left, random()) else { return Err(failed) };
            retried += 1;
            tokio::time::sleep(wait).await;
        }
    }
}

fn too_late(timeout: Duration) -> VerifierError {
    VerifierError::Unavailable(format!("no answer within verification_timeout ({} ms)", timeout.as_millis()))
}

/// Uniform in `0.0..1.0`; the middle where the operating system gives no random numbers.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
}
