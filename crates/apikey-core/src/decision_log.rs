//! What each decision leaves in the log and in the caller's span.

use tracing::Span;

use crate::denial::Denial;
use crate::verified_key::VerifiedKey;

/// The name of the outcome in events and spans. A span must have declared the fields to record them.
const ACCEPTED: &str = "accepted";
const ANONYMOUS: &str = "anonymous";
const DENIED: &str = "denied";

/// Notes that a request passes with this key.
#[inline]
pub(crate) fn accepted(key: &VerifiedKey) {
    // Without any subscriber, a hit pays no more than this look.
    if tracing::dispatcher::has_been_set() {
        let key_id = key.key_id();
        Span::current().record("apikey.outcome", ACCEPTED).record("apikey.key_id", key_id);
        tracing::trace!(apikey.outcome = ACCEPTED, apikey.key_id = key_id, "API key accepted");
    }
}

/// Notes that a request passes without a key.
pub(crate) fn anonymous() {
    if tracing::dispatcher::has_been_set() {
        Span::current().record("apikey.outcome", ANONYMOUS);
        tracing::trace!(apikey.outcome = ANONYMOUS, "no API key presented");
    }
}

/// Notes that a request is refused. `key` is the key, if it was verified.
pub(crate) fn denied(denial: &Denial, key: Option<&VerifiedKey>) {
    if !tracing::dispatcher::has_been_set() {
        return;
    }
    let (code, key_id) = (denial.code().as_str(), key.map(VerifiedKey::key_id));
    let span = Span::current();
    span.record("apikey.outcome", DENIED).record("apikey.code", code);
    if let Some(key_id) = key_id {
        span.record("apikey.key_id", key_id);
    }
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                apikey.outcome = DENIED,
                apikey.code = code,
                apikey.key_id = key_id,
                "API key refused"
            )
        };
    }
    match denial.status() {
        500 => tell!(error),
        503 => tell!(warn),
        _ => tell!(debug),
    }
}
