//! Where verifications run, when they are tried again, and when a stale answer serves. Time is paused if it matters.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apikey_core::{
    Authenticator, AuthenticatorBuilder, Clock, FirstTry, Health, Judgement, PlainRequest, Policy,
    PresentedKey, SystemClock, Verification, Verifier, VerifierError, async_trait,
};
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep};

use crate::support::*;

const BUDGET: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);

/// The outcome of one try, after a while.
#[derive(Clone)]
struct Answer(Duration, Result<(), VerifierError>);

fn yes(after: Duration) -> Answer {
    Answer(after, Ok(()))
}

fn no(error: VerifierError) -> Answer {
    Answer(Duration::ZERO, Err(error))
}

fn never() -> Answer {
    yes(Duration::from_secs(1_000_000))
}

/// A verifier with scripted outcomes, whatever the key. It records how it was called.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<Option<FirstTry>>>,
    checks: AtomicUsize,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    async fn call(&self, key: &PresentedKey, after: Option<FirstTry>) -> Result<Judgement, VerifierError> {
        self.calls.lock().unwrap().push(after);
        let answer = self.answers.lock().unwrap().pop_front();
        let Answer(wait, said) = answer.unwrap_or(yes(Duration::ZERO));
        sleep(wait).await;
        said.map(|()| Judgement::accepted(Verification::active(key.expose())))
    }

    fn calls(&self) -> Vec<Option<FirstTry>> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Verifier for Scripted {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.call(key, None).await
    }

    async fn verify_again(&self, key: &PresentedKey, after: FirstTry) -> Result<Judgement, VerifierError> {
        self.call(key, Some(after)).await
    }

    async fn check(&self) -> Health {
        self.checks.fetch_add(1, Ordering::SeqCst);
        Health::Up
    }
}

/// Runs on the runtime of the test, whose time is paused.
fn here(verifier: &Arc<Scripted>) -> AuthenticatorBuilder {
    Authenticator::builder(Arc::clone(verifier))
        .verification_timeout(BUDGET)
        .verification_runtime(Handle::current())
}

