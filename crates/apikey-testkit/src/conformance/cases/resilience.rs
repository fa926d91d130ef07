//! What happens while Kinde can't answer, or too much is asked of it; and what is forgotten at once, whoever waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apikey_core::{AttemptLimit, Authenticator, AuthenticatorBuilder, ManualClock};

use crate::conformance::{
    adapter::Subject,
    client::{Request, Session, get},
    expected::*,
    world::{Key, World},
};
use crate::emulator::{Endpoint, Fault, Gate, KeySpecification, NegativeAnswer};

const TTL: Duration = Duration::from_secs(300);
const STALE: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);
/// What no request may take that need not wait for a budget of a minute.
const SOON: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);
const NOBODYS: &str = "k_live_nobody_knows_it";

fn fail(world: &World, fault: Fault) {
    world.emulator.set_fault(Endpoint::Verify, Some(fault));
}

fn recover(world: &World) {
    world.emulator.set_fault(Endpoint::Verify, None);
}

/// Holds every verification back until the gate opens.
fn hold(world: &World) -> Gate {
    let gate = Gate::new();
    fail(world, Fault::Hold(gate.clone()));
    gate
}

/// Holds only the next verification back.
fn hold_next(world: &World) -> Gate {
    let gate = Gate::new();
    world.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    gate
}

/// A request that is under way and not answered yet.
async fn start<'a>(world: &'a World, key: &Key) -> (Session<'a>, Request) {
    let request = get("/me").key(key);
    let mut session = world.session().await;
    session.write(&request.bytes()).await;
    (session, request)
}

async fn in_flight(world: &World, verifications: u64) {
    world.emulator.wait_until(|counters| counters.verifications_in_flight == verifications).await;
}

/// With a clock to move.
async fn timed(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let world =
        World::with(subject, |builder| configure(builder.clock(clock.clone()).cache_time_to_live(TTL))).await;
    (world, clock)
}

/// Everything by which Kinde can fail to judge a key without anybody having to wait, a set-up that it refuses included.
fn failures() -> [Fault; 9] {
    [
        Fault::status(503),
        Fault::Reset,
        Fault::Close,
        Fault::Garbage,
        Fault::Empty,
        Fault::status(400),
        Fault::TooManyRequests { rate_limit_reset: Some(5), retry_after: None },
        Fault::status(404),
        Fault::Redirect("/elsewhere".to_owned()),
    ]
}

async fn retrying(subject: Subject) -> World {
    World::with(subject, |builder| builder.retries(true).cache_time_to_live(Duration::ZERO)).await
}

pub async fn a_failure_that_passes_is_not_noticed(subject: Subject) {
    let world = retrying(subject).await;
    let limit = |seconds| Fault::TooManyRequests { rate_limit_reset: seconds, retry_after: None };
    for fault in
        [Fault::status(503), Fault::status(500), Fault::Reset, Fault::Close, limit(None), limit(Some(0))]
    {
        let shown = format!("{fault:?}");
        world.emulator.script_faults(Endpoint::Verify, vec![Some(fault)]);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls(), 2, "{shown}");
    }
    // A key that is refused at the second try is refused.
    world.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(503))]);
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
    assert_eq!(world.calls(), 2);
}

pub async fn a_verification_is_tried_three_times_at_most(subject: Subject) {
    let world = retrying(subject).await;
    for fault in [Fault::status(503), Fault::Reset] {
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        assert_eq!(world.calls(), 3);
    }
    let twice = vec![Some(Fault::status(503)), Some(Fault::Reset)];
    recover(&world);
    world.emulator.script_faults(Endpoint::Verify, twice);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 3);
}

pub async fn a_wait_that_kinde_asks_for_is_kept(subject: Subject) {
    let world = retrying(subject).await;
    let fault = Fault::TooManyRequests { rate_limit_reset: Some(1), retry_after: None };
    world.emulator.script_faults(Endpoint::Verify, vec![Some(fault)]);
    let start = Instant::now();
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert!(start.elapsed() >= SECOND, "it asked again after {:?}", start.elapsed());
    assert_eq!(world.calls(), 2);
}

