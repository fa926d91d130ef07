//! What each decision leaves in the log and in the caller's span.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use apikey_core::{Authenticator, Denial, FailureClass, PlainRequest, Policy, Verification, VerifierError};
use apikey_testkit::FakeVerifier;
use tokio::runtime::Handle;
use tracing::Level;
use tracing::field::{Empty, Field, Visit};
use tracing::span::{Id, Record};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::log::listen;

type Fields = BTreeMap<&'static str, String>;

/// Records the `apikey.*` fields of events, and those that are recorded in the caller's span.
#[derive(Clone, Default)]
struct Noted {
    events: Arc<Mutex<Vec<(Level, Fields)>>>,
    span: Arc<Mutex<Fields>>,
}

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name().starts_with("apikey.") {
            self.0.insert(field.name(), value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Noted {
    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if context.metadata(id).is_some_and(|span| span.name() == "request") {
            values.record(&mut Collect(&mut self.span.lock().unwrap()));
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Collect(&mut fields));
        if !fields.is_empty() {
            self.events.lock().unwrap().push((*event.metadata().level(), fields));
        }
    }
}

fn fields<const N: usize>(pairs: [(&'static str, &str); N]) -> Fields {
    pairs.map(|(name, value)| (name, value.to_owned())).into()
}

#[tokio::test(start_paused = true)]
async fn each_decision_is_one_event_and_marks_its_span() {
    let noted = Noted::default();
    let _listening = listen(tracing_subscriber::registry().with(noted.clone())).await;
    let fake = FakeVerifier::new()
        .with_key("good", Verification::active("api_key_1").with_scopes(["read"]))
        .with_failure("down", VerifierError::new(FailureClass::Outage, "no answer"))
        .with_failure("set", VerifierError::service_refused("grant the scope"));
    let keys = Authenticator::builder(fake)
        .verification_runtime(Handle::current())
        .retries(false)
        .attempt_limit(None)
        .build()
        .unwrap();
    let ask = async |key: Option<&str>, policy: Policy, is_optional: bool| {
        let span = tracing::info_span!(
            "request",
            apikey.outcome = Empty,
            apikey.code = Empty,
            apikey.key_id = Empty
        );
        let entered = span.enter();
        let request = key.map_or_else(PlainRequest::new, |key| {
            PlainRequest::new().with_header("authorization", format!("Bearer {key}"))
        });
        let (gate, attempt) = (keys.gate(&policy), keys.begin(&request));
        let _: Result<(), Denial> = if is_optional {
            gate.decide_optional(attempt, &request, drop).wait().await
        } else {
            gate.decide(attempt, &request, drop).wait().await
        };
        drop(entered);
        let events = std::mem::take(&mut *noted.events.lock().unwrap());
        let span = std::mem::take(&mut *noted.span.lock().unwrap());
        let [(level, event)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*event, span);
        (*level, span)
    };
    let accepted = || fields([("apikey.outcome", "accepted"), ("apikey.key_id", "api_key_1")]);
    let denied = |code| fields([("apikey.outcome", "denied"), ("apikey.code", code)]);
    let any = Policy::any_key;
    // Once from Kinde, and once from the cache.
    assert_eq!(ask(Some("good"), any(), false).await, (Level::TRACE, accepted()));
    assert_eq!(ask(Some("good"), any(), true).await, (Level::TRACE, accepted()));
    assert_eq!(ask(None, any(), true).await, (Level::TRACE, fields([("apikey.outcome", "anonymous")])));
    assert_eq!(ask(None, any(), false).await, (Level::DEBUG, denied("MISSING_KEY")));
    assert_eq!(ask(Some("b a d"), any(), true).await, (Level::DEBUG, denied("INVALID_FORMAT")));
    assert_eq!(ask(Some("bad"), any(), false).await, (Level::DEBUG, denied("INVALID_KEY")));
    let mut lacks_scope = denied("INSUFFICIENT_SCOPE");
    lacks_scope.insert("apikey.key_id", "api_key_1".to_owned());
    assert_eq!(ask(Some("good"), Policy::scope("admin"), false).await, (Level::DEBUG, lacks_scope));
    assert_eq!(ask(Some("down"), any(), false).await, (Level::WARN, denied("VERIFICATION_UNAVAILABLE")));
    assert_eq!(ask(Some("set"), any(), true).await, (Level::ERROR, denied("INTERNAL_ERROR")));
}

#[tokio::test(start_paused = true)]
async fn an_owner_is_recorded_only_in_a_span_that_asks_for_it() {
    let noted = Noted::default();
    let _listening = listen(tracing_subscriber::registry().with(noted.clone())).await;
    let owned = Verification::active("api_key_1").with_organization("org_acme").with_user("kp_user");
    let fake = FakeVerifier::new().with_key("good", owned);
    let keys = Authenticator::builder(fake).verification_runtime(Handle::current()).build().unwrap();
    let request = PlainRequest::new().with_header("authorization", "Bearer good");
    let ask = async |policy: Policy, span: tracing::Span| {
        let entered = span.enter();
        let _: Result<(), Denial> =
            keys.gate(&policy).decide(keys.begin(&request), &request, drop).wait().await;
        drop(entered);
        let events = std::mem::take(&mut *noted.events.lock().unwrap());
        assert!(!format!("{events:?}").contains("org_acme") && !format!("{events:?}").contains("kp_user"));
        std::mem::take(&mut *noted.span.lock().unwrap())
    };
    // The first one is accepted after a verification, the second one from the cache, and the third one is denied.
    for policy in [Policy::any_key(), Policy::any_key(), Policy::scope("admin")] {
        let asking = tracing::info_span!("request", apikey.organization = Empty, apikey.user = Empty);
        let owner = fields([("apikey.organization", "org_acme"), ("apikey.user", "kp_user")]);
        assert_eq!(ask(policy.clone(), asking).await, owner);
        let silent = tracing::info_span!("request", apikey.key_id = Empty);
        assert_eq!(ask(policy, silent).await, fields([("apikey.key_id", "api_key_1")]));
    }
}