async fn timed(authenticator: &Authenticator, secret: &str) -> (String, Duration) {
    let began = Instant::now();
    let answer = authenticator.verify(key(secret)).await;
    (told(&answer), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_silent_try_gets_company_after_a_third_of_the_budget() {
    let verifier = Scripted::new([never(), never(), yes(SECOND / 10)]);
    let authenticator = here(&verifier).build().unwrap();
    let (answer, took) = timed(&authenticator, "k1").await;
    assert_eq!(answer, "k1");
    assert_eq!(took.as_millis() / 10, 210, "two thirds of the budget, and the answer: {took:?}");
    assert_eq!(verifier.calls(), [None, Some(FirstTry::Silent), Some(FirstTry::Silent)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_complete_answer_counts_whichever_try_it_is_of() {
    let verifier = Scripted::new([yes(SECOND * 3 / 2), never()]);
    let authenticator = here(&verifier).build().unwrap();
    let (answer, took) = timed(&authenticator, "k1").await;
    assert_eq!((answer.as_str(), took.as_millis() / 10), ("k1", 150));

    let failing = || no(VerifierError::outage("no connection"));
    let verifier = Scripted::new([yes(SECOND * 3 / 2), failing(), failing()]);
    let authenticator = here(&verifier).build().unwrap();
    assert_eq!(
        timed(&authenticator, "k1").await.0,
        "k1",
        "a second try that fails takes nothing from the first"
    );
}

#[tokio::test(start_paused = true)]
async fn silence_is_slowness_after_a_slow_success() {
    let slow = || yes(SECOND * 9 / 4);
    let verifier = Scripted::new([slow(), slow(), slow(), slow()]);
    let authenticator = here(&verifier).build().unwrap();
    assert_eq!(timed(&authenticator, "k1").await.0, "k1");
    assert_eq!(verifier.calls().len(), 3, "nobody knew better");
    assert_eq!(timed(&authenticator, "k2").await.0, "k2");
    assert_eq!(verifier.calls().len(), 4, "one try alone");
}

#[tokio::test(start_paused = true)]
async fn slow_successes_are_good_answers() {
    for part in [75, 99] {
        let slow = yes(BUDGET * part / 100);
        let verifier = Scripted::new(std::iter::repeat_n(slow, 400));
        let authenticator = here(&verifier).cache_time_to_live(Duration::ZERO).build().unwrap();
        for number in 0..60 {
            let secret = format!("k{number}");
            assert_eq!(timed(&authenticator, &secret).await.0, secret, "{part} % of the budget");
        }
        assert_eq!(verifier.checks.load(Ordering::SeqCst), 0, "nothing is suspicious");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_tried_again_on_a_new_connection() {
    let broken = || no(VerifierError::outage("the connection broke"));
    let verifier = Scripted::new([broken(), broken()]);
    let authenticator = here(&verifier).build().unwrap();
    assert_eq!(timed(&authenticator, "k1").await.0, "k1");
    assert_eq!(verifier.calls(), [None, Some(FirstTry::Failed), Some(FirstTry::Failed)]);
    let verifier = Scripted::new([broken()]);
    let authenticator = here(&verifier).retries(false).build().unwrap();
    assert_eq!(timed(&authenticator, "k1").await.0, "VERIFICATION_UNAVAILABLE");
}

#[tokio::test(start_paused = true)]
async fn overload_is_tried_again_after_the_moment_that_is_named() {
    let busy = |seconds| no(VerifierError::overload("busy").with_retry_after(seconds * SECOND));
    let verifier = Scripted::new([busy(1), busy(1)]);
    let authenticator = here(&verifier).build().unwrap();
    let (answer, took) = timed(&authenticator, "k1").await;
    assert_eq!(answer, "k1");
    assert!((2 * SECOND..3 * SECOND).contains(&took), "{took:?}");

    let verifier = Scripted::new([busy(5)]);
    let authenticator = here(&verifier).build().unwrap();
    let denial = authenticator.verify(key("k1")).await.unwrap_err();
    assert_eq!((denial.status(), denial.retry_after_seconds()), (503, Some(5)), "the budget is shorter");
    let again = authenticator.verify(key("k1")).await.unwrap_err();
    assert_eq!((again.retry_after_seconds(), verifier.calls().len()), (Some(5), 1), "nobody asks before");
}

#[tokio::test(start_paused = true)]
async fn overload_takes_no_retry_from_an_outage() {
    let busy = || no(VerifierError::overload("busy"));
    let broken = || no(VerifierError::outage("the connection broke"));
    let verifier = Scripted::new([busy(), busy(), broken(), broken()]);
    let authenticator = here(&verifier).build().unwrap();
    assert_eq!(timed(&authenticator, "k1").await.0, "k1");
    let (failed, first) = (Some(FirstTry::Failed), None);
    assert_eq!(verifier.calls(), [first, first, first, failed, failed]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_outage_is_asked_once() {
    for error in [
        VerifierError::unjudged("neither good nor bad"),
        VerifierError::set_up("wrong"),
        VerifierError::service_refused("no"),
    ] {
        let verifier = Scripted::new([no(error)]);
        let authenticator = here(&verifier).build().unwrap();
        assert_ne!(timed(&authenticator, "k1").await.0, "k1");
        assert_eq!(verifier.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_queues_for_a_third_of_the_budget_at_most() {
    let verifier = Scripted::new([never(), never()]);
    let authenticator = here(&verifier).max_in_flight(1).retries(false).build().unwrap();
    let first = tokio::spawn({
        let authenticator = authenticator.clone();
        async move { timed(&authenticator, "k1").await }
    });
    tokio::task::yield_now().await;
    let (answer, took) = timed(&authenticator, "k2").await;
    assert_eq!((answer.as_str(), took.as_millis() / 10), ("VERIFICATION_UNAVAILABLE", 100));
    assert_eq!(verifier.calls().len(), 1, "it was never asked about");
    assert_eq!(first.await.unwrap().0, "VERIFICATION_UNAVAILABLE");
}

/// After 50 ms, asks everybody to wait for 60 s.
#[derive(Default)]
struct Silencing(AtomicUsize);

#[async_trait]
impl Verifier for Silencing {
    async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        sleep(SECOND / 20).await;
        Err(VerifierError::overload("busy").with_retry_after(60 * SECOND))
    }

    async fn check(&self) -> Health {
        Health::Overload(VerifierError::overload("busy").with_retry_after(60 * SECOND))
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_not_sent_after_everybody_was_retry_after() {
    let verifier = Arc::new(Silencing::default());
    let authenticator = Authenticator::builder(Arc::clone(&verifier))
        .verification_runtime(Handle::current())
        .max_in_flight(1)
        .build()
        .unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..18 {
        let authenticator = authenticator.clone();
        callers.spawn(async move { authenticator.verify(key(&format!("k{number}"))).await.unwrap_err() });
    }
    for denial in callers.join_all().await {
        assert!(denial.status() == 503 && denial.retry_after_seconds() >= Some(59), "{denial:?}");
    }
    let calls = verifier.0.load(Ordering::SeqCst);
    assert!((5..=7).contains(&calls), "{calls} of 18 were sent");
}

#[tokio::test(start_paused = true)]
async fn queued_callers_are_served_in_turn() {
    let verifier = Scripted::new(std::iter::repeat_n(yes(SECOND / 20), 20));
    let authenticator = here(&verifier).max_in_flight(2).build().unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let authenticator = authenticator.clone();
        callers.spawn(async move { timed(&authenticator, &format!("k{number}")).await });
    }
    let answers = callers.join_all().await;
    assert!(answers.iter().all(|(answer, _)| answer.starts_with('k')), "{answers:?}");
    let longest = answers.iter().map(|(_, took)| *took).max().unwrap();
    assert_eq!(longest.as_millis() / 10, 50, "ten rounds of 50 ms");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_fed_in_as_places_come_free() {
    for max_queued in [0, 256] {
        let verifier = Scripted::new(std::iter::repeat_n(yes(BUDGET * 3 / 4), 400));
        let builder = here(&verifier).max_in_flight(8).max_queued(max_queued);
        let authenticator = builder.build().unwrap();
        let keys: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
        let answers = authenticator.verify_many(&keys).await;
        let told: Vec<String> = answers.iter().map(told).collect();
        assert_eq!(told, keys);
    }
}

/// A clock of a machine that sleeps when the test tells it to.
#[derive(Debug, Default)]
struct Sleepy(AtomicU64);

impl Clock for Sleepy {
    fn now(&self) -> std::time::Instant {
        SystemClock.now()
    }

    fn suspended(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_asks_again() {
    let verifier = Scripted::new([]);
    let clock = Arc::new(Sleepy::default());
    let authenticator = here(&verifier).clock(Arc::clone(&clock) as _).build().unwrap();
    for calls in [1, 1] {
        sleep(5 * SECOND).await;
        assert_eq!(timed(&authenticator, "k1").await.0, "k1");
        assert_eq!(verifier.calls().len(), calls);
    }
    clock.0.store(3600, Ordering::SeqCst);
    sleep(SECOND + SECOND / 100).await;
    assert_eq!(timed(&authenticator, "k1").await.0, "k1");
    assert_eq!(verifier.calls().len(), 2);
    sleep(5 * SECOND).await;
    assert_eq!(timed(&authenticator, "k1").await.0, "k1");
    assert_eq!(verifier.calls().len(), 2, "it slept once");
}

/// Answers when the gate is open.
fn gated() -> (Fake<impl Fn(String) -> Said + Send + Sync + 'static>, Arc<tokio::sync::Semaphore>) {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let (fake, _) = Fake::new(move |key| {
        let gate = Arc::clone(&opened);
        Box::pin(async move {
            let _open = gate.acquire().await;
            anyone(key).await
        })
    });
    (fake, gate)
}

fn bearer(secret: &str) -> PlainRequest {
    PlainRequest::new().with_header("authorization", format!("Bearer {secret}"))
}

#[test]
fn callers_need_no_runtime_with_timers() {
    let (fake, _) = Fake::new(anyone);
    let authenticator = patient(fake).build().unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_eq!(told(&runtime.block_on(authenticator.verify(key("k1")))), "k1");
    let many = runtime.block_on(authenticator.verify_many(["k1", "k2"]));
    assert_eq!(many.iter().map(told).collect::<Vec<_>>(), ["k1", "k2"]);
}

#[test]
fn a_runtime_that_nobody_drives_delays_no_verification() {
    let (fake, gate) = gated();
    let authenticator = patient(fake).build().unwrap();
    let abandoned = Builder::new_current_thread().enable_all().build().unwrap();
    // The verification begins there, and from then on nobody drives that runtime.
    let begun = abandoned.block_on(async { authenticator.begin(&bearer("k1")) });
    gate.add_permits(1);
    let other = Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(told(&other.block_on(authenticator.verify(key("k1")))), "k1");
    drop(begun);
}

#[test]
fn a_blocked_worker_delays_its_own_request_alone() {
    let (fake, gate) = gated();
    let authenticator = patient(fake).build().unwrap();
    let (blocked, is_blocked) = std::sync::mpsc::channel();
    let (unblock, unblocked) = std::sync::mpsc::channel::<()>();
    let worker = std::thread::spawn({
        let authenticator = authenticator.clone();
        move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let begun = authenticator.begin(&bearer("k1"));
                blocked.send(()).unwrap();
                let _ = unblocked.recv();
                let policy = Policy::any_key();
                let decision = authenticator.gate(&policy).decide(begun, &bearer("k1"), |key| key);
                decision.wait().await.unwrap().key_id().to_owned()
            })
        }
    });
    is_blocked.recv().unwrap();
    gate.add_permits(1);
    let other = Builder::new_current_thread().enable_all().build().unwrap();
    for secret in ["k1", "k2"] {
        assert_eq!(told(&other.block_on(authenticator.verify(key(secret)))), secret);
    }
    drop(unblock);
    assert_eq!(worker.join().unwrap(), "k1");
}

#[tokio::test(start_paused = true)]
async fn paused_time_of_a_test_ends_no_verification_early() {
    let (fake, gate) = gated();
    // It runs on a thread of its own, as by default. While the test's runtime is idle, its paused time jumps.
    let authenticator = Authenticator::builder(fake).build().unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        gate.add_permits(1);
    });
    assert_eq!(told(&authenticator.verify(key("k1")).await), "k1");
}