pub async fn a_wait_past_the_budget_is_answered_at_once(subject: Subject) {
    let world = World::with(subject, |builder| builder.retries(true).verification_timeout(MINUTE)).await;
    let start = Instant::now();
    for (rate_limit_reset, retry_after) in [(Some(90), None), (None, Some(90)), (Some(u64::MAX), None)] {
        fail(&world, Fault::TooManyRequests { rate_limit_reset, retry_after });
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        assert_eq!(world.calls(), 1);
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

pub async fn what_asking_again_does_not_mend_is_asked_once(subject: Subject) {
    let world = retrying(subject).await;
    for key in [&world.revoked, &world.inactive] {
        assert_eq!(world.ask("/me", key).await.response.status, 401);
        assert_eq!(world.calls(), 1);
    }
    for fault in [Fault::Garbage, Fault::Empty, Fault::status(400), Fault::HugeBody(100_000)] {
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        assert_eq!(world.calls(), 1);
    }
    for fault in [Fault::status(404), Fault::Redirect("/elsewhere".to_owned())] {
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&internal_error());
        assert_eq!(world.calls(), 1);
    }
}

pub async fn retries_add_a_tenth_to_an_outage_at_most(subject: Subject) {
    let world = retrying(subject).await;
    fail(&world, Fault::status(503));
    let requests = 60;
    let mut session = world.session().await;
    for _ in 0..requests {
        session.send(get("/me").key(&world.reader)).await.is_denied(&unavailable());
    }
    // Ten are saved up.
    let calls = world.calls();
    assert!((requests..=requests + requests / 10 + 10).contains(&calls), "{calls}");
}

pub async fn a_crowd_shares_the_retries_of_one_verification(subject: Subject) {
    let world = World::with(subject, |builder| builder.retries(true)).await;
    let gate = Gate::new();
    let script = vec![Some(Fault::status(503)), Some(Fault::Hold(gate.clone()))];
    world.emulator.script_faults(Endpoint::Verify, script);
    let mut crowd = Vec::new();
    for _ in 0..10 {
        crowd.push(start(&world, &world.reader).await);
    }
    world.emulator.wait_until(|counters| counters.verify_calls == 2).await;
    world.settle().await;
    gate.open();
    for (session, request) in &mut crowd {
        session.read(request).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 2);
}

pub async fn past_its_places_an_unknown_key_is_turned_away_and_a_known_one_is_not(subject: Subject) {
    let limit = AttemptLimit::new(4, TTL);
    let world = World::with(subject, |builder| {
        builder.max_in_flight(2).verification_timeout(MINUTE).attempt_limit(limit)
    })
    .await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    let gate = hold(&world);
    let (mut one, first) = start(&world, &world.reader).await;
    let (mut two, second) = start(&world, &world.writer).await;
    in_flight(&world, 2).await;
    for _ in 0..5 {
        // Nobody else's answer is waited for: the gate is closed.
        world.ask("/me", &world.acme).await.is_denied(&unavailable());
        world.ask("/optional", &world.user).await.is_denied(&unavailable());
        world.ask("/me", &world.admin).await.is_me(&world.admin);
    }
    // Whoever joins a verification needs no place.
    let (mut three, third) = start(&world, &world.reader).await;
    world.settle().await;
    gate.open();
    one.read(&first).await.is_me(&world.reader);
    two.read(&second).await.is_me(&world.writer);
    three.read(&third).await.is_me(&world.reader);
    // What was turned away was no attempt: this is the fourth.
    world.ask("/me", &world.acme).await.is_me(&world.acme);
    world.ask("/me", &world.user).await.is_denied(&rate_limited(4, 300, 300));
    let counters = world.emulator.counters();
    assert_eq!((counters.verify_calls, counters.most_verifications_in_flight), (4, 2));
}

pub async fn past_so_many_who_wait_an_unknown_key_is_turned_away(subject: Subject) {
    let world = World::with(subject, |builder| builder.max_waiting(3).verification_timeout(MINUTE)).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    let gate = hold(&world);
    let mut waiting = Vec::new();
    for key in [&world.reader, &world.writer, &world.acme] {
        waiting.push((start(&world, key).await, key));
    }
    in_flight(&world, 3).await;
    // Also where it would only join.
    for key in [&world.user, &world.reader] {
        world.ask("/me", key).await.is_denied(&unavailable());
    }
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    gate.open();
    for ((session, request), key) in &mut waiting {
        session.read(request).await.is_me(key);
    }
    world.ask("/me", &world.user).await.is_me(&world.user);
}

pub async fn who_has_been_answered_waits_no_longer(subject: Subject) {
    let world = World::with(subject, |builder| builder.max_waiting(1)).await;
    // Its key is verified, and its handler goes on for as long as the end of its body does not come.
    let body = [b'a'; 4_000];
    let request = Request::new("POST", "/echo").key(&world.reader).body(&body);
    let bytes = request.bytes();
    let mut session = world.session().await;
    session.write(&bytes[..bytes.len() - 1]).await;
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    in_flight(&world, 0).await;
    // The answer reaches whoever waits soon after that.
    let mut rounds = 0;
    while world.ask("/me", &world.writer).await.response.status != 200 {
        rounds += 1;
        assert!(rounds < 500, "one who has been answered long ago is counted among those who wait");
    }
    session.write(&bytes[bytes.len() - 1..]).await;
    session.read(&request).await.is_echo(&body);
}

/// A world in which Kinde has failed for long enough that it is left alone, with `admin` cached.
async fn broken(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let (world, clock) = timed(subject, |builder| configure(builder.circuit_breaker(true))).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    fail(&world, Fault::status(503));
    for _ in 0..10 {
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
    let calls = world.calls();
    assert!((4..10).contains(&calls), "an outage is noticed after a few failures, not {calls}");
    (world, clock)
}

pub async fn in_an_outage_unknown_keys_get_their_503_without_a_call(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder).await;
    for path in ["/me", "/layered", "/optional", "/twice"] {
        world.ask(path, &world.reader).await.is_denied(&unavailable());
        world.send(get(path).bearer(NOBODYS)).await.is_denied(&unavailable());
    }
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    world.send(get("/me")).await.is_denied(&missing_key());
    recover(&world);
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    assert_eq!(world.calls_and_tokens(), (0, 0));
    clock.advance(SECOND);
    // The first who asks is the probe, and all is well.
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    assert_eq!(world.calls(), 2);
}

pub async fn single_probes_find_out_when_kinde_answers_again(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder.verification_timeout(MINUTE)).await;
    clock.advance(SECOND);
    let gate = hold(&world);
    let (mut probe, request) = start(&world, &world.reader).await;
    in_flight(&world, 1).await;
    world.ask("/me", &world.writer).await.is_denied(&unavailable());
    gate.open();
    probe.read(&request).await.is_me(&world.reader);
    recover(&world);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    assert_eq!(world.calls(), 2);
}

