//! The spans of verifications and of calls to Kinde.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apikey_core::{
    Authenticator, AuthenticatorBuilder, KindeSettings, KindeVerifier, PlainRequest, Policy, SPAN_FIELDS,
};
use apikey_testkit::emulator::{DEFAULT_API_ID, Emulator, Endpoint, Fault, KeySpecification};
use tokio::runtime::Handle;
use tracing::Instrument as _;
use tracing::field::{Empty, Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::log::{Listening, listen};

type Fields = BTreeMap<&'static str, String>;

/// A span of the core's, or one that a test makes.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: &'static str,
    parent: Option<&'static str>,
    follows: Option<&'static str>,
    fields: Fields,
    is_closed: bool,
}

#[derive(Clone, Default)]
struct Spans {
    seen: Arc<Mutex<Vec<(Id, Seen)>>>,
    /// The fields of spans and events of the core, and those that it records in spans of the application.
    declared: Arc<Mutex<BTreeSet<&'static str>>>,
}

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Spans {
    async fn listen() -> (Self, Listening) {
        let spans = Self::default();
        let listening = listen(tracing_subscriber::registry().with(spans.clone())).await;
        (spans, listening)
    }

    /// Ids are used again, so the latest span counts.
    fn change(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        if let Some((_, seen)) = self.seen.lock().unwrap().iter_mut().rfind(|(known, _)| known == id) {
            change(seen);
        }
    }

    fn declare(&self, metadata: &tracing::Metadata<'static>) {
        if metadata.target().starts_with("apikey_core") {
            let names = metadata.fields().iter().map(|field| field.name());
            self.declared.lock().unwrap().extend(names.filter(|name| *name != "message"));
        }
    }

    /// All spans with this name, in order.
    fn named(&self, name: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, seen)| seen.name == name).map(|(_, seen)| seen.clone()).collect()
    }

    fn the(&self, name: &str) -> Seen {
        let [seen] = &self.named(name)[..] else { panic!("{:?}", self.seen.lock().unwrap()) };
        seen.clone()
    }

    /// The client spans about this endpoint.
    fn calls(&self, endpoint: &str) -> Vec<Seen> {
        let calls = [self.named("POST"), self.named("GET")].into_iter().flatten();
        calls.filter(|call| call.fields["apikey.endpoint"] == endpoint).collect()
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let (name, target) = (attributes.metadata().name(), attributes.metadata().target());
        self.declare(attributes.metadata());
        if !target.starts_with("apikey_core") && name != "request" {
            return;
        }
        let parent = context.span(id).and_then(|span| Some(span.parent()?.name()));
        let mut seen = Seen { name, parent, ..Seen::default() };
        attributes.record(&mut Collect(&mut seen.fields));
        self.seen.lock().unwrap().push((id.clone(), seen));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut recorded = Fields::new();
        values.record(&mut Collect(&mut recorded));
        self.declared.lock().unwrap().extend(recorded.keys());
        self.change(id, |seen| seen.fields.extend(recorded));
    }

    fn on_follows_from(&self, id: &Id, followed: &Id, context: Context<'_, S>) {
        self.change(id, |seen| seen.follows = context.span(followed).map(|span| span.name()));
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        self.declare(event.metadata());
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |seen| seen.is_closed = true);
    }
}

