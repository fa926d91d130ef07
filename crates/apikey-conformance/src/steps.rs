//! Steps that the cases of several themes share.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use apikey_core::{AuthenticatorBuilder, ManualClock};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    adapter::Subject,
    client::{Answer, Request, Session, get},
    expected::unavailable,
    key::Key,
    world::World,
};
use apikey_testkit::emulator::{Endpoint, Fault, Gate, KeySpecification, ScriptedAnswer};

pub(crate) const TTL: Duration = Duration::from_secs(300);
pub(crate) const STALE: Duration = Duration::from_secs(600);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Longer than a request takes that does not wait for the budget of a minute.
pub(crate) const SOON: Duration = Duration::from_secs(5);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// How long a case waits for something that happens without its help.
const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const NOBODYS: &str = "k_live_nobody_knows_it";

pub(crate) fn fail(world: &World, fault: Fault) {
    world.emulator.set_fault(Endpoint::Verify, Some(fault));
}

pub(crate) fn recover(world: &World) {
    world.emulator.set_fault(Endpoint::Verify, None);
}

/// Holds back every verification until the test opens the gate.
pub(crate) fn hold(world: &World) -> Gate {
    let gate = Gate::new();
    fail(world, Fault::Hold(gate.clone()));
    gate
}

/// Holds back the next verification only.
pub(crate) fn hold_next(world: &World) -> Gate {
    let gate = Gate::new();
    world.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    gate
}

/// Sends a request whose answer is still to come.
pub(crate) async fn start<'a>(world: &'a World, key: &Key) -> (Session<'a>, Request) {
    let request = get("/me").key(key);
    let mut session = world.session().await;
    session.write(&request.bytes()).await;
    (session, request)
}

/// Waits until so many verifications are under way, or more: a busy machine may be so slow that the authenticator makes second
/// tries. For 0, waits until none is.
pub(crate) async fn in_flight(world: &World, verifications: u64) {
    let enough = |now: u64| if verifications == 0 { now == 0 } else { now >= verifications };
    world.emulator.wait_until(|counters| enough(counters.verifications_in_flight)).await;
}

/// A world with a clock that the case moves.
pub(crate) async fn timed(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let world = World::timed(subject, &clock, |builder| configure(builder.cache_time_to_live(TTL))).await;
    (world, clock)
}

/// Failures of class *outage* for which no caller must wait.
pub(crate) fn outages() -> Vec<Fault> {
    let mut outages = vec![Fault::Reset, Fault::Close, Fault::RawGarbage];
    outages.extend([408, 421, 500, 502, 503, 599].map(Fault::status));
    outages
}

/// Answers of class *overload*: Kinde has too much to do, and asks for five seconds.
pub(crate) fn overloads() -> Vec<Fault> {
    let busy = ScriptedAnswer::new(503, "<html>Busy</html>").header("retry-after", "5");
    vec![
        Fault::TooManyRequests { rate_limit_reset: Some(5), retry_after: None },
        Fault::TooManyRequests { rate_limit_reset: None, retry_after: Some(5) },
        Fault::Answer(busy),
    ]
}

/// Answers that mean a wrong set-up, whatever the key.
pub(crate) fn wrong_set_ups() -> Vec<Fault> {
    vec![Fault::status(404), Fault::status(405), Fault::Redirect("/elsewhere".to_owned())]
}

/// Answers of class *unjudged*: they judge nothing, and prove only that this key gets them.
pub(crate) fn oddities() -> Vec<Fault> {
    let mut oddities = vec![
        Fault::Garbage,
        Fault::Empty,
        Fault::HugeBody(100_000),
        Fault::Answer(ScriptedAnswer::json(200, &json!({}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"is_valid": true, "status": "active"}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"is_valid": null, "key_id": "k"}))),
        Fault::Answer(ScriptedAnswer::new(204, "")),
        Fault::Answer(ScriptedAnswer::new(403, "<html>A firewall</html>")),
        Fault::Answer(ScriptedAnswer::json(404, &json!({"errors": {"code": "NOT_FOUND", "message": "No"}}))),
        Fault::Answer(ScriptedAnswer::json(400, &json!({"errors": [{"code": "API_KEYS_QUOTA_EXCEEDED"}]}))),
    ];
    oddities.extend([400, 410, 413, 418, 422, 425].map(Fault::status));
    oddities
}

/// Every failure to judge a key for which no caller must wait.
pub(crate) fn failures() -> Vec<Fault> {
    [outages(), overloads(), wrong_set_ups(), oddities()].concat()
}

/// Runs these futures concurrently.
pub(crate) async fn all<F: Future<Output = ()>>(futures: impl IntoIterator<Item = F>) {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    poll_fn(|context| {
        running.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Sends requests until one gets the expected answer. Use it when something must first happen in the background that
/// takes none of the case's time.
pub(crate) async fn until(
    what: &str,
    world: &World,
    request: impl Fn() -> Request,
    is_right: impl Fn(&Answer) -> bool,
) -> Answer {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = world.send(request()).await;
        if is_right(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for {what}: {answer}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until this key is accepted.
pub(crate) async fn until_let_in(world: &World, key: &Key) {
    let request = || get("/me").key(key);
    until("a good key to be accepted", world, request, |answer| answer.response.status == 200)
        .await
        .is_me(key);
}

/// Waits until the circuit breaker is open. The service's own question must fail, too, and retries must be off.
pub(crate) async fn until_open(world: &World, clock: &ManualClock) {
    let key = world.create(KeySpecification::new("in_an_outage"));
    world.calls();
    for _ in 0..5 {
        world.ask("/me", &key).await.is_denied(&unavailable());
    }
    // The first question follows at once, the second a second later.
    world.emulator.wait_until(|counters| counters.verify_calls == 6).await;
    clock.advance(SECOND);
    world.emulator.wait_until(|counters| counters.verify_calls == 7).await;
    in_flight(world, 0).await;
    let calls = || world.emulator.verify_calls_for(&key.secret);
    let end = Instant::now() + PATIENCE;
    loop {
        let before = calls();
        world.ask("/me", &key).await.is_denied(&unavailable());
        if calls() == before {
            break;
        }
        assert!(Instant::now() < end, "the circuit breaker did not open within {PATIENCE:?}");
        sleep(Duration::from_millis(10)).await;
    }
    world.calls();
}
