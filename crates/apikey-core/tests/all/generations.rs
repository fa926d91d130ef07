//! The service's token and its successor. The current one stays in use until Kinde has accepted the successor.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apikey_core::{
    Clock, FailureClass, KindeSettings, KindeVerifier, MachineToMachine, ManualClock, Verifier,
};

use crate::support::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Kinde's answer to a key, by the number of the token that comes with it.
type Answers = dyn Fn(u64, &str) -> String + Send + Sync;

/// A Kinde that issues numbered tokens. Each is good for an hour.
struct NumberedTokens {
    server: RawServer,
    issued: Arc<AtomicU64>,
}

impl NumberedTokens {
    async fn start(answers: impl Fn(u64, &str) -> String + Send + Sync + 'static) -> Self {
        let (issued, answers): (_, Arc<Answers>) = (Arc::new(AtomicU64::new(0)), Arc::new(answers));
        let latest = Arc::clone(&issued);
        let server = RawServer::start(move |request| {
            if request.starts_with("POST /oauth2/token") {
                let number = latest.fetch_add(1, Ordering::SeqCst) + 1;
                return ok(&format!(r#"{{"access_token":"token-{number}","expires_in":3600}}"#));
            }
            let (_, token) = request.split_once("Bearer token-").unwrap();
            let number = token.lines().next().unwrap().parse().unwrap();
            let (_, key) = request.split_once(r#"{"api_key":""#).unwrap();
            answers(number, key.trim_end_matches(r#""}"#))
        })
        .await;
        Self { server, issued }
    }

    fn verifier(&self, clock: Arc<dyn Clock>) -> KindeVerifier {
        let credentials = MachineToMachine::new("an id", "a secret");
        let settings = KindeSettings::new(&self.server.url).machine_to_machine(credentials);
        let verifier = KindeVerifier::new(settings).unwrap();
        verifier.use_clock(clock);
        verifier
    }

    fn issued(&self) -> u64 {
        self.issued.load(Ordering::SeqCst)
    }

    /// The numbers of the tokens that came with this key.
    fn tokens_of(&self, key: &str) -> Vec<u64> {
        let asked = format!(r#"{{"api_key":"{key}"}}"#);
        let requests = self.server.requests().into_iter().filter(|request| request.ends_with(&asked));
        let number = |request: String| {
            let (_, token) = request.split_once("Bearer token-").unwrap();
            token.lines().next().unwrap().parse().unwrap()
        };
        requests.map(number).collect()
    }
}

fn accepted() -> String {
    ok(r#"{"is_valid":true,"status":"active","key_id":"api_key_1"}"#)
}

fn unauthorized() -> String {
    let body = r#"{"errors":[{"code":"TOKEN_INVALID","message":"m"}]}"#;
    format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn verify(verifier: &KindeVerifier, name: &str) -> &'static str {
    kind(&verifier.verify(&key(name)).await)
}

/// Verifies other keys until the token with this number is in use. It is fetched in the background.
async fn until_used(kinde: &NumberedTokens, verifier: &KindeVerifier, number: u64) -> String {
    for attempt in 0.. {
        let name = format!("other_{attempt}");
        assert_eq!(verify(verifier, &name).await, "accepted");
        if kinde.tokens_of(&name).contains(&number) {
            return name;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_successor_comes_into_use_when_it_is_first_accepted() {
    let kinde = NumberedTokens::start(|_, _| accepted()).await;
    let clock = Arc::new(ManualClock::new());
    let verifier = kinde.verifier(Arc::clone(&clock) as _);
    assert_eq!(verify(&verifier, "first").await, "accepted");
    clock.advance(HOUR * 91 / 100);
    let name = until_used(&kinde, &verifier, 2).await;
    assert_eq!(kinde.tokens_of(&name), [2], "asked once");
    assert_eq!(verify(&verifier, "later").await, "accepted");
    assert_eq!((kinde.tokens_of("later"), kinde.issued()), (vec![2], 2));
}

#[tokio::test]
async fn a_successor_that_is_refused_leaves_the_current_token_in_use() {
    let kinde = NumberedTokens::start(|token, _| if token == 2 { unauthorized() } else { accepted() }).await;
    let clock = Arc::new(ManualClock::new());
    let verifier = kinde.verifier(Arc::clone(&clock) as _);
    assert_eq!(verify(&verifier, "first").await, "accepted");
    clock.advance(HOUR * 91 / 100);
    let name = until_used(&kinde, &verifier, 2).await;
    assert_eq!(kinde.tokens_of(&name), [2, 1], "asked again with the current one");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(15));
        assert_eq!(verify(&verifier, "later").await, "accepted");
    }
    assert_eq!(kinde.tokens_of("later"), [1, 1, 1], "the successor is gone");
    assert_eq!(kinde.issued(), 2, "no further renewal for a minute");
    clock.advance(Duration::from_secs(16));
    until_used(&kinde, &verifier, 3).await;
    assert_eq!(verify(&verifier, "last").await, "accepted");
    assert_eq!(kinde.tokens_of("last"), [3]);
}

#[tokio::test]
async fn a_junk_key_that_tries_a_successor_proves_nothing_against_it() {
    let is_junk = |key: &str| key.starts_with("junk");
    let kinde =
        NumberedTokens::start(move |_, key| if is_junk(key) { unauthorized() } else { accepted() }).await;
    let clock = Arc::new(ManualClock::new());
    let verifier = kinde.verifier(Arc::clone(&clock) as _);
    assert_eq!(verify(&verifier, "first").await, "accepted");
    clock.advance(HOUR * 91 / 100);
    assert_eq!(verify(&verifier, "second").await, "accepted");
    let mut attempt = 0;
    let trier = loop {
        let name = format!("junk_{attempt}");
        assert_eq!(verify(&verifier, &name).await, "unavailable");
        if kinde.tokens_of(&name).contains(&2) {
            break name;
        }
        attempt += 1;
    };
    assert_eq!(kinde.tokens_of(&trier), [2, 1]);
    assert_eq!(verify(&verifier, "junk_next").await, "unavailable");
    assert_eq!(kinde.tokens_of("junk_next"), [1], "not tried by every junk key");
    clock.advance(Duration::from_secs(1));
    assert_eq!(verify(&verifier, "good").await, "accepted");
    assert_eq!(kinde.tokens_of("good"), [2], "still there for others");
    assert_eq!(kinde.issued(), 2);
}

#[tokio::test]
async fn a_successor_that_nobody_tried_takes_over_at_the_end() {
    let kinde = NumberedTokens::start(|_, key| if key == "odd" { unauthorized() } else { accepted() }).await;
    let clock = Arc::new(ManualClock::new());
    let verifier = kinde.verifier(Arc::clone(&clock) as _);
    assert_eq!(verify(&verifier, "first").await, "accepted");
    clock.advance(Duration::from_secs(61));
    assert_eq!(verify(&verifier, "odd").await, "misconfigured");
    assert_eq!(kinde.tokens_of("odd"), [1, 2]);
    assert_eq!(verify(&verifier, "good").await, "accepted");
    assert_eq!(kinde.tokens_of("good"), [1], "the current token is as good as before");
    clock.advance(HOUR - Duration::from_secs(61));
    assert_eq!(verify(&verifier, "late").await, "accepted");
    assert_eq!(kinde.tokens_of("late"), [2]);
}

/// A clock of a machine that can sleep.
#[derive(Debug)]
struct SleepyClock {
    awake: ManualClock,
    slept: Mutex<Duration>,
}

impl Clock for SleepyClock {
    fn now(&self) -> Instant {
        self.awake.now()
    }

    fn suspended(&self) -> Option<Duration> {
        Some(*self.slept.lock().unwrap())
    }
}

impl SleepyClock {
    fn new() -> Arc<Self> {
        Arc::new(Self { awake: ManualClock::new(), slept: Mutex::new(Duration::from_secs(7)) })
    }

    fn sleep(&self, time: Duration) {
        *self.slept.lock().unwrap() += time;
    }
}

#[tokio::test]
async fn a_token_ages_while_the_machine_sleeps() {
    let kinde = NumberedTokens::start(|_, _| accepted()).await;
    let clock = SleepyClock::new();
    let verifier = kinde.verifier(Arc::clone(&clock) as _);
    assert_eq!(verify(&verifier, "first").await, "accepted");
    clock.sleep(HOUR * 8 / 10);
    assert_eq!(verify(&verifier, "second").await, "accepted");
    assert_eq!(kinde.tokens_of("second"), [1], "young enough");
    clock.sleep(HOUR * 2 / 10);
    assert_eq!(verify(&verifier, "third").await, "accepted");
    assert_eq!((kinde.tokens_of("third"), kinde.issued()), (vec![2], 2));
}

/// The machine may have slept while a key was revoked.
#[tokio::test]
async fn a_token_is_doubted_again_after_the_machine_slept() {
    let kinde = NumberedTokens::start(
        |token, key| {
            if token == 1 && key == "after" { unauthorized() } else { accepted() }
        },
    )
    .await;
    let clock = SleepyClock::new();
    let verifier = kinde.verifier(Arc::clone(&clock) as _);
    assert_eq!(verify(&verifier, "before").await, "accepted");
    assert_eq!(verify(&verifier, "after").await, "unavailable", "accepted for another key just now");
    clock.sleep(Duration::from_secs(1));
    assert_eq!(verify(&verifier, "after").await, "accepted");
    assert_eq!(kinde.tokens_of("after"), [1, 1, 2]);
}

#[tokio::test]
async fn a_grant_of_the_scope_is_noticed_while_keys_are_refused() {
    let lacks = || {
        let body = r#"{"errors":[{"code":"SCOPE_MISSING","message":"m"}]}"#;
        format!("HTTP/1.1 403 No\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let kinde = NumberedTokens::start(move |token, _| if token < 3 { lacks() } else { accepted() }).await;
    let clock = Arc::new(ManualClock::new());
    let verifier = kinde.verifier(Arc::clone(&clock) as _);
    for _ in 0..3 {
        let error = verifier.verify(&key("early")).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::SetUp, "{error}");
        assert!(error.to_string().contains("read:api_keys"), "{error}");
    }
    assert_eq!(kinde.issued(), 2);
    clock.advance(Duration::from_secs(61));
    assert_eq!(verify(&verifier, "later").await, "accepted");
    assert_eq!(kinde.issued(), 3);
}