pub async fn however_long_an_outage_lasts_half_a_minute_after_it_all_is_well(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder).await;
    let mut probes = 0;
    for _ in 0..600 {
        clock.advance(SECOND);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        let calls = world.calls();
        assert!(calls <= 1);
        probes += calls;
        // For the known key's time to live ends, too.
        if probes < 3 {
            world.ask("/me", &world.admin).await.is_me(&world.admin);
        }
    }
    assert!((10..60).contains(&probes), "{probes} probes in ten minutes");
    recover(&world);
    clock.advance(30 * SECOND);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn refusals_and_set_up_errors_are_no_outage(subject: Subject) {
    let (world, _clock) = timed(subject, |builder| builder.circuit_breaker(true)).await;
    let mut session = world.session().await;
    for _ in 0..25 {
        session.send(get("/me").bearer(NOBODYS)).await.is_denied(&invalid_key());
    }
    fail(&world, Fault::status(404));
    for _ in 0..25 {
        session.send(get("/me").bearer(NOBODYS)).await.is_denied(&internal_error());
    }
    recover(&world);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 51);
}

pub async fn an_outage_takes_no_attempts_and_serves_older_answers_without_a_call(subject: Subject) {
    let (world, clock) = broken(subject, |builder| {
        builder.attempt_limit(AttemptLimit::new(3, Duration::from_secs(80_000))).stale_if_error(STALE)
    })
    .await;
    let (mut served, mut probes) = (0, 0);
    clock.advance(TTL);
    for _ in 0..20 {
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        served += 1;
        probes += world.calls();
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
    assert_eq!((served, probes), (20, 1), "only the probe asked");
    recover(&world);
    clock.advance(MINUTE);
    // One attempt was admin's.
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    let limited = world.ask("/me", &world.acme).await;
    assert_eq!(limited.response.status, 429, "{limited}");
}

async fn stale(subject: Subject) -> (World, Arc<ManualClock>) {
    timed(subject, |builder| {
        builder.stale_if_error(STALE).stale_while_slow(Duration::from_millis(50)).verification_timeout(MINUTE)
    })
    .await
}

pub async fn without_leave_no_older_answer_is_served(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    fail(&world, Fault::status(503));
    clock.advance(TTL);
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    fail(&world, Fault::status(404));
    world.ask("/me", &world.reader).await.is_denied(&internal_error());
}

pub async fn an_older_answer_serves_while_kinde_cannot_answer(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    let calls = world.calls();
    assert_eq!(calls, 1);
    for fault in failures() {
        let shown = format!("{fault:?}");
        println!("{shown}");
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls(), 1, "{shown}: it asks again each time");
        // Its policy still counts, and nobody else profits.
        let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
        world.ask("/layered", &world.reader).await.is_denied(&denied);
        assert!(world.ask("/me", &world.writer).await.response.status >= 500, "{shown}");
        world.calls();
    }
    recover(&world);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "the answer is fresh again");
}

