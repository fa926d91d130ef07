//! The service leaves a Kinde that cannot answer alone, and finds out with a question of its own when it can.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_core::{AttemptLimit, AuthenticatorBuilder, ManualClock};

use crate::steps::{
    MINUTE, NOBODYS, SECOND, STALE, TTL, all, fail, recover, timed, until, until_let_in, until_open,
    wrong_set_ups,
};
use crate::{
    adapter::Subject,
    client::{Answer, SEVERAL_CLIENTS, get},
    expected::*,
    world::World,
};
use apikey_testkit::emulator::{Fault, Gate, NegativeAnswer};

/// A world in which Kinde has failed for so long that the circuit breaker is open, with `admin` cached. The service
/// asks its own question again in a second.
async fn broken(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let (world, clock) = timed(subject, |builder| configure(builder.circuit_breaker(true))).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    fail(&world, Fault::status(503));
    until_open(&world, &clock).await;
    (world, clock)
}

pub async fn unknown_keys_get_their_503_without_a_call_in_an_outage(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder).await;
    // `Retry-After` says when the service asks its own question.
    let denied = unavailable().retry_after(1);
    for path in ["/me", "/layered", "/optional", "/twice"] {
        world.ask(path, &world.reader).await.is_denied(&denied);
        world.send(get(path).bearer(NOBODYS)).await.is_denied(&denied);
    }
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    world.send(get("/me")).await.is_denied(&missing_key());
    recover(&world);
    world.ask("/me", &world.reader).await.is_denied(&denied);
    assert_eq!(world.calls_and_tokens(), (0, 0));
    clock.advance(SECOND);
    until_let_in(&world, &world.reader).await;
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    assert_eq!(world.calls(), 3, "the service's own question, and two keys");
}

pub async fn a_callers_key_that_is_judged_ends_an_outage_too(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder.verification_timeout(MINUTE)).await;
    // The service's question still fails, but keys are judged again.
    recover(&world);
    world.emulator.set_unknown_key_fault(Some(Fault::status(503)));
    let gate = Gate::new();
    world.emulator.set_key_fault(&world.reader.secret, Some(Fault::Hold(gate.clone())));
    clock.advance(SECOND);
    // A caller after that moment makes the service ask its question, and does not wait for it.
    world.ask("/me", &world.writer).await.is_denied(&unavailable());
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    let request = || get("/me").key(&world.writer);
    let is_two_seconds = |answer: &Answer| answer.response.header("retry-after") == Some("2");
    until("a longer pause", &world, request, is_two_seconds).await.is_denied(&unavailable());
    clock.advance(2 * SECOND);
    world.ask("/me", &world.writer).await.is_denied(&unavailable());
    world.emulator.wait_until(|counters| counters.verify_calls == 2).await;
    // With every second question, one caller's key may be asked about. It is reader's, and Kinde holds its answer
    // back.
    let mut others = 0;
    while world.emulator.verify_calls_for(&world.reader.secret) == 0 {
        let reader = world.start_as(1, get("/me").key(&world.reader)).await;
        while !reader.has_ended() && world.emulator.verify_calls_for(&world.reader.secret) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if reader.has_ended() {
            reader.answer().await.is_denied(&unavailable());
            others += 1;
            assert!(others < 1_000, "no caller's key was asked about");
            continue;
        }
        for _ in 0..5 {
            world.ask("/me", &world.writer).await.is_denied(&unavailable());
        }
        assert_eq!(world.emulator.verify_calls_for(&world.writer.secret), 0, "a second key was asked about");
        gate.open();
        reader.answer().await.is_me(&world.reader);
    }
    world.ask("/me", &world.writer).await.is_me(&world.writer);
}

pub async fn a_breaker_closes_however_kinde_answers_unknown_keys(subject: Subject) {
    // Each waits for a second of real time.
    all(NegativeAnswer::ALL.iter().map(|style| async move {
        let (world, clock) = broken(subject, |builder| builder).await;
        recover(&world);
        world.emulator.set_unknown_key_answer(Some(*style));
        let mut seconds = 0;
        while world.ask("/me", &world.reader).await.response.status != 200 {
            assert!(seconds < 60, "{style:?}: the breaker is still open after a minute");
            seconds += 1;
            clock.advance(SECOND);
            // The answer to the question arrives in the background.
            world.settle().await;
        }
        for key in [&world.reader, &world.writer, &world.acme, &world.user] {
            world.ask("/me", key).await.is_me(key);
        }
        println!("{style:?} after {seconds} s");
    }))
    .await;
}

