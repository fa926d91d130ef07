//! How an authenticator is configured, and what is refused before the first request.

mod build;
mod route_options;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

pub use route_options::RouteOptions;

use crate::authenticator::Authenticator;
use crate::client::{DEFAULT_IPV6_PREFIX, TrustedProxies};
use crate::clock::{Clock, SystemClock};
use crate::engine::AttemptLimit;
use crate::extract::CredentialSource;
use crate::options::Options;
use crate::verifier::Verifier;

/// The time to live of a cached positive answer, as Kinde's guide recommends: five minutes.
pub const DEFAULT_CACHE_TIME_TO_LIVE: Duration = Duration::from_secs(300);
/// How many keys are cached unless something else is set.
pub const DEFAULT_CACHE_CAPACITY: usize = 100_000;
/// The whole budget of one verification unless something else is set.
pub const DEFAULT_VERIFICATION_TIMEOUT: Duration = Duration::from_secs(3);

/// How many verifications are under way at once at most, unless something else is set.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 64;
/// How many callers may wait for a place among the verifications under way, unless something else is set.
pub const DEFAULT_MAX_QUEUED: usize = 256;
/// How many callers may wait for other callers' verifications at once, unless something else is set.
pub const DEFAULT_MAX_WAITING: usize = 16_384;
/// How long a caller waits for a slow Kinde where an older answer could serve, unless something else is set.
pub const DEFAULT_STALE_WHILE_SLOW: Duration = Duration::from_millis(500);

/// Configures an [`Authenticator`]. Every setting has a safe default.
///
/// `A` is what [`build`](Self::build) makes: the core's [`Authenticator`], or the adapter's own, which holds one.
#[must_use]
pub struct AuthenticatorBuilder<A = Authenticator> {
    verifier: Arc<dyn Verifier>,
    clock: Arc<dyn Clock>,
    options: Options,
    cache_time_to_live: Duration,
    cache_capacity: usize,
    verification_timeout: Duration,
    stale_if_error: Duration,
    stale_while_slow: Duration,
    negative_time_to_live: Duration,
    refresh_ahead: bool,
    retries: bool,
    circuit_breaker: bool,
    max_in_flight: usize,
    max_queued: usize,
    max_waiting: usize,
    runtime: Option<Handle>,
    trusted_proxies: TrustedProxies,
    ipv6_prefix: u8,
    makes: PhantomData<fn() -> A>,
}

impl Authenticator {
    /// Starts configuring an authenticator over any verifier.
    pub fn builder(verifier: impl Verifier) -> AuthenticatorBuilder {
        AuthenticatorBuilder::new(verifier)
    }

    /// The authenticator that asks the Kinde business which the environment names, with every other setting at its
    /// default. See [`KindeVerifier::from_env`](crate::KindeVerifier::from_env) for the variables.
    ///
    /// # Errors
    /// [`ConfigError`](crate::ConfigError), naming the variable that is missing or can't be used.
    #[cfg(feature = "kinde")]
    pub fn kinde_from_env() -> Result<Self, crate::ConfigError> {
        Self::builder(crate::KindeVerifier::from_env()?).build()
    }
}

impl<A: From<Authenticator>> AuthenticatorBuilder<A> {
    /// Starts from a verifier and the defaults.
    pub fn new(verifier: impl Verifier) -> Self {
        Self {
            verifier: Arc::new(verifier),
            clock: Arc::new(SystemClock),
            options: Options::default(),
            cache_time_to_live: DEFAULT_CACHE_TIME_TO_LIVE,
            cache_capacity: DEFAULT_CACHE_CAPACITY,
            verification_timeout: DEFAULT_VERIFICATION_TIMEOUT,
            stale_if_error: Duration::ZERO,
            stale_while_slow: DEFAULT_STALE_WHILE_SLOW,
            negative_time_to_live: Duration::ZERO,
            refresh_ahead: true,
            retries: true,
            circuit_breaker: true,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            max_queued: DEFAULT_MAX_QUEUED,
            max_waiting: DEFAULT_MAX_WAITING,
            runtime: None,
            trusted_proxies: TrustedProxies::none(),
            ipv6_prefix: DEFAULT_IPV6_PREFIX,
            makes: PhantomData,
        }
    }

