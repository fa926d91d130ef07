//! What each decision leaves: it is counted, and it is noted in the log, in the caller's span, and with the observer.

mod facts;

use tracing::Span;

use crate::denial::Denial;
use crate::policy::Policy;
use crate::telemetry::{DecisionOutcome, DecisionRecord, Event};
use crate::verified_key::VerifiedKey;
use crate::view::View;
pub(crate) use facts::Facts;

/// The names of the outcome in events and spans. A span must have declared the fields to record them.
const ACCEPTED: &str = DecisionOutcome::Accepted.as_str();
const ANONYMOUS: &str = DecisionOutcome::Anonymous.as_str();
const DENIED: &str = DecisionOutcome::Denied.as_str();

/// Notes that a request passes with this key. `facts` are asked for only if the observer hears of it.
#[inline]
pub(crate) fn accepted(
    view: &View,
    key: &VerifiedKey,
    policy: &Policy,
    facts: impl FnOnce() -> Option<Box<Facts>>,
) {
    let is_heard = view.telemetry.accepted(key.source());
    // Without an observer and any subscriber, a hit pays no more than this look.
    if is_heard || tracing::dispatcher::has_been_set() {
        tell_accepted(view, key, policy, is_heard, facts);
    }
}

#[inline(never)]
fn tell_accepted(
    view: &View,
    key: &VerifiedKey,
    policy: &Policy,
    is_heard: bool,
    facts: impl FnOnce() -> Option<Box<Facts>>,
) {
    if is_heard {
        tell(view, DecisionOutcome::Accepted, None, Some(key), Some(policy), facts().as_deref());
    }
    if tracing::dispatcher::has_been_set() {
        let key_id = key.key_id();
        record_key(Span::current().record("apikey.outcome", ACCEPTED), key);
        tracing::trace!(apikey.outcome = ACCEPTED, apikey.key_id = key_id, "API key accepted");
    }
}

/// Notes that a request passes without a key.
pub(crate) fn anonymous(view: &View, policy: &Policy, facts: impl FnOnce() -> Option<Box<Facts>>) {
    if view.telemetry.anonymous() {
        tell(view, DecisionOutcome::Anonymous, None, None, Some(policy), facts().as_deref());
    }
    if tracing::dispatcher::has_been_set() {
        Span::current().record("apikey.outcome", ANONYMOUS);
        tracing::trace!(apikey.outcome = ANONYMOUS, "no API key presented");
    }
}

/// Notes that a request is refused. `key` is the key, if it was verified.
pub(crate) fn denied(
    view: &View,
    denial: &Denial,
    key: Option<&VerifiedKey>,
    policy: Option<&Policy>,
    facts: Option<&Facts>,
) {
    let source = key.map(VerifiedKey::source).or(denial.source());
    if view.telemetry.denied(denial.code(), source) {
        tell(view, DecisionOutcome::Denied, Some(denial), key, policy, facts);
    }
    if !tracing::dispatcher::has_been_set() {
        return;
    }
    let (code, key_id) = (denial.code().as_str(), key.map(VerifiedKey::key_id));
    let span = Span::current();
    span.record("apikey.outcome", DENIED).record("apikey.code", code);
    if let Some(key) = key {
        record_key(&span, key);
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

/// Events name no owner. A span that declares its field asks for it.
fn record_key(span: &Span, key: &VerifiedKey) {
    span.record("apikey.key_id", key.key_id());
    if let Some(organization) = key.organization_code() {
        span.record("apikey.organization", organization);
    }
    if let Some(user) = key.user_id() {
        span.record("apikey.user", user);
    }
}

#[cold]
fn tell(
    view: &View,
    outcome: DecisionOutcome,
    denial: Option<&Denial>,
    key: Option<&VerifiedKey>,
    policy: Option<&Policy>,
    facts: Option<&Facts>,
) {
    view.telemetry.tell(&Event::Decided(DecisionRecord {
        outcome,
        code: denial.map(Denial::code),
        source: key.map(VerifiedKey::source).or_else(|| denial.and_then(Denial::source)),
        age: key.map(VerifiedKey::age),
        key: key.map(VerifiedKey::verification),
        policy,
        route: facts.and_then(|facts| facts.route.as_deref()),
        request_id: facts.and_then(|facts| facts.request_id.as_deref()),
        client: facts.and_then(|facts| facts.client.as_deref()),
    }));
}
