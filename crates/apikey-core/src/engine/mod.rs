//! Decides what to do about a key, without I/O: serve a cached answer, join a flight that is under way, or
//! start a flight.
//!
//! Callers hand the time in, so that a test of any rule needs no runtime.

mod admission;
mod attempts;
mod breaker;
mod cache;
mod cached_key;
mod confirmations;
mod crowd;
pub(crate) mod currency;
mod flight;
mod flights;
mod health;
mod interner;
mod negative;
mod outcome;
mod overload;
mod purge;
mod report;
mod settle;
mod step;
mod turn;
mod usage;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::key::{Fingerprint, Fingerprinter};
use crate::telemetry::{BreakerState, Sample, SampleValue, Telemetry, counter, gauge, vocabulary};

pub use attempts::AttemptLimit;
pub(crate) use attempts::{Attempts, Limited, WindowOfClient};
pub(crate) use cached_key::{CachedKey, Freshness};
pub(crate) use confirmations::CutOff;
pub(crate) use flight::{Flight, Landed, Landing, NoTurn};
pub(crate) use outcome::{LandedAnswer, News, Outcome, Waiter};
pub(crate) use purge::Purge;
pub(crate) use report::Report;
pub(crate) use step::Step;

/// What a route asks for that its authenticator does not ask for everywhere.
pub(crate) struct Rules {
    /// Older answers don't serve. `None`: the time to live is the only bound.
    pub(crate) max_age: Option<Duration>,
    /// What counts the attempts of clients; `None` if nobody is limited.
    pub(crate) attempts: Option<Arc<Attempts>>,
}

/// The engine's part of the settings.
#[derive(Debug, Clone)]
pub(crate) struct EngineSettings {
    pub(crate) cache_capacity: usize,
    pub(crate) time_to_live: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) negative_time_to_live: Duration,
    pub(crate) refresh_ahead: bool,
    pub(crate) max_in_flight: usize,
    /// How many flights may wait for a place among the calls that are under way.
    pub(crate) max_queued: usize,
    /// How many callers may wait for flights that other callers started.
    pub(crate) max_waiting: usize,
    pub(crate) attempt_limit: Option<AttemptLimit>,
    pub(crate) circuit_breaker: bool,
    /// How long a flight waits in the queue for its first turn.
    pub(crate) queue_patience: Duration,
    /// How long a health check may take.
    pub(crate) health_check_timeout: Duration,
    /// A flight that takes longer than this is stuck.
    pub(crate) overdue_after: Duration,
    /// If Kinde accepts a newer secret of a key id, the older secrets of that id are forgotten.
    pub(crate) one_secret_per_key_id: bool,
    /// `None` without a fleet.
    pub(crate) cut_off: Option<CutOff>,
}

pub(crate) struct Engine {
    settings: EngineSettings,
    lifetime: cached_key::Lifetime,
    confirmations: confirmations::Confirmations,
    telemetry: Arc<Telemetry>,
    fingerprinter: Fingerprinter,
    cache: cache::Cache,
    interner: interner::Interner,
    negative: negative::Negative,
    attempts: Option<Arc<Attempts>>,
    /// How many outages have ended.
    outages: Arc<AtomicU32>,
    /// How many further counters of attempts were made.
    counters: AtomicU32,
    overloads: overload::Overloads,
    breaker: breaker::Breaker,
    admission: admission::Admission,
    crowd: crowd::Crowd,
    /// Is notified when there may be room for one more caller.
    freed: Arc<Notify>,
    flights: flights::Flights,
}

/// How long a caller is told to wait if too many verifications are under way.
pub(crate) const CROWDED: Duration = Duration::from_secs(1);

impl Engine {
    /// `beginning`: no later than any time that callers hand in.
    pub(crate) fn new(
        settings: EngineSettings,
        fingerprinter: Fingerprinter,
        telemetry: Arc<Telemetry>,
        beginning: Instant,
    ) -> Arc<Self> {
        let admission = admission::AdmissionSettings {
            most_places: settings.max_in_flight,
            most_queued: settings.max_queued,
            patience: settings.queue_patience,
        };
        let lifetime = cached_key::Lifetime {
            beginning,
            time_to_live: settings.time_to_live,
            stale_if_error: settings.stale_if_error,
            spread: settings.cut_off.map(|cut_off| cut_off.seed),
        };
        let (outages, freed) = (Arc::default(), Arc::<Notify>::default());
        Arc::new(Self {
            cache: cache::Cache::new(settings.cache_capacity, settings.one_secret_per_key_id),
            negative: negative::Negative::new(settings.negative_time_to_live),
            attempts: settings
                .attempt_limit
                .map(|limit| Arc::new(Attempts::new(limit, Arc::clone(&outages), 0))),
            outages,
            counters: AtomicU32::new(0),
            overloads: overload::Overloads::new(),
            breaker: breaker::Breaker::new(settings.circuit_breaker, settings.health_check_timeout),
            admission: admission::Admission::new(admission, Arc::clone(&freed)),
            crowd: crowd::Crowd::new(settings.max_waiting, Arc::clone(&freed)),
            freed,
            flights: flights::Flights::default(),
            interner: interner::Interner::default(),
            fingerprinter,
            telemetry,
            lifetime,
            confirmations: confirmations::Confirmations::new(settings.cut_off),
            settings,
        })
    }