pub async fn an_older_answer_serves_while_kinde_is_slow_and_is_renewed_behind_it(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    world.calls();
    let gate = hold(&world);
    let begin = Instant::now();
    for _ in 0..3 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    gate.open();
    in_flight(&world, 0).await;
    recover(&world);
    renewed(&world, &world.reader).await;
    assert_eq!(world.calls(), 1, "one verification, which went on");
    // A Kinde that hangs for ever is no worse.
    clock.advance(TTL);
    fail(&world, Fault::Hang);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

/// Waits until the answer about this key is fresh; it must be good all the time.
async fn renewed(world: &World, key: &Key) {
    for _ in 0..10_000 {
        world.ask("/me", key).await.is_me(key);
        if world.ask("/fresh", key).await.response.status == 200 {
            return;
        }
    }
    panic!("the answer is not renewed");
}

pub async fn an_older_answer_serves_while_there_is_no_token(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    world.emulator.revoke_tokens();
    for fault in [Fault::status(503), Fault::Reset, Fault::status(404)] {
        world.emulator.set_fault(Endpoint::Token, Some(fault));
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.ask("/fresh", &world.reader).await.is_denied(&unavailable());
    }
    world.emulator.set_fault(Endpoint::Token, None);
    world.emulator.deny_scope(true);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.deny_scope(false);
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
}

pub async fn an_older_answer_has_an_end_that_failures_do_not_move(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    fail(&world, Fault::status(503));
    clock.advance(TTL);
    for _ in 0..5 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        clock.advance(STALE / 6);
    }
    clock.advance(STALE / 6 - Duration::from_nanos(1));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(Duration::from_nanos(1));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    recover(&world);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn no_outage_brings_a_refused_key_back(subject: Subject) {
    for negative in [Duration::ZERO, MINUTE] {
        let (world, clock) =
            timed(subject, |builder| builder.stale_if_error(STALE).negative_time_to_live(negative)).await;
        let gone = world.create(KeySpecification::new("gone"));
        for (key, status, denied) in [
            (&world.reader, "revoked", key_revoked()),
            (&world.writer, "inactive", key_inactive()),
            (&gone, "gone", key_inactive()),
        ] {
            world.ask("/me", key).await.is_me(key);
            clock.advance(TTL);
            fail(&world, Fault::status(503));
            world.ask("/me", key).await.is_me(key);
            recover(&world);
            world.emulator.set_status(&key.id, status);
            let style = if status == "gone" { NegativeAnswer::Error400 } else { NegativeAnswer::Ok200 };
            world.emulator.set_negative_answer(style);
            let answer = world.ask("/me", key).await;
            if status == "gone" {
                answer.is_denied(&invalid_key());
            } else {
                answer.is_denied(&denied);
            }
            clock.advance(MINUTE);
            for fault in failures() {
                fail(&world, fault);
                let answer = world.ask("/me", key).await;
                assert!(answer.response.status >= 500, "{answer}");
            }
            recover(&world);
        }
    }
}

pub async fn a_route_for_fresh_answers_refuses_older_ones(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
    fail(&world, Fault::status(503));
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "cached is fresh, as long as its time to live lasts");
    clock.advance(TTL);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/fresh", &world.reader).await.is_denied(&unavailable());
    let head = Request::new("HEAD", "/fresh").key(&world.reader);
    world.send(head).await.is_denied(&unavailable());
    // What the key is wanting is no concern of a route that would refuse it all the same.
    world.send(get("/fresh")).await.is_denied(&missing_key());
    world.send(get("/fresh").key(&world.reader).key(&world.reader)).await.is_denied(&multiple_keys());
    recover(&world);
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
    world.ask("/fresh", &world.revoked).await.is_denied(&key_revoked());
}