pub async fn keys_are_judged_half_a_minute_after_an_outage_of_any_length(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder).await;
    let mut calls = 0;
    for second in 0..600 {
        clock.advance(SECOND);
        world.ask("/me", &world.reader).await.is_denied(&unavailable().retry_after(1..=30));
        calls += world.calls();
        // The cached key expires, too.
        if second < 200 {
            world.ask("/me", &world.admin).await.is_me(&world.admin);
        }
        if second % 50 == 0 {
            world.settle().await;
        }
    }
    assert!((5..60).contains(&calls), "{calls} calls in ten minutes");
    recover(&world);
    for _ in 0..31 {
        clock.advance(SECOND);
        if world.ask("/me", &world.reader).await.response.status == 200 {
            break;
        }
        // A question that was in flight may still be answered in the background.
        world.settle().await;
    }
    until_let_in(&world, &world.reader).await;
}

pub async fn refusals_are_no_outage(subject: Subject) {
    let (world, _clock) = timed(subject, |builder| builder.circuit_breaker(true)).await;
    let mut session = world.session().await;
    for _ in 0..50 {
        session.send(get("/me").bearer(NOBODYS)).await.is_denied(&invalid_key());
    }
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 51, "the service asked no question of its own");
}

pub async fn a_wrong_set_up_is_told_from_memory_for_a_second(subject: Subject) {
    for fault in wrong_set_ups() {
        let shown = format!("{fault:?}");
        let (world, clock) = timed(subject, |builder| builder.circuit_breaker(true)).await;
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&internal_error());
        let asks_nobody = |_: &_| world.calls() == 0;
        let request = || get("/me").key(&world.writer).note(&shown);
        until("the set-up to be known", &world, request, asks_nobody).await.is_denied(&internal_error());
        for path in ["/me", "/layered", "/optional"] {
            world.ask(path, &world.writer).await.is_denied(&internal_error());
            world.send(get(path).bearer(NOBODYS)).await.is_denied(&internal_error());
        }
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        recover(&world);
        world.ask("/me", &world.reader).await.is_denied(&internal_error());
        assert_eq!(world.calls(), 0, "{shown}");
        clock.advance(SECOND);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
}

pub async fn a_wrong_set_up_costs_few_calls_whatever_a_client_presents(subject: Subject) {
    let world = World::protected(subject, |builder| builder).await;
    world.emulator.deny_scope(true);
    let began = Instant::now();
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(world.session().await);
    }
    let mut limited = 0;
    for number in 0..250 {
        for (place, session) in sessions.iter_mut().enumerate() {
            let request = get("/me").bearer(&format!("k_live_junk_{number}_{place}"));
            session.write(&request.bytes()).await;
        }
        for (place, session) in sessions.iter_mut().enumerate() {
            let request = get("/me").bearer(&format!("k_live_junk_{number}_{place}"));
            let answer = session.read(&request).await;
            match answer.response.status {
                429 => limited += 1,
                _ => answer.is_denied(&internal_error()),
            }
        }
    }
    // Each second one question of the service, and a few keys that came before its answer.
    let (calls, tokens) = world.calls_and_tokens();
    let seconds = began.elapsed().as_secs() + 1;
    println!("{calls} calls and {tokens} tokens in {seconds} s, and {limited} were limited");
    assert!(calls <= 60 * seconds && tokens <= 2, "{calls} calls and {tokens} tokens in {seconds} s");
    world.emulator.deny_scope(false);
    if SEVERAL_CLIENTS {
        let end = Instant::now() + 8 * SECOND;
        while world.ask_as(2, &world.reader).await.response.status != 200 {
            assert!(Instant::now() < end, "the service does not notice that the set-up is right again");
        }
    }
}

pub async fn a_key_that_kinde_cannot_read_is_no_outage_for_others(subject: Subject) {
    let (world, clock) = timed(subject, |builder| {
        builder.circuit_breaker(true).attempt_limit(AttemptLimit::new(2, MINUTE)).stale_if_error(STALE)
    })
    .await;
    world.emulator.set_key_fault(&world.reader.secret, Some(Fault::status(400)));
    // Twenty attempts come back, and two are used.
    for _ in 0..22 {
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        clock.advance(SECOND);
    }
    assert_eq!(world.emulator.verify_calls_for(&world.reader.secret), 22, "the breaker opened");
    world.ask("/me", &world.reader).await.is_denied(&rate_limited(2, 60, 38));
    if SEVERAL_CLIENTS {
        world.ask_as(2, &world.writer).await.is_me(&world.writer);
    }
}

pub async fn an_outage_costs_no_attempt_and_serves_stale_without_calls(subject: Subject) {
    let (world, clock) = broken(subject, |builder| {
        builder
            .attempt_limit(AttemptLimit::new(3, Duration::from_secs(80_000)).count_all_attempts())
            .stale_if_error(STALE)
    })
    .await;
    clock.advance(TTL);
    for _ in 0..20 {
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
    assert!(world.emulator.counters().verify_calls <= 1, "only the service's own question");
    assert_eq!(world.emulator.verify_calls_for(&world.admin.secret), 0);
    recover(&world);
    clock.advance(MINUTE);
    // One attempt was admin's.
    until_let_in(&world, &world.reader).await;
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    let limited = world.ask("/me", &world.acme).await;
    assert_eq!(limited.response.status, 429, "{limited}");
}