    pub(crate) fn fingerprint(&self, key: impl AsRef<[u8]>) -> Fingerprint {
        self.fingerprinter.fingerprint(key.as_ref())
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// How long a flight waits in the queue for its first turn.
    pub(crate) fn queue_patience(&self) -> Duration {
        self.settings.queue_patience
    }

    /// How long a call usually takes.
    pub(crate) fn usual_time_of_a_call(&self) -> Duration {
        self.admission.usual()
    }

    /// How many calls are under way.
    pub(crate) fn calls_under_way(&self) -> usize {
        self.admission.taken()
    }

    /// How many calls may be under way at once now. Overload lowers this number.
    pub(crate) fn places(&self) -> usize {
        self.admission.places()
    }

    /// Waits until the next call gives its place back, or the next caller no longer waits.
    pub(crate) fn place_freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// What counts the attempts of clients unless a route counts for itself.
    pub(crate) fn attempts(&self) -> Option<Arc<Attempts>> {
        self.attempts.clone()
    }

    /// Makes a separate counter of attempts with this limit.
    pub(crate) fn count_by(&self, limit: AttemptLimit) -> Arc<Attempts> {
        let number = self.counters.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(Attempts::new(limit, Arc::clone(&self.outages), number))
    }

    /// The answers that are cached for the secrets of this key id, and may still serve.
    pub(crate) fn cached(&self, key_id: &str, now: Instant) -> Vec<Arc<CachedKey>> {
        let mut answers = self.cache.answers_for_id(key_id);
        answers.retain(|answer| self.freshness(answer, now) != Freshness::Expired);
        answers
    }

    /// How an answer may serve now. Every decision must ask this, and not the answer alone.
    pub(crate) fn freshness(&self, answer: &CachedKey, now: Instant) -> Freshness {
        self.confirmations.bound(answer.freshness(now), answer.asked_at(), now, &self.lifetime)
    }

    /// Whether the answer was fresh at some moment of this last span of time.
    pub(crate) fn was_fresh(&self, answer: &CachedKey, span: Duration, now: Instant) -> bool {
        now.checked_sub(span).is_none_or(|earlier| answer.freshness(earlier) == Freshness::Fresh)
    }

    /// Whether this instance knows of every removal that its fleet made a moment ago.
    pub(crate) fn is_linked(&self, now: Instant) -> bool {
        self.confirmations.is_linked(self.lifetime.moment(now))
    }

    #[cfg(any(test, feature = "fleet"))]
    /// Every removal that the fleet had made at this moment has been applied here.
    pub(crate) fn confirm(&self, at: Instant) {
        self.confirmations.confirm(self.lifetime.moment(at));
    }

    pub(crate) fn cached_keys(&self) -> usize {
        self.cache.len()
    }

    /// The levels that an operator watches.
    pub(crate) fn gauges(&self, samples: &mut Vec<Sample>) {
        samples.extend([
            gauge(&vocabulary::VERIFICATIONS_IN_FLIGHT, self.calls_under_way() as u64),
            gauge(&vocabulary::VERIFICATIONS_LIMIT, self.places() as u64),
            gauge(&vocabulary::CALLERS_WAITING, self.crowd.len() as u64),
            gauge(&vocabulary::CACHE_ENTRIES, self.cache.len() as u64),
            gauge(&vocabulary::CACHE_CAPACITY, self.settings.cache_capacity as u64),
            counter(&vocabulary::CACHE_EVICTIONS, self.cache.evictions()),
        ]);
        let (metric, current) = (&vocabulary::BREAKER_STATE, self.breaker.state());
        samples.extend(BreakerState::ALL.iter().map(|state| Sample {
            metric,
            labels: vec![(vocabulary::STATE.name, Cow::Borrowed(state.as_str()))],
            value: SampleValue::Gauge(u64::from(*state == current)),
        }));
        let clients = self.attempts.as_ref().map_or(0, |attempts| attempts.clients());
        samples.push(gauge(&vocabulary::CLIENTS_REMEMBERED, clients));
    }
}

#[cfg(test)]
pub(crate) mod tests;