pub async fn a_refusal_is_remembered_where_asked_for(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder.negative_time_to_live(MINUTE)).await;
    let all_refused = async || {
        world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
        world.ask("/layered", &world.inactive).await.is_denied(&key_inactive());
        world.ask("/optional", &world.inactive).await.is_denied(&key_inactive());
        world.send(get("/twice").bearer(NOBODYS)).await.is_denied(&invalid_key());
        world.calls()
    };
    for _ in 0..2 {
        assert_eq!(all_refused().await, 3);
        clock.advance(MINUTE - SECOND);
        assert_eq!(all_refused().await, 0);
        // Hits don't prolong it.
        clock.advance(SECOND);
    }
}

pub async fn a_remembered_refusal_ends_with_its_time_or_when_it_is_removed(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder.negative_time_to_live(MINUTE)).await;
    let three =
        [&world.revoked, &world.inactive, &world.create(KeySpecification::new("c").status("revoked"))];
    for key in three {
        assert_eq!(world.ask("/me", key).await.response.status, 401);
        world.emulator.set_status(&key.id, "active");
        assert_eq!(world.ask("/me", key).await.response.status, 401);
    }
    world.authenticator.remove(&world.revoked.secret).expect("it is a key");
    world.ask("/me", three[0]).await.is_me(three[0]);
    assert_eq!(world.ask("/me", three[1]).await.response.status, 401);
    clock.advance(MINUTE);
    world.ask("/me", three[1]).await.is_me(three[1]);
    world.ask("/me", three[2]).await.is_me(three[2]);
    // And the other way round.
    world.emulator.revoke(&three[0].id);
    world.authenticator.clear();
    world.ask("/me", three[0]).await.is_denied(&key_revoked());
    world.emulator.set_status(&three[0].id, "active");
    world.ask("/me", three[0]).await.is_denied(&key_revoked());
    world.authenticator.clear();
    world.ask("/me", three[0]).await.is_me(three[0]);
}

pub async fn failures_are_never_remembered_as_refusals(subject: Subject) {
    let (world, _clock) = timed(subject, |builder| builder.negative_time_to_live(MINUTE)).await;
    for fault in failures() {
        fail(&world, fault);
        assert!(world.ask("/me", &world.reader).await.response.status >= 500);
        recover(&world);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.authenticator.clear();
    }
}

pub async fn junk_pushes_no_good_key_out(subject: Subject) {
    for negative in [Duration::ZERO, MINUTE] {
        let world =
            World::with(subject, |builder| builder.cache_capacity(100).negative_time_to_live(negative)).await;
        let good = [&world.reader, &world.writer, &world.admin, &world.acme, &world.user];
        for key in good {
            world.ask("/me", key).await.is_me(key);
        }
        let mut session = world.session().await;
        for number in 0..200 {
            let junk = get("/me").bearer(&format!("k_live_junk_{number}"));
            session.send(junk).await.is_denied(&invalid_key());
        }
        world.calls();
        for key in good {
            world.ask("/me", key).await.is_me(key);
        }
        assert_eq!(world.calls(), 0);
        assert_eq!(world.authenticator.cached_keys(), good.len());
    }
}

/// Too short for a jitter, so that its end is known to the nanosecond of the clock that only tests move.
const TICKS: Duration = Duration::from_nanos(10_000);

async fn refreshing(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let (world, clock) =
        timed(subject, |builder| configure(builder.refresh_ahead(true).cache_time_to_live(TICKS))).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TICKS / 2);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "half of its time is left");
    clock.advance(TICKS / 2 - Duration::from_nanos(1));
    (world, clock)
}

pub async fn a_key_in_use_is_renewed_before_its_time_is_up_and_nobody_waits(subject: Subject) {
    let limit = AttemptLimit::new(1, MINUTE);
    let (world, clock) =
        refreshing(subject, |builder| builder.attempt_limit(limit).verification_timeout(MINUTE)).await;
    let gate = hold(&world);
    for _ in 0..5 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    in_flight(&world, 1).await;
    world.ask("/layered-twice", &world.reader).await.is_me(&world.reader);
    gate.open();
    clock.advance(TICKS / 2);
    // Either it has landed, or this request waits for it; a call of its own would be an attempt too many.
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
}

