//! The core of the `apikey` crates, for any framework. It finds the API key in a request, verifies it with Kinde,
//! caches the answer, checks what the route asks of the key, and words every refusal.
//!
//! An application uses the adapter for its framework, such as `apikey-axum`. The adapter re-exports what an
//! application needs from here. Use this crate by itself in workers, queues and frameworks without an adapter.
//!
//! A request takes these steps:
//!
//! 1. **Extraction** finds exactly one presented key ([`RequestHead`], [`CredentialSource`]). A malformed key never
//!    causes a network call.
//! 2. **The engine** answers from its cache of accepted keys. Otherwise it joins a verification of the same key that
//!    is under way, or starts one. It starts one only if the client has attempts left and the circuit breaker is
//!    closed. It keeps a keyed hash of each key, never the key.
//! 3. **A [`Verifier`]** judges the key: [`KindeVerifier`] asks Kinde.
//! 4. **A [`Policy`]** says what the route asks of the key. It is checked on every request, cached or not.
//! 5. The handler gets a [`VerifiedKey`], or the caller gets a [`Denial`]. Its status, headers and body are the same
//!    on every framework.
//!
//! ```no_run
//! use apikey_core::{Authenticator, PlainRequest, Policy};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let authenticator = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
//! let request = PlainRequest::new().with_header("Authorization", "Bearer k_live_1234567890abcdef");
//! let key = authenticator.authenticate(&request).await?;
//! authenticator.authorize(&key, &Policy::all(["read:users"]))?;
//! # Ok(()) }
//! ```
//!
//! # Denials
//!
//! [`DenialCode`] lists every reason with its status and its stable code. A failure on the server's side is always a
//! 5xx. It never says that the key is bad.
//!
//! # Features
//!
//! - `kinde` (default): the client for Kinde's verify endpoint, over reqwest and rustls. It needs one of the next two,
//!   and each of them turns it on.
//! - `aws-lc-rs` (default): TLS by aws-lc-rs, which is also the default of rustls and reqwest.
//! - `ring`: TLS by ring, for programs that have no other provider. If both are on, the client uses aws-lc-rs.
//! - `fleet`: instances that share verifications, limits of attempts and removals through a store. It seals
//!   with the provider of TLS, so it needs one of the two.
//! - `webhooks`: keys are forgotten when Kinde says that their owner is gone. It verifies with the provider of TLS, so
//!   it needs one of the two.
//! - `metrics`: `Statistics::publish`, for programs that export with the `metrics` crate.
//!
//! The client has its provider to itself. It neither installs one for the process nor uses one that the program has
//! installed.
//!
//! # Limits
//!
//! - A key that is revoked at Kinde is let in until its cached answer expires: after five minutes, unless
//!   [`cache_time_to_live`](AuthenticatorBuilder::cache_time_to_live) says otherwise. To end that at once, call
//!   [`remove`](Authenticator::remove) or one of its siblings.
//! - Each process has its own caches and limits, unless it is one of a fleet (feature `fleet`).
//! - Verifications run on a thread that belongs to the authenticator, unless
//!   [`verification_runtime`](AuthenticatorBuilder::verification_runtime) names another runtime.
//! - This crate overwrites keys and secrets in the memory that it owns. It can't overwrite the buffers of the HTTP
//!   client, of TLS and of the web framework.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::string_slice
    )
)]

mod adapter;
mod attempt;
mod authenticator;
mod batch;
mod builder;
mod client;
mod clock;
mod config_error;
mod decision_log;
mod denial;
mod denial_code;
mod engine;
mod evidence;
mod extract;
#[cfg(feature = "fleet")]
pub mod fleet;
/// What fuzz targets check. It is not part of the API, and may change with any release.
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod hedge;
mod key;
#[cfg(feature = "kinde")]
mod kinde;
mod log_gate;
mod memo;
mod options;
#[cfg_attr(not(feature = "fleet"), allow(dead_code))]
mod peers;
mod policy;
mod removal;
mod request;
mod retry;
mod runtime;
mod tally;
mod telemetry;
mod thread_number;
mod uploads;
mod verification;
mod verified_key;
mod verifier;
mod view;
#[cfg(feature = "webhooks")]
pub mod webhooks;
mod worker;

pub use adapter::{
    GuardedHandler, KeyAmong, KeyArgument, KeyPlace, OptionalKeyArgument, RefusedUpload, RouteRequirement,
    application,
};
/// The attribute for implementations of [`Verifier`].
pub use async_trait::async_trait;
pub use attempt::Attempt;
pub use authenticator::Authenticator;
pub use batch::BATCH_CONCURRENCY;
pub use builder::{
    AuthenticatorBuilder, DEFAULT_CACHE_CAPACITY, DEFAULT_CACHE_TIME_TO_LIVE, DEFAULT_MAX_IN_FLIGHT,
    DEFAULT_MAX_QUEUED, DEFAULT_MAX_WAITING, DEFAULT_STALE_WHILE_SLOW, DEFAULT_VERIFICATION_TIMEOUT,
    RouteOptions,
};
pub use client::{ForwardingHeader, TrustedProxies};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config_error::ConfigError;
pub use denial::{Audience, Denial, DenialBody, DenialResponse};
pub use denial_code::DenialCode;
pub use engine::AttemptLimit;
pub use extract::{CredentialPlace, CredentialSource};
pub use gate::{Decision, Gate, PendingDecision};
pub use key::{LONGEST_KEY, MalformedKey, PresentedKey};
#[cfg(feature = "kinde")]
pub use kinde::{
    InspectionToken, KindeInspection, KindeResponse, KindeSettings, KindeVerifier, MachineToMachine,
};
pub use memo::Memo;
#[doc(hidden)]
pub use policy::TypedPolicies;
pub use policy::{
    AnyOf, Fresh, KindeOperation, LONGEST_OPERATION_SCOPE, OrganizationKey, Policy, TypedPolicy,
    UNNAMED_OPERATION, UnnamedOperation, UserKey, operation_scope, path_template,
};
pub use removal::Removal;
pub use request::{PeerAddress, PlainRequest, RequestHead, is_preflight};
pub use telemetry::{
    AnswerSource, BreakerState, CallRecord, DURATION_BUCKETS, DecisionOutcome, DecisionRecord, Endpoint,
    Event, Histogram, Label, METRICS, Metric, MetricKind, MetricUnit, Observer, PurgedBy, Recorder,
    SPAN_FIELDS, Sample, SampleValue, SpanField, Statistics, TokenRenewal, VerificationRecord,
    VerificationResult,
};
pub use verification::{Judgement, Refusal, Verdict, Verification};
pub use verified_key::VerifiedKey;
pub use verifier::{FailureClass, FirstTry, Health, Verifier, VerifierError};

// Its samples must compile.
#[cfg(all(doctest, feature = "kinde"))]
#[doc = include_str!("../../../docs/resilience.md")]
struct ResilienceGuide;

// So must those of these pages.
#[cfg(all(doctest, feature = "webhooks"))]
#[doc = include_str!("../../../docs/webhooks.md")]
struct WebhooksGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/observability.md")]
struct ObservabilityGuide;
