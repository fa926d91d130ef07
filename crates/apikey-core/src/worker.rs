//! The background work: verifications, health checks, and the watch for a machine that slept. It ends with its
//! authenticator.

mod checker;
mod pilot;
mod sleep_watch;
mod tries;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::clock::Clock;
use crate::engine::{Engine, Flight};
use crate::key::PresentedKey;
use crate::log_gate::LogGate;
use crate::peers::Peers;
use crate::retry::RetryBudget;
use crate::runtime::VerificationRuntime;
use crate::telemetry::{Sample, gauge, vocabulary};
use crate::verifier::{Health, Verifier, VerifierError};
use checker::Checker;
pub(crate) use checker::health_check_timeout;
use pilot::Pilot;
use sleep_watch::watch_for_sleep;
use tries::Tries;

/// Runs the background work. Dropping it ends all of it.
pub(crate) struct Worker {
    pilot: Arc<Pilot>,
    checker: Arc<Checker>,
    runtime: VerificationRuntime,
    /// Nothing is ever sent. Tasks end when this sender is gone.
    alive: watch::Sender<()>,
}

pub(crate) struct WorkerSettings {
    /// How long one verification may take.
    pub(crate) timeout: Duration,
    /// Whether failed calls are tried again.
    pub(crate) retries: bool,
    pub(crate) max_in_flight: usize,
    /// How long after a flight asked a stale answer may serve. `None` if no answer ever serves as stale.
    pub(crate) slow_after: Option<Duration>,
    /// `None` without a fleet.
    pub(crate) peers: Option<Arc<dyn Peers>>,
}

impl Worker {
    pub(crate) fn new(
        verifier: Arc<dyn Verifier>,
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        runtime: VerificationRuntime,
        settings: WorkerSettings,
    ) -> Self {
        let WorkerSettings { timeout, retries, max_in_flight, slow_after, peers } = settings;
        let log = Arc::new(LogGate::default());
        let retries = retries.then(|| RetryBudget::new(max_in_flight));
        let pilot = Pilot {
            engine: Arc::clone(&engine),
            clock: Arc::clone(&clock),
            log: Arc::clone(&log),
            tries: Tries::new(Arc::clone(&verifier), Arc::clone(&engine), timeout, retries),
            timeout,
            slow_after,
            peers,
        };
        let checker = Checker::new(verifier, Arc::clone(&engine), Arc::clone(&clock), log, timeout);
        let alive = watch::channel(()).0;
        let worker = Self { pilot: Arc::new(pilot), checker: Arc::new(checker), runtime, alive };
        worker.spawn(Arc::clone(&worker.checker).check_when_wanted());
        worker.spawn(watch_for_sleep(engine, clock));
        worker
    }

    /// Flies a flight in a task of its own. A caller that hangs up ends no verification, so others that share
    /// the flight still get its outcome.
    pub(crate) fn launch(&self, flight: Flight, key: PresentedKey) {
        // The verification may outlive its caller, so its span must not be a child of the caller's span.
        let span = tracing::info_span!(
            parent: None,
            "apikey.verification",
            otel.status_code = Empty,
            apikey.result = Empty,
            apikey.key_id = Empty,
            error.type = Empty,
        );
        span.follows_from(tracing::Span::current());
        self.spawn(Arc::clone(&self.pilot).fly(flight, key).instrument(span));
    }

    /// The levels that an operator watches.
    pub(crate) fn gauges(&self, samples: &mut Vec<Sample>) {
        samples.push(gauge(&vocabulary::RETRY_BUDGET, self.pilot.tries.budget()));
    }

    /// Checks for the application whether verifying works.
    pub(crate) async fn check(&self) -> Health {
        let checker = Arc::clone(&self.checker);
        let (answer, answered) = oneshot::channel();
        self.runtime.spawn(async move { drop(answer.send(checker.check().await)) });
        answered
            .await
            .unwrap_or_else(|_| Health::Down(VerifierError::outage("the task of the health check was ended")))
    }

    /// Runs work until it ends, or until the worker is dropped.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut alive = self.alive.subscribe();
        self.runtime.spawn(async move {
            tokio::select! {
                () = work => {}
                _authenticator_is_gone = alive.changed() => {}
            }
        });
    }
}