pub async fn a_renewal_that_fails_leaves_the_key_its_time(subject: Subject) {
    let (world, clock) = refreshing(subject, |builder| builder).await;
    fail(&world, Fault::status(503));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    in_flight(&world, 0).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "the next renewal is not tried at once");
    clock.advance(Duration::from_nanos(1));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
}

pub async fn a_renewal_that_is_refused_ends_the_key(subject: Subject) {
    let (world, _clock) = refreshing(subject, |builder| builder.stale_if_error(STALE)).await;
    world.emulator.revoke(&world.reader.id);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    // The refusal lands soon after; from then on it holds.
    for round in 0.. {
        assert!(round < 10_000, "the refusal came to nothing");
        let answer = world.ask("/me", &world.reader).await;
        if answer.response.status != 200 {
            answer.is_denied(&key_revoked());
            break;
        }
    }
    fail(&world, Fault::status(503));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
}

pub async fn without_leave_nothing_is_renewed_ahead(subject: Subject) {
    let (world, _clock) = refreshing(subject, |builder| builder.refresh_ahead(false)).await;
    for _ in 0..5 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    world.settle().await;
    assert_eq!(world.calls(), 0);
}

type Purge = fn(&Authenticator, &Key);

/// Every way to forget the key `both_owners`.
const PURGES: [(&str, Purge); 5] = [
    ("remove", |keys, key| keys.remove(&key.secret).expect("it is a key")),
    ("remove_key_id", |keys, key| keys.remove_key_id(&key.id)),
    ("remove_user", |keys, _| keys.remove_user("kp_user")),
    ("remove_organization", |keys, _| keys.remove_organization("org_acme")),
    ("clear", |keys, _| keys.clear()),
];

pub async fn a_purged_key_is_refused_on_its_next_request(subject: Subject) {
    for stale in [Duration::ZERO, STALE] {
        let (world, clock) = timed(subject, |builder| builder.stale_if_error(stale)).await;
        let key = &world.both_owners;
        for (name, purge) in PURGES {
            println!("{name}");
            world.emulator.set_status(&key.id, "active");
            world.ask("/me", key).await.is_me(key);
            world.ask("/me", &world.globex).await.is_me(&world.globex);
            world.emulator.revoke(&key.id);
            world.ask("/me", key).await.is_me(key);
            world.calls();
            purge(&world.authenticator, key);
            world.ask("/me", key).await.is_denied(&key_revoked());
            if name != "clear" {
                world.ask("/me", &world.globex).await.is_me(&world.globex);
            }
            assert_eq!(world.calls(), 1, "{name}");
            // What is purged is never an older answer, either.
            world.emulator.set_status(&key.id, "active");
            world.ask("/me", key).await.is_me(key);
            clock.advance(TTL);
            purge(&world.authenticator, key);
            fail(&world, Fault::status(503));
            world.ask("/me", key).await.is_denied(&unavailable());
            recover(&world);
        }
    }
}

pub async fn an_answer_from_before_a_purge_lets_nobody_in_after_it(subject: Subject) {
    for stale in [Duration::ZERO, STALE] {
        let world = World::with(subject, |builder| builder.stale_if_error(stale)).await;
        let key = &world.both_owners;
        for (name, purge) in PURGES {
            println!("{name}");
            let gate = hold_next(&world);
            // Its answer is decided, and says that the key is good.
            let mut waiting = vec![start(&world, key).await, start(&world, key).await];
            in_flight(&world, 1).await;
            world.settle().await;
            world.emulator.revoke(&key.id);
            purge(&world.authenticator, key);
            gate.open();
            for (session, request) in &mut waiting {
                session.read(request).await.is_denied(&key_revoked());
            }
            world.ask("/me", key).await.is_denied(&key_revoked());
            // Nor does an outage that follows help it.
            world.emulator.set_status(&key.id, "active");
            let gate = Gate::new();
            let script = vec![Some(Fault::Hold(gate.clone())), Some(Fault::status(503))];
            world.emulator.script_faults(Endpoint::Verify, script);
            let (mut session, request) = start(&world, key).await;
            in_flight(&world, 1).await;
            purge(&world.authenticator, key);
            gate.open();
            session.read(&request).await.is_denied(&unavailable());
            world.calls();
            world.ask("/me", key).await.is_me(key);
            assert_eq!(world.calls(), 1, "{name}: nothing was kept");
            world.authenticator.clear();
        }
    }
}

