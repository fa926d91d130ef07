//! Observers hear what they asked for, and harm nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use apikey_core::{Event, Observer, Policy, PresentedKey, Verification};

use crate::statistics::{decide, judge, request};
use crate::support::{Fake, Said, patient};

/// Writes down what it hears.
#[derive(Default)]
struct Diary {
    all: bool,
    heard: Mutex<Vec<String>>,
}

impl Observer for Diary {
    fn observe(&self, event: &Event<'_>) {
        let line = match event {
            Event::Decided(decision) => format!(
                "{} {} {} {} {} {}",
                decision.outcome.as_str(),
                decision.code.map_or("-", |code| code.as_str()),
                decision.source.map_or("-", |source| source.as_str()),
                decision.key.map_or("-", Verification::key_id),
                decision.request_id.unwrap_or("-"),
                decision.client.unwrap_or("-"),
            ),
            Event::VerificationEnded(verification) => format!("verified {}", verification.result.as_str()),
            Event::Purged { by, name, removed, .. } => {
                format!("purged {} {} {removed}", by.as_str(), name.unwrap_or("-"))
            }
            other => format!("{other:?}"),
        };
        self.heard.lock().unwrap().push(line);
    }

    fn hears_every_decision(&self) -> bool {
        self.all
    }
}

async fn heard(all: bool) -> Vec<String> {
    let diary = Arc::new(Diary { all, ..Diary::default() });
    let keys = patient(Fake::new(judge).0).observer(Arc::clone(&diary) as _).build().unwrap();
    let traced = request(Some("good1"))
        .with_header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .with_header("x-request-id", "request-1");
    for request in [traced, request(Some("good1")).with_header("x-request-id", "request-2")] {
        decide(&keys, &Policy::any_key(), &request).await;
    }
    decide(&keys, &Policy::scope("admin"), &request(Some("good1"))).await;
    decide(&keys, &Policy::any_key(), &request(None)).await;
    keys.remove("good1").unwrap();
    diary.heard.lock().unwrap().clone()
}

#[tokio::test]
async fn an_observer_hears_denials_and_rare_events() {
    assert_eq!(
        heard(false).await,
        [
            "verified accepted",
            "denied INSUFFICIENT_SCOPE hit id_canary_good1 - 192.0.2.77",
            "denied MISSING_KEY - - - 192.0.2.77",
            "purged key - 1",
        ]
    );
}

#[tokio::test]
async fn an_observer_that_asks_for_it_hears_every_decision() {
    assert_eq!(
        heard(true).await,
        [
            "verified accepted",
            "accepted - verified id_canary_good1 4bf92f3577b34da6a3ce929d0e0e4736 192.0.2.77",
            "accepted - hit id_canary_good1 request-2 192.0.2.77",
            "denied INSUFFICIENT_SCOPE hit id_canary_good1 - 192.0.2.77",
            "denied MISSING_KEY - - - 192.0.2.77",
            "purged key - 1",
        ]
    );
}

#[tokio::test]
async fn an_observer_that_panics_harms_no_request() {
    struct Faulty;
    impl Observer for Faulty {
        fn observe(&self, _: &Event<'_>) {
            panic!("this observer has a bug");
        }
        fn hears_every_decision(&self) -> bool {
            true
        }
    }
    let keys = patient(Fake::new(judge).0).observer(Arc::new(Faulty)).build().unwrap();
    for _ in 0..2 {
        let decided = decide(&keys, &Policy::any_key(), &request(Some("good1"))).await;
        assert_eq!(decided[0], ("outcome", "accepted".to_owned()));
    }
    keys.clear();
    // One verification, two decisions, one purge.
    assert_eq!(keys.statistics().total("apikey.events.dropped", &[]), 4);
}

#[tokio::test]
async fn an_id_that_no_log_should_repeat_is_left_out() {
    let diary = Arc::new(Diary::default());
    let keys = patient(Fake::new(judge).0).observer(Arc::clone(&diary) as _).build().unwrap();
    let long = "x".repeat(129);
    for id in ["two words", "a\u{7f}", long.as_str(), ""] {
        decide(&keys, &Policy::any_key(), &request(None).with_header("x-request-id", id)).await;
    }
    let twice = request(None).with_header("x-request-id", "one").with_header("x-request-id", "two");
    decide(&keys, &Policy::any_key(), &twice).await;
    for traceparent in ["00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4BF9-1-01", "garbage"]
    {
        decide(&keys, &Policy::any_key(), &request(None).with_header("traceparent", traceparent)).await;
    }
    let heard = diary.heard.lock().unwrap().clone();
    assert_eq!(heard, ["denied MISSING_KEY - - - 192.0.2.77"; 8]);
}

/// How long each verification took that ended.
#[derive(Default)]
struct Durations(Mutex<Vec<Duration>>);

impl Observer for Durations {
    fn observe(&self, event: &Event<'_>) {
        if let Event::VerificationEnded(record) = event {
            self.0.lock().unwrap().push(record.took);
        }
    }
}

#[tokio::test]
async fn a_lost_verification_lasted_until_it_was_lost() {
    const WORKED: Duration = Duration::from_millis(30);
    let panics = |_| -> Said {
        Box::pin(async {
            tokio::time::sleep(WORKED).await;
            panic!("this verifier has a bug")
        })
    };
    let durations = Arc::<Durations>::default();
    let keys = patient(Fake::new(panics).0).observer(Arc::clone(&durations) as _).build().unwrap();
    assert!(keys.verify(PresentedKey::parse("good1").unwrap()).await.is_err());
    let heard = durations.0.lock().unwrap().clone();
    assert!(heard.len() == 1 && heard[0] >= WORKED, "{heard:?}");
}