fn fields<const N: usize>(pairs: [(&'static str, &str); N]) -> Fields {
    pairs.map(|(name, value)| (name, value.to_owned())).into()
}

/// Everything happens on the thread of the test.
fn builder(emulator: &Emulator) -> AuthenticatorBuilder {
    builder_with(emulator, |settings| settings)
}

fn builder_with(
    emulator: &Emulator,
    configure: impl FnOnce(KindeSettings) -> KindeSettings,
) -> AuthenticatorBuilder {
    let environment = emulator.environment();
    let settings = KindeSettings::from_variables(|name| {
        let (_, value) = environment.iter().find(|(known, _)| *known == name)?;
        Some(value.as_str())
    });
    Authenticator::builder(KindeVerifier::new(configure(settings.unwrap())).unwrap())
        .verification_runtime(Handle::current())
        .verification_timeout(Duration::from_secs(60))
}

async fn ask(keys: &Authenticator, secret: Option<&str>, policy: Policy, is_optional: bool) {
    let request = secret.map_or_else(PlainRequest::new, |secret| {
        PlainRequest::new().with_header("authorization", format!("Bearer {secret}"))
    });
    let (gate, attempt) = (keys.gate(&policy), keys.begin(&request));
    if is_optional {
        drop(gate.decide_optional(attempt, &request, drop).wait().await);
    } else {
        drop(gate.decide(attempt, &request, drop).wait().await);
    }
}

/// The fields that each call to Kinde has.
fn call(emulator: &Emulator, endpoint: &str, path: &str) -> Fields {
    fields([
        ("otel.name", "POST"),
        ("otel.kind", "client"),
        ("http.request.method", "POST"),
        ("server.address", "127.0.0.1"),
        ("server.port", &emulator.address().port().to_string()),
        ("url.full", &format!("{}{path}", emulator.url())),
        ("apikey.endpoint", endpoint),
    ])
}

fn verify_call(emulator: &Emulator) -> Fields {
    call(emulator, "verify", "/api/v1/api_keys/verify")
}

impl Seen {
    fn has(mut self, fields: Fields) -> Self {
        self.fields.extend(fields);
        self
    }
}

#[tokio::test]
async fn a_verification_is_a_span_that_says_how_it_ended() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    let issued = emulator.create_key(KeySpecification::new("reader"));
    let keys = builder(&emulator).retries(false).build().unwrap();
    let ended = async |secret: &str| {
        spans.seen.lock().unwrap().clear();
        ask(&keys, Some(secret), Policy::any_key(), false).await;
        tokio::task::yield_now().await;
        let verification = spans.the("apikey.verification");
        assert!(verification.is_closed && verification.parent.is_none(), "{verification:?}");
        verification.fields
    };
    let accepted = fields([("apikey.result", "accepted"), ("apikey.key_id", &issued.key_id)]);
    assert_eq!(ended(&issued.secret).await, accepted);
    assert_eq!(ended("k_live_1").await, fields([("apikey.result", "refused")]));
    emulator.set_fault(Endpoint::Verify, Some(Fault::Reset));
    let failed = [("apikey.result", "unjudged"), ("error.type", "outage"), ("otel.status_code", "ERROR")];
    assert_eq!(ended("k_live_2").await, fields(failed));
}

#[tokio::test]
async fn each_call_is_a_client_span_in_its_verification() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    let issued = emulator.create_key(KeySpecification::new("reader"));
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(503)), Some(Fault::Reset)]);
    let keys = builder(&emulator).build().unwrap();
    let request = PlainRequest::new().with_header("authorization", format!("Bearer {}", issued.secret));
    let begun = tracing::info_span!("request").in_scope(|| keys.begin(&request));
    let policy = Policy::any_key();
    keys.gate(&policy).decide(begun, &request, drop).wait().await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(spans.the("apikey.verification").follows, Some("request"));
    let calls = spans.calls("verify");
    assert_eq!(calls.len() as u64, emulator.counters().verify_calls);
    for call in &calls {
        assert!(call.is_closed && call.parent == Some("apikey.verification"), "{call:?}");
    }
    let always = Seen { fields: verify_call(&emulator), ..Seen::default() };
    let expected = [
        fields([("http.response.status_code", "503"), ("error.type", "503"), ("otel.status_code", "ERROR")]),
        fields([
            ("http.request.resend_count", "1"),
            ("error.type", "connection"),
            ("otel.status_code", "ERROR"),
        ]),
        fields([("http.request.resend_count", "2"), ("http.response.status_code", "200")]),
    ];
    let expected = expected.map(|more| always.clone().has(more).fields);
    assert_eq!(calls.into_iter().map(|call| call.fields).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_second_try_and_a_cancelled_call_have_spans_too() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    let issued = emulator.create_key(KeySpecification::new("reader"));
    let keys = builder(&emulator).verification_timeout(Duration::from_secs(3)).build().unwrap();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hang)]);
    ask(&keys, Some(&issued.secret), Policy::any_key(), false).await;
    tokio::task::yield_now().await;
    let calls = spans.calls("verify");
    let [first, .., last] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(first.fields["error.type"], "cancelled");
    assert_eq!(last.fields["http.request.resend_count"], (calls.len() - 1).to_string());
    assert!(calls.iter().all(|call| call.is_closed), "{calls:?}");
}

#[tokio::test]
async fn a_call_with_another_token_is_a_resend() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    let issued = emulator.create_key(KeySpecification::new("reader"));
    let keys = builder(&emulator).build().unwrap();
    ask(&keys, Some(&issued.secret), Policy::any_key(), false).await;
    keys.clear();
    emulator.revoke_tokens();
    ask(&keys, Some(&issued.secret), Policy::any_key(), false).await;
    let resends = |call: Seen| call.fields.get("http.request.resend_count").cloned();
    let resends: Vec<_> = spans.calls("verify").into_iter().map(resends).collect();
    assert_eq!(resends, [None, None, Some("1".to_owned())]);
}