    /// How long a positive answer is reused, counted from when it was asked for. Default 300 s, at most a day; zero
    /// turns the cache off. A jitter shortens it by a tenth at most.
    pub fn cache_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.cache_time_to_live = time_to_live;
        self
    }

    /// How many keys the cache holds at most. Default 100 000.
    pub fn cache_capacity(mut self, keys: usize) -> Self {
        self.cache_capacity = keys;
        self
    }

    /// The whole budget of one verification: tokens, connecting, everything. Default 3 s, more than zero, at most ten
    /// minutes. Past it the caller gets a 503.
    pub fn verification_timeout(mut self, timeout: Duration) -> Self {
        self.verification_timeout = timeout;
        self
    }

    /// How long past its time to live a positive answer may serve while Kinde can't answer. Default: zero, which is off; at
    /// most a day. It counts from when the answer was asked for, so failures never prolong it; a key that Kinde has
    /// refused, or that was removed, is never served. [`VerifiedKey::is_stale`](crate::VerifiedKey::is_stale) tells, and
    /// [`Policy::fresh`](crate::Policy::fresh) refuses.
    pub fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.stale_if_error = stale_if_error;
        self
    }

    /// How long a caller waits for a slow Kinde before an older answer serves, where
    /// [`stale_if_error`](Self::stale_if_error) allows one. Default 500 ms, at most ten minutes; from
    /// [`verification_timeout`](Self::verification_timeout) on it changes nothing. The verification goes on in the
    /// background.
    pub fn stale_while_slow(mut self, wait: Duration) -> Self {
        self.stale_while_slow = wait;
        self
    }

    /// How long a refusal by Kinde is reused. Default: zero, which is off; at most a day. A key that becomes valid stays
    /// refused for as long. Refusals have a space of their own, so that junk never pushes out good keys; failures are
    /// never remembered as refusals.
    pub fn negative_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.negative_time_to_live = time_to_live;
        self
    }

    /// Whether keys in use are renewed in the background shortly before their time to live ends, so that nobody waits at
    /// its end. Default: on.
    pub fn refresh_ahead(mut self, refresh_ahead: bool) -> Self {
        self.refresh_ahead = refresh_ahead;
        self
    }

    /// Whether a verification is tried again within its timeout: after an outage on a new connection, after overload when the
    /// moment has come that Kinde names, and beside a try that is silent for a third of the timeout. Default: on. Every
    /// verification has one retry of its own; further ones come from a budget that all share, which grows by a tenth of a
    /// retry with each verification.
    pub fn retries(mut self, retries: bool) -> Self {
        self.retries = retries;
        self
    }

    /// Whether a Kinde that can't answer is left alone for a while. Default: on.
    ///
    /// When verifications fail, the service asks Kinde with a made-up key of its own ([`Verifier::check`]). If that fails
    /// twice in a row, unknown keys get their 503 at once until it succeeds again, or until one of the few keys that are let
    /// through is judged. If Kinde asks for time instead, everybody waits until the moment that it names, for at most 60 s.
    /// If Kinde names none, the question must draw that twice in a row. If this service is set up wrong, all callers hear so
    /// from memory for one second; if Kinde refuses the service without saying why, the client whose key drew that does.
    pub fn circuit_breaker(mut self, circuit_breaker: bool) -> Self {
        self.circuit_breaker = circuit_breaker;
        self
    }

    /// How many verifications may be under way at once. Default 64, at least 1. While Kinde answers that it has too much to
    /// do, fewer are. Past it callers wait ([`max_queued`](Self::max_queued)). While callers of several clients wait, one
    /// client has at most a quarter of the places. Of 16 or more, the last sixteenth is never one client's.
    pub fn max_in_flight(mut self, verifications: usize) -> Self {
        self.max_in_flight = verifications;
        self
    }

    /// How many callers may wait for a place among the verifications under way, for at most a third of the verification
    /// timeout; a key that Kinde asked to come back later may wait for the rest of the timeout. Default 256; 0 = no queue. Past it, or if its turn would not come by then, a caller gets a 503 at once. While
    /// callers of several clients wait, one client has at most an eighth of the queue.
    pub fn max_queued(mut self, callers: usize) -> Self {
        self.max_queued = callers;
        self
    }

    /// How many callers may wait for other callers' verifications of the same keys at once. Default 16,384, at least 1. Past
    /// it such a caller gets a 503 at once. While callers of several clients wait, one client has at most an eighth; the last
    /// eighth is never one client's.
    pub fn max_waiting(mut self, callers: usize) -> Self {
        self.max_waiting = callers;
        self
    }

    /// The runtime on which verifications run, a custom [`Verifier`]'s calls included. Default: a thread of the
    /// authenticator's own, so that a web worker that is blocked, or a runtime that is driven by nobody, delays no
    /// verification.
    ///
    /// Name the application's runtime if a custom verifier depends on it, or in a test with paused time. It must have its
    /// timer and I/O enabled. If it is blocked or not driven, callers wait.
    pub fn verification_runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// How many keys that Kinde refuses one client may present in a window of time. Default: the guide's 100 in 15 minutes;
    /// `None` turns the limit off, and [`AttemptLimit::count_all_attempts`] counts accepted keys, too. A client is an IP
    /// address; see [`trusted_proxies`](Self::trusted_proxies).
    pub fn attempt_limit(mut self, limit: impl Into<Option<AttemptLimit>>) -> Self {
        self.options.attempt_limit = limit.into();
        self
    }

    /// The proxies whose forwarding header is believed. Default: none, so that the peer of the connection is the client.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = proxies;
        self
    }

    /// How many leading bits of an IPv6 address make a client. Default 56; 32 to 64.
    ///
    /// An IPv6 address that stands for an IPv4 address counts as that one: `::ffff:192.0.2.1`, and `64:ff9b::192.0.2.1`,
    /// as a translator (NAT64) writes it. A unique local address (`fc00::/7`) counts per /64, whatever is set here.
    pub fn ipv6_client_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = bits;
        self
    }

    /// Where a key may be presented, in the order in which messages name the places. Default:
    /// `Authorization: Bearer` alone.
    pub fn credential_sources(mut self, sources: impl IntoIterator<Item = CredentialSource>) -> Self {
        self.options.extraction.sources = sources.into_iter().collect();
        self
    }

    /// Refuses keys that begin with none of these as malformed, without asking Kinde: for example `k_live_`. It holds for
    /// requests, [`verify`](Authenticator::verify) and [`verify_many`](Authenticator::verify_many) alike. Default: all
    /// are accepted, because Kinde publishes no grammar of its keys.
    pub fn accepted_prefixes<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.options.extraction.accepted_prefixes = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Takes the credential out of the request before the handler sees it, so that it can't be logged or forwarded
    /// by mistake. Default: off.
    ///
    /// What was taken out stands for the request from then on. A credential that somebody puts into the request later is
    /// judged by itself and taken out, too.
    ///
    /// Adapters keep what was taken out in the request's extensions. A clone of the extensions does not have it: a
    /// sub-request that is made with one is judged by what it presents itself, and is anonymous if it presents nothing. If
    /// the extensions are moved into another request and not cloned, that cannot be told from the request itself, and the
    /// credential that was taken out stands for it. So clone them, or present a credential in each sub-request.
    pub fn remove_credential(mut self, remove: bool) -> Self {
        self.options.extraction.remove_credential = remove;
        self
    }

    /// The realm of the challenges. Default `api`.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.options.realm = realm.into();
        self
    }

    /// Answers denials as `application/problem+json` (RFC 9457). Default: off.
    pub fn problem_details(mut self, problem_details: bool) -> Self {
        self.options.problem_details = problem_details;
        self
    }

    /// Replaces the clock that decides about expiry, for tests: that of cached answers, and that of the verifier's own
    /// token ([`Verifier::use_clock`]).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl<A> std::fmt::Debug for AuthenticatorBuilder<A> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AuthenticatorBuilder")
            .field("options", &self.options)
            .field("cache_time_to_live", &self.cache_time_to_live)
            .field("cache_capacity", &self.cache_capacity)
            .field("verification_timeout", &self.verification_timeout)
            .field("stale_if_error", &self.stale_if_error)
            .field("negative_time_to_live", &self.negative_time_to_live)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_queued", &self.max_queued)
            .field("trusted_proxies", &self.trusted_proxies)
            .finish_non_exhaustive()
    }
}
