//! Configures an authenticator, and refuses bad settings before the first request.

mod build;
mod denials;
mod fleet;
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
use crate::telemetry::Observer;
use crate::uploads::UploadLimit;
use crate::verifier::Verifier;

/// The time to live of a cached positive answer, as Kinde's guide recommends: five minutes.
pub const DEFAULT_CACHE_TIME_TO_LIVE: Duration = Duration::from_secs(300);
/// How many keys the cache holds by default.
pub const DEFAULT_CACHE_CAPACITY: usize = 100_000;
/// How long one verification may take by default.
pub const DEFAULT_VERIFICATION_TIMEOUT: Duration = Duration::from_secs(3);

/// How many verifications may be under way at once by default.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 64;
/// How many callers may wait for a place among the verifications under way by default.
pub const DEFAULT_MAX_QUEUED: usize = 256;
/// How many callers may wait for other callers' verifications at once by default.
pub const DEFAULT_MAX_WAITING: usize = 16_384;
/// How long a caller waits for a slow Kinde by default, if a stale answer could serve.
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
    refused_uploads: UploadLimit,
    observer: Option<Arc<dyn Observer>>,
    fleet: fleet::FleetSettings,
    makes: PhantomData<fn() -> A>,
}

impl Authenticator {
    /// Starts configuring an authenticator over any verifier.
    pub fn builder(verifier: impl Verifier) -> AuthenticatorBuilder {
        AuthenticatorBuilder::new(verifier)
    }