#[tokio::test]
async fn the_question_for_a_keys_apis_is_a_call_of_its_own() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    let issued = emulator.create_key(KeySpecification::new("reader"));
    let keys = builder_with(&emulator, |settings| settings.api_id(DEFAULT_API_ID)).build().unwrap();
    emulator.script_faults(Endpoint::ApiKey, vec![Some(Fault::status(500))]);
    ask(&keys, Some(&issued.secret), Policy::any_key(), false).await;
    tokio::task::yield_now().await;
    let calls = spans.calls("api_key");
    let url = format!("{}/api/v1/api_keys/{}", emulator.url(), issued.key_id);
    for call in &calls {
        assert!(call.is_closed && call.parent == Some("apikey.verification"), "{call:?}");
        assert_eq!((&*call.fields["http.request.method"], &*call.fields["url.full"]), ("GET", &*url));
    }
    let resends = |call: &Seen| call.fields.get("http.request.resend_count").cloned();
    assert_eq!(calls.iter().map(resends).collect::<Vec<_>>(), [None, Some("1".to_owned())]);
    let verifications: Vec<_> = spans.calls("verify").iter().map(resends).collect();
    assert_eq!(verifications, [None, Some("1".to_owned())]);
}

#[tokio::test]
async fn a_fetch_of_a_token_has_a_span_of_its_own() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    let keys = builder(&emulator).retries(false).build().unwrap();
    emulator.script_faults(Endpoint::Token, vec![Some(Fault::status(500))]);
    for secret in ["k_live_1", "k_live_2"] {
        ask(&keys, Some(secret), Policy::any_key(), false).await;
    }
    let fetches = spans.named("apikey.token");
    let failed = [("apikey.result", "failed"), ("error.type", "outage"), ("otel.status_code", "ERROR")];
    assert_eq!(
        fetches.iter().map(|fetch| fetch.fields.clone()).collect::<Vec<_>>(),
        [fields(failed), fields([("apikey.result", "renewed")])]
    );
    for fetch in &fetches {
        assert_eq!((fetch.parent, fetch.follows), (None, Some("apikey.verification")), "{fetch:?}");
    }
    let calls = spans.calls("token");
    let always = Seen { fields: call(&emulator, "token", "/oauth2/token"), ..Seen::default() };
    let expected = [
        fields([("http.response.status_code", "500"), ("error.type", "500"), ("otel.status_code", "ERROR")]),
        fields([("http.response.status_code", "200")]),
    ];
    let expected = expected.map(|more| always.clone().has(more).fields);
    assert_eq!(calls.iter().map(|call| call.fields.clone()).collect::<Vec<_>>(), expected);
    assert!(calls.iter().all(|call| call.parent == Some("apikey.token")), "{calls:?}");
}

#[tokio::test]
async fn a_health_check_is_a_client_span_alone() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    builder(&emulator).build().unwrap().check().await.into_result().unwrap();
    let [call] = &spans.calls("health")[..] else { panic!("one call") };
    assert_eq!(call.parent, None);
    assert_eq!(call.fields["http.response.status_code"], "200");
}

#[tokio::test]
async fn a_cache_hit_has_no_span() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    let issued = emulator.create_key(KeySpecification::new("reader"));
    let keys = builder(&emulator).build().unwrap();
    ask(&keys, Some(&issued.secret), Policy::any_key(), false).await;
    tokio::task::yield_now().await;
    assert_eq!(spans.named("apikey.verification").len(), 1);
    spans.seen.lock().unwrap().clear();
    for _ in 0..10 {
        ask(&keys, Some(&issued.secret), Policy::any_key(), false).await;
    }
    assert!(spans.seen.lock().unwrap().is_empty());
    assert_eq!(emulator.counters().verify_calls, 1);
}

#[tokio::test]
async fn spans_and_events_have_the_fields_of_the_vocabulary() {
    let (spans, _listening) = Spans::listen().await;
    let emulator = Emulator::start().await.unwrap();
    let issued =
        emulator.create_key(KeySpecification::new("reader").organization("org_acme").user("kp_user"));
    let keys = builder(&emulator).build().unwrap();
    let request = tracing::info_span!("request", apikey.organization = Empty, apikey.user = Empty);
    ask(&keys, Some(&issued.secret), Policy::any_key(), false).instrument(request).await;
    ask(&keys, Some(&issued.secret), Policy::scope("admin"), false).await;
    ask(&keys, None, Policy::any_key(), true).await;
    keys.check().await.into_result().unwrap();
    let listed: BTreeSet<&str> = SPAN_FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(*spans.declared.lock().unwrap(), listed);
    assert_eq!(listed.len(), SPAN_FIELDS.len(), "no field is listed twice");
    for field in SPAN_FIELDS {
        assert!(field.help.ends_with('.') && field.help.matches(". ").count() == 0, "{}", field.name);
    }
}