pub async fn a_purge_concerns_nobody_else(subject: Subject) {
    let world = World::new(subject).await;
    let others = [&world.unscoped, &world.reader, &world.globex];
    let purge = || {
        let keys = &world.authenticator;
        keys.remove(&world.acme.secret).expect("it is a key");
        keys.remove("null").expect("it has the form of a key");
        for nobodys in ["", "null", "org_acme", "kp_user", "api_key_", "reader"] {
            keys.remove_user(nobodys);
            keys.remove_organization(nobodys);
            keys.remove_key_id(nobodys);
        }
    };
    // While their answers are under way, and once these are cached.
    let gate = hold(&world);
    let mut waiting = Vec::new();
    for key in others {
        waiting.push((start(&world, key).await, key));
    }
    in_flight(&world, 3).await;
    purge();
    gate.open();
    for ((session, request), key) in &mut waiting {
        session.read(request).await.is_me(key);
    }
    purge();
    for key in others {
        world.ask("/me", key).await.is_me(key);
    }
    assert_eq!(world.calls(), 3);
}

/// The same key under its new secret.
fn rotate(world: &World, key: &Key) -> Key {
    let issued = world.emulator.rotate(&key.id).expect("the key exists");
    let mut rotated = key.clone();
    rotated.secret = issued.secret;
    rotated
}

pub async fn a_new_secret_ends_the_old_one_at_once(subject: Subject) {
    let world = World::with(subject, |builder| builder.stale_if_error(STALE)).await;
    let old = &world.reader;
    world.ask("/me", old).await.is_me(old);
    let new = rotate(&world, old);
    world.ask("/me", &new).await.is_me(&new);
    world.calls();
    fail(&world, Fault::status(503));
    world.ask("/me", old).await.is_denied(&unavailable());
    recover(&world);
    world.ask("/me", old).await.is_denied(&invalid_key());
    assert_eq!(world.calls(), 2);
    world.ask("/me", &new).await.is_me(&new);
    assert_eq!(world.calls(), 0);
    // The key id still names it.
    world.emulator.revoke(&old.id);
    world.authenticator.remove_key_id(&old.id);
    world.ask("/me", &new).await.is_denied(&key_revoked());
}

pub async fn an_answer_about_an_old_secret_is_asked_for_again_after_a_rotation(subject: Subject) {
    let world = World::new(subject).await;
    let old = &world.reader;
    let gate = hold_next(&world);
    let (mut session, request) = start(&world, old).await;
    in_flight(&world, 1).await;
    let new = rotate(&world, old);
    world.ask("/me", &new).await.is_me(&new);
    gate.open();
    session.read(&request).await.is_denied(&invalid_key());
    world.ask("/me", old).await.is_denied(&invalid_key());
    world.calls();
    world.ask("/me", &new).await.is_me(&new);
    assert_eq!(world.calls(), 0, "the new secret stays cached");
}

pub async fn a_kinde_that_hangs_keeps_nobody_past_the_budget(subject: Subject) {
    for endpoint in [Endpoint::Verify, Endpoint::Token] {
        let world =
            World::with(subject, |builder| builder.verification_timeout(Duration::from_millis(300))).await;
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        if endpoint == Endpoint::Token {
            world.emulator.revoke_tokens();
        }
        world.emulator.set_fault(endpoint, Some(Fault::Hang));
        let begin = Instant::now();
        let mut waiting = Vec::new();
        for key in [&world.reader, &world.reader, &world.writer, &world.acme, &world.user, &world.revoked] {
            waiting.push(start(&world, key).await);
        }
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        for (session, request) in &mut waiting {
            session.read(request).await.is_denied(&unavailable());
        }
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        assert!(begin.elapsed() < SOON, "{endpoint:?}: {:?}", begin.elapsed());
        in_flight(&world, 0).await;
        if endpoint == Endpoint::Verify {
            recover(&world);
            world.ask("/me", &world.reader).await.is_me(&world.reader);
        }
    }
}