    /// The authenticator for the Kinde business that the environment names, with every other setting at its default.
    /// See [`KindeVerifier::from_env`](crate::KindeVerifier::from_env) for the variables.
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
            refused_uploads: UploadLimit::default(),
            observer: None,
            fleet: fleet::FleetSettings::default(),
            makes: PhantomData,
        }
    }

    /// How long the answer about an accepted key is reused, counted from when it was asked for. Default 300 s, at
    /// most a day. Zero turns the cache off. A jitter shortens it by at most a tenth.
    pub fn cache_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.cache_time_to_live = time_to_live;
        self
    }

    /// How many keys the cache holds at most. Default 100,000, at least 1.
    pub fn cache_capacity(mut self, keys: usize) -> Self {
        self.cache_capacity = keys;
        self
    }

    /// How long one verification may take in all: fetching a token, connecting, asking and retries. Default 3 s; more
    /// than zero, at most 10 minutes. After that the caller gets a 503.
    pub fn verification_timeout(mut self, timeout: Duration) -> Self {
        self.verification_timeout = timeout;
        self
    }

    /// How long after its time to live an answer may serve as stale, while Kinde can't answer. Default zero, which
    /// turns it off; at most a day. It counts from when the answer was asked for, so failures never prolong it. A key
    /// that Kinde has refused, or that was removed, never has a stale answer.
    /// [`VerifiedKey::is_stale`](crate::VerifiedKey::is_stale) tells a handler.
    /// [`Policy::fresh`](crate::Policy::fresh) refuses stale answers.
    pub fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.stale_if_error = stale_if_error;
        self
    }

    /// How long a caller waits for a slow Kinde before a stale answer serves, if
    /// [`stale_if_error`](Self::stale_if_error) allows one. Default 500 ms, at most 10 minutes. If it is as long as
    /// [`verification_timeout`](Self::verification_timeout) or longer, it changes nothing. The verification goes on
    /// in the background.
    pub fn stale_while_slow(mut self, wait: Duration) -> Self {
        self.stale_while_slow = wait;
        self
    }

    /// How long a refusal by Kinde is reused. Default zero, which turns it off; at most a day. A key that becomes
    /// valid meanwhile stays refused for that long. Refusals have a cache of their own, so that junk never pushes out
    /// good keys. A failure is never remembered as a refusal.
    pub fn negative_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.negative_time_to_live = time_to_live;
        self
    }

    /// Whether the answers about keys in use are renewed in the background shortly before their time to live ends, so
    /// that no caller waits then. Default: on.
    pub fn refresh_ahead(mut self, refresh_ahead: bool) -> Self {
        self.refresh_ahead = refresh_ahead;
        self
    }

    /// Whether a verification is tried again within its timeout. Default: on. After an outage it is tried again on a
    /// new connection. After overload it is tried again at the moment that Kinde names. If a try is silent for a
    /// third of the timeout, a second one starts beside it. Every verification has one retry of its own. Further
    /// retries come from a budget that all verifications share, to which each of them adds a tenth of a retry.
    pub fn retries(mut self, retries: bool) -> Self {
        self.retries = retries;
        self
    }

    /// Whether the authenticator stops asking for a while if Kinde can't answer. Default: on.
    ///
    /// When verifications fail, the authenticator makes a health check with a made-up key ([`Verifier::check`]). If
    /// the check fails twice in a row, keys that are not cached get their 503 at once. That ends when a check
    /// succeeds, or when Kinde judges one of the few keys that are still let through.
    ///
    /// If Kinde asks for time, everybody waits until the moment that it names, for at most 60 s. If it names no
    /// moment, the check must draw overload twice in a row. If this service is set up wrong, all callers get the 500
    /// from memory for one second. If Kinde refuses the service without saying why, only the client that presented
    /// the key gets it from memory.
    pub fn circuit_breaker(mut self, circuit_breaker: bool) -> Self {
        self.circuit_breaker = circuit_breaker;
        self
    }

    /// How many verifications may be under way at once. Default 64, at least 1. While Kinde answers that it is
    /// overloaded, the authenticator lowers this number. Further callers wait ([`max_queued`](Self::max_queued)).
    /// While callers of several clients wait, one client has at most a quarter of the places. If there are 16 places
    /// or more, one client never has the last sixteenth.
    pub fn max_in_flight(mut self, verifications: usize) -> Self {
        self.max_in_flight = verifications;
        self
    }

    /// How many callers may wait for a place among the verifications under way. Default 256; 0 means no queue. A
    /// caller waits for at most a third of the verification timeout. A key that Kinde asked to come back later may
    /// wait for the rest of the timeout. If the queue is full, or if a caller's turn would not come in time, the
    /// caller gets a 503 at once. While callers of several clients wait, one client has at most an eighth of the
    /// queue.
    pub fn max_queued(mut self, callers: usize) -> Self {
        self.max_queued = callers;
        self
    }

    /// How many callers may wait at once for verifications of the same keys that other callers started. Default
    /// 16,384, at least 1. Further ones get a 503 at once. While callers of several clients wait, one client has at
    /// most an eighth of these waiting slots. One client never has the last eighth. In a fleet, a caller takes one, too, if its
    /// own verification first looks for another instance's answer.
    pub fn max_waiting(mut self, callers: usize) -> Self {
        self.max_waiting = callers;
        self
    }

    /// The runtime on which verifications run, the calls of a custom [`Verifier`] included. Default: a thread that
    /// belongs to the authenticator. So a blocked web worker, or a runtime that nobody drives, delays no
    /// verification.
    ///
    /// Name the application's runtime if a custom verifier depends on it, or in a test with paused time. Its timer
    /// and I/O must be enabled. If it is blocked or nobody drives it, callers wait.
    pub fn verification_runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// How many refused keys one client may present in a window of time. Only keys that Kinde was asked about count.
    /// Default: 100 in 15 minutes, as in Kinde's guide. `None` turns the limit off.
    /// [`AttemptLimit::count_all_attempts`] counts accepted keys, too. A client is an IP address; see
    /// [`trusted_proxies`](Self::trusted_proxies). If the server does not know its clients' addresses, nobody is limited.
    /// After ten such requests the log says so, once.
    pub fn attempt_limit(mut self, limit: impl Into<Option<AttemptLimit>>) -> Self {
        self.options.attempt_limit = limit.into();
        self
    }

    /// The proxies whose forwarding header is believed. Default: none. Then the client is the address at the other
    /// end of the connection, and over a Unix socket nobody's attempts are counted.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = proxies;
        self
    }

    /// How many leading bits of an IPv6 address make a client. Default 56, from 32 to 64.
    ///
    /// An IPv6 address that stands for an IPv4 address counts as that address: an IPv4-mapped one
    /// (`::ffff:192.0.2.1`), or one that a NAT64 translator gives (`64:ff9b::192.0.2.1`). A unique local address
    /// (`fc00::/7`) always counts per /64.
    pub fn ipv6_client_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = bits;
        self
    }

    /// Where a request may present a key. Messages name the locations in this order. Default: `Authorization: Bearer`
    /// alone.
    pub fn credential_sources(mut self, sources: impl IntoIterator<Item = CredentialSource>) -> Self {
        self.options.extraction.sources = sources.into_iter().collect();
        self
    }

    /// Accepts only keys that begin with one of these prefixes, for example `k_live_`. Other keys are refused as
    /// malformed, without a call to Kinde: in requests, in [`verify`](Authenticator::verify) and in
    /// [`verify_many`](Authenticator::verify_many). Default: all keys are accepted, because Kinde publishes no
    /// grammar of its keys.
    pub fn accepted_prefixes<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.options.extraction.accepted_prefixes = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a token that is no API key is nothing presented, so that API keys and other tokens, such as JWTs, can
    /// share a header. Default: off. It needs [`accepted_prefixes`](Self::accepted_prefixes), because they say which
    /// tokens are API keys.
    ///
    /// If it is on, a value counts as nothing presented if it has another scheme than the configured ones, or if its
    /// text does not begin with an accepted prefix. It may have any length and any form. It stays in the request, so
    /// another layer sees it. A route that requires an API key answers `MISSING_KEY`.
    ///
    /// A text that begins with an accepted prefix must be a well-formed key. A repeated header is refused whatever its
    /// values are.
    pub fn ignore_other_tokens(mut self, ignore: bool) -> Self {
        self.options.extraction.ignore_other_tokens = ignore;
        self
    }

    /// Takes the credential out of the request before the handler sees it, so that the handler can't log or forward
    /// it by mistake. Default: off, unless a location implies it
    /// ([`web_socket_protocol`](CredentialSource::web_socket_protocol)).
    ///
    /// A malformed credential is taken out, too, and a repeated header with all its values. A value of another scheme
    /// stays, and so does a token that is [ignored](Self::ignore_other_tokens).
    ///
    /// From then on, the request is judged by the credential that was taken out. If some code puts another credential
    /// into the request later, that one is judged by itself and taken out, too.
    ///
    /// Adapters keep the result in the request's extensions. A clone of the extensions does not have it. So a
    /// sub-request that is made with a clone is judged by what it presents itself, and is anonymous if it presents
    /// nothing. If you *move* the extensions into another request, the authenticator can't tell that request from the
    /// first one, and lets it in with the first one's key. So clone them, or present a credential in each
    /// sub-request.
    pub fn remove_credential(mut self, remove: bool) -> Self {
        self.options.extraction.remove_credential = remove;
        self
    }

    /// Tells this observer what happens, for example for an audit log. There is none by default.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// How much of a refused request's body is read and dropped after the answer was sent: at most this many bytes, for
    /// at most this time. Default: 1 MiB (1,048,576 bytes) and 2 s; at most 60 s. 0 bytes turn it off.
    ///
    /// A client may send its whole body before it reads the answer. Without this, it sees a broken pipe instead of the
    /// 401. A body whose announced length is larger is not read, nor is one whose client waits for `100 Continue`. At
    /// most 64 are read at once. Each adapter's first page says for which of its routes it can do this.
    pub fn refused_uploads(mut self, bytes: u64, time: Duration) -> Self {
        self.refused_uploads = UploadLimit { bytes, time };
        self
    }

    /// Replaces the clock, for tests. It decides when cached answers expire, and when the verifier's own token does
    /// ([`Verifier::use_clock`]).
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
