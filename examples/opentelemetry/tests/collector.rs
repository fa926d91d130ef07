//! A collector that this test starts gets what the example exports. It is one test, because `tracing` has one subscriber
//! for the whole process.

mod received;

use std::sync::Arc;
use std::time::Duration;

use apikey_axum::{Authenticator, DURATION_BUCKETS, KindeSettings, KindeVerifier, METRICS, MetricKind};
use apikey_testkit::emulator::{Emulator, KeySpecification};
use axum::body::Body;
use axum::http::Request;
use example_opentelemetry::{Durations, Exporter, app, export_statistics};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tower::ServiceExt as _;
use tracing_subscriber::prelude::*;

use received::Collector;

const UNKNOWN: &str = "k_live_canary_nobody_knows_it";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_traces_arrive_and_hold_no_secret() {
    let collector = Collector::start().await;
    let exporter = Exporter::start(Some(&collector.url())).unwrap();
    tracing_subscriber::registry().with(exporter.spans()).init();

    let emulator = Emulator::start().await.unwrap();
    let issued =
        emulator.create_key(KeySpecification::new("canary").organization("org_canary").user("kp_canary"));
    let environment = emulator.environment();
    let settings = KindeSettings::from_variables(|name| {
        let (_, value) = environment.iter().find(|(known, _)| *known == name)?;
        Some(value.as_str())
    });
    let durations = Arc::new(Durations::new(&exporter.meter()));
    let kinde = KindeVerifier::new(settings.unwrap()).unwrap();
    let keys: Authenticator = Authenticator::builder(kinde).observer(durations).build().unwrap();
    export_statistics(&exporter.meter(), &keys);

    let app = app(keys.clone());
    for (key, status) in [(&*issued.secret, 200), (&*issued.secret, 200), (UNKNOWN, 401)] {
        let request = Request::get("/me?page=2").header("authorization", format!("Bearer {key}"));
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status);
    }
    // A verification may end shortly after its request.
    let all_ended = async {
        while collector.spans("apikey.verification").len() < 2 {
            let exporter = exporter.clone();
            tokio::task::spawn_blocking(move || exporter.flush()).await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_ended).await.expect("the spans arrive");

    // Every counter and gauge has the number that the statistics have.
    let statistics = keys.statistics();
    for metric in METRICS.iter().filter(|metric| metric.kind != MetricKind::Histogram) {
        assert_eq!(collector.total(metric.name, &[]), statistics.total(metric.name, &[]), "{}", metric.name);
    }
    for (outcome, source, expected) in
        [("accepted", "verified", 1), ("accepted", "hit", 1), ("denied", "verified", 1)]
    {
        let labels = [("outcome", outcome), ("source", source)];
        assert_eq!(collector.total("apikey.decisions", &labels), expected, "{labels:?}");
    }
    // And every histogram counts as many durations, in the same buckets.
    for metric in METRICS.iter().filter(|metric| metric.kind == MetricKind::Histogram) {
        let (count, bounds) = collector.durations(metric.name);
        assert_eq!(
            (count, &*bounds),
            (statistics.total(metric.name, &[]), DURATION_BUCKETS),
            "{}",
            metric.name
        );
    }
    assert_eq!(collector.total("http.client.request.duration", &[("http.response.status_code", "200")]), 3);
    assert_eq!(collector.total("http.client.request.duration", &[("server.address", "127.0.0.1")]), 3);

    // A request, the verification that it started, and the call to Kinde.
    let requests = collector.spans("GET /me");
    assert_eq!(requests.len(), 3);
    let first = requests.iter().find(|span| span.attribute("apikey.outcome") == Some("accepted")).unwrap();
    assert_eq!((first.kind(), first.attribute("apikey.key_id")), (SpanKind::Server, Some(&*issued.key_id)));
    let verifications = collector.spans("apikey.verification");
    assert_eq!(verifications.len(), 2, "there is none for the request that the cache answers");
    for verification in verifications {
        assert_eq!(verification.parent(), None);
        let request = verification.link().expect("it follows from its request");
        assert!(requests.iter().any(|span| span.id() == request));
        let calls = collector.spans("POST");
        let own: Vec<_> = calls.iter().filter(|call| call.parent() == Some(verification.id())).collect();
        let [call] = own[..] else { panic!("one call: {own:?}") };
        assert_eq!((call.kind(), call.attribute("apikey.endpoint")), (SpanKind::Client, Some("verify")));
        assert_eq!(call.attribute("http.response.status_code"), Some("200"));
    }

    for secret in [&*issued.secret, UNKNOWN, emulator.client_secret(), "page=2"] {
        assert!(!collector.has(secret), "{secret} was exported");
    }
    for owner in ["org_canary", "kp_canary"] {
        assert!(!collector.has(owner), "{owner} was exported, and no span asks for it");
    }
    assert!(collector.has(&issued.key_id), "a text that was exported is found");
}
