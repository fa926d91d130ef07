//! Checks the settings of an authenticator, and builds it.

use std::sync::Arc;
use std::time::Duration;

use super::AuthenticatorBuilder;
use crate::authenticator::Authenticator;
use crate::client::{Clients, IPV6_PREFIXES};
use crate::config_error::ConfigError;
use crate::engine::{Engine, EngineSettings};
use crate::options::LONGEST_TIME_TO_LIVE;
use crate::runtime::VerificationRuntime;
use crate::telemetry::{Recorder, Telemetry};
use crate::uploads::RefusedUploads;
use crate::view::View;
use crate::worker::{Worker, WorkerSettings, health_check_timeout};

/// How long past the timeout other callers may join a flight that does not land.
const GRACE: Duration = Duration::from_millis(250);
/// A caller waits in the queue for at most one part in this many of the verification timeout.
const QUEUE_PART: u32 = 3;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10 * 60);

impl<A: From<Authenticator>> AuthenticatorBuilder<A> {
    /// Checks the settings and builds.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting that can't be used.
    pub fn build(self) -> Result<A, ConfigError> {
        if self.cache_time_to_live > LONGEST_TIME_TO_LIVE {
            return Err(ConfigError::new(
                "cache_time_to_live",
                "at most a day (86400 s); zero turns the cache off",
            ));
        }
        if self.stale_if_error > LONGEST_TIME_TO_LIVE {
            return Err(ConfigError::new("stale_if_error", "at most a day (86400 s); zero turns it off"));
        }
        if !self.stale_if_error.is_zero() && self.cache_time_to_live.is_zero() {
            return Err(ConfigError::new("stale_if_error", "needs the cache: set cache_time_to_live, too"));
        }
        if self.negative_time_to_live > LONGEST_TIME_TO_LIVE {
            return Err(ConfigError::new(
                "negative_time_to_live",
                "at most a day (86400 s); zero turns it off",
            ));
        }
        for (setting, value) in [("max_in_flight", self.max_in_flight), ("max_waiting", self.max_waiting)] {
            if value == 0 {
                return Err(ConfigError::new(setting, "at least 1"));
            }
        }
        if !IPV6_PREFIXES.contains(&self.ipv6_prefix) {
            return Err(ConfigError::new("ipv6_client_prefix", "32 to 64 bits"));
        }
        if self.cache_capacity == 0 {
            return Err(ConfigError::new(
                "cache_capacity",
                "at least 1; to turn the cache off, set cache_time_to_live to zero",
            ));
        }
        if self.verification_timeout.is_zero() || self.verification_timeout > LONGEST_TIMEOUT {
            return Err(ConfigError::new("verification_timeout", "more than zero, and at most 600 s"));
        }
        if self.stale_while_slow > LONGEST_TIMEOUT {
            return Err(ConfigError::new("stale_while_slow", "at most 600 s"));
        }
        if self.fleet.unconfirmed_for > LONGEST_TIME_TO_LIVE {
            return Err(ConfigError::new(
                "serve_unconfirmed_for",
                "at most a day (86400 s); zero turns it off",
            ));
        }
        self.refused_uploads.check()?;
        self.options.check()?;
        let engine = EngineSettings {
            cache_capacity: self.cache_capacity,
            time_to_live: self.cache_time_to_live,
            stale_if_error: self.stale_if_error,
            negative_time_to_live: self.negative_time_to_live,
            refresh_ahead: self.refresh_ahead,
            max_in_flight: self.max_in_flight,
            max_queued: self.max_queued,
            max_waiting: self.max_waiting,
            attempt_limit: self.options.attempt_limit,
            circuit_breaker: self.circuit_breaker,
            queue_patience: self.verification_timeout / QUEUE_PART,
            health_check_timeout: health_check_timeout(self.verification_timeout),
            overdue_after: self.verification_timeout + GRACE,
            cut_off: self.fleet.cut_off(self.verification_timeout)?,
            one_secret_per_key_id: !self.verifier.allows_several_secrets_per_key_id(),
        };
        let runtime = match self.runtime {
            Some(handle) => VerificationRuntime::Application(handle),
            None => VerificationRuntime::on_a_thread()?,
        };
        let serves_stale = !self.stale_if_error.is_zero();
        let telemetry = Arc::new(Telemetry::told_to(self.observer));
        let membership = self.fleet.membership(&self.verifier.realm())?;
        let fingerprinter = membership.fingerprinter()?;
        let engine = Engine::new(engine, fingerprinter, Arc::clone(&telemetry), self.clock.now());
        let times = (self.cache_time_to_live, self.stale_if_error);
        let joined = membership.join(&engine, &self.clock, times, self.verifier.further_checks())?;
        let (peers, keeps_in_touch) = joined.map(|joined| (joined.peers, joined.work)).unzip();
        let worker = WorkerSettings {
            timeout: self.verification_timeout,
            retries: self.retries,
            max_in_flight: self.max_in_flight,
            slow_after: serves_stale.then_some(self.stale_while_slow),
            peers: peers.clone(),
        };
        self.verifier.use_clock(Arc::clone(&self.clock));
        self.verifier.use_recorder(Recorder::new(Arc::clone(&telemetry)));
        let worker =
            Worker::new(self.verifier, Arc::clone(&engine), Arc::clone(&self.clock), runtime, worker);
        if let Some(keeps_in_touch) = keeps_in_touch {
            worker.spawn(keeps_in_touch);
        }
        let view = View {
            peers,
            extraction: self.options.extraction.clone().build()?,
            style: Arc::new(self.options.style()),
            rules: None,
            options: self.options,
            engine,
            clock: self.clock,
            clients: Arc::new(Clients::new(self.trusted_proxies, self.ipv6_prefix)),
            worker: Arc::new(worker),
            telemetry,
            refused_uploads: Arc::new(RefusedUploads::new(self.refused_uploads)),
            timeout: self.verification_timeout,
        };
        Ok(A::from(Authenticator(Arc::new(view))))
    }
}
