//! Health checks: for the engine when it wants one, and for the application.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use crate::clock::Clock;
use crate::engine::Engine;
use crate::log_gate::LogGate;
use crate::telemetry::calls::together;
use crate::verifier::{Health, Verifier, VerifierError};

/// A health check may always take this long, because no request waits for it.
const LEAST_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the outcome of the application's own check is handed on to other callers.
const MEMORY: Duration = Duration::from_secs(1);

/// How long a health check may take, for this verification timeout.
pub(crate) fn health_check_timeout(verification_timeout: Duration) -> Duration {
    verification_timeout.max(LEAST_TIMEOUT)
}

pub(super) struct Checker {
    verifier: Arc<dyn Verifier>,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    log: Arc<LogGate>,
    timeout: Duration,
    /// The application's latest check: when it ended, and its outcome. The lock keeps it to one check at a
    /// time.
    latest: Mutex<Option<(Instant, Health)>>,
}

impl Checker {
    pub(super) fn new(
        verifier: Arc<dyn Verifier>,
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        log: Arc<LogGate>,
        verification_timeout: Duration,
    ) -> Self {
        let timeout = health_check_timeout(verification_timeout);
        Self { verifier, engine, clock, log, timeout, latest: Mutex::default() }
    }

    /// Makes a health check whenever the engine wants one. It never ends.
    pub(super) async fn check_when_wanted(self: Arc<Self>) {
        loop {
            let now = self.clock.now();
            match self.engine.next_health_check(now) {
                None => self.engine.health_check_wanted().await,
                Some(wait) if !wait.is_zero() => {
                    tokio::select! {
                        () = self.engine.health_check_wanted() => {}
                        () = sleep(wait) => {}
                    }
                }
                Some(_) => {
                    if self.engine.begin_health_check(now) {
                        let health = self.check_once().await;
                        let now = self.clock.now();
                        if let Health::Refused(error) = &health {
                            self.log.tell(error, now);
                        }
                        self.engine.end_health_check(health, now);
                    }
                }
            }
        }
    }

    /// Checks for the application. If Kinde can't answer, it checks a second time. Callers within one second
    /// share an outcome.
    pub(super) async fn check(&self) -> Health {
        let mut latest = self.latest.lock().await;
        let now = self.clock.now();
        if let Some((at, health)) = &*latest {
            if now.saturating_duration_since(*at) < MEMORY {
                return health.clone();
            }
        }
        let health = match self.check_once().await {
            Health::Down(_) | Health::Overload(_) => self.check_once().await,
            health => health,
        };
        *latest = Some((self.clock.now(), health.clone()));
        health
    }

    async fn check_once(&self) -> Health {
        let verifier = Arc::clone(&self.verifier);
        // It runs in a task of its own, so that a panic of the verifier ends this check, and not the worker.
        let mut task = JoinSet::new();
        let deadline = tokio::time::Instant::now() + self.timeout;
        task.spawn(together(0, deadline, async move { verifier.check().await }));
        let problem = match timeout_at(deadline, task.join_next()).await {
            Ok(Some(Ok(health))) => return health,
            Ok(_) => "the verifier's check panicked".to_owned(),
            Err(_elapsed) => format!("no answer to the health check within {} ms", self.timeout.as_millis()),
        };
        Health::Down(VerifierError::outage(problem))
    }
}
