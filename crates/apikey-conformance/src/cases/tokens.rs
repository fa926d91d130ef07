//! The service's own token. Trouble with it is never the caller's fault.

use std::time::Duration;

use serde_json::json;

use crate::steps::{MINUTE, NOBODYS, SECOND, timed};
use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{Endpoint, Fault, ScriptedAnswer};

/// Before the first token, each fault gets this denial and no verify call is made. A moment after the fault has
/// ended, keys are accepted.
async fn are_answered<const N: usize>(subject: Subject, faults: [Fault; N], denied: Denied) {
    for fault in faults {
        let world = World::new(subject).await;
        let shown = format!("{fault:?}");
        println!("{shown}");
        world.emulator.set_fault(Endpoint::Token, Some(fault));
        world.ask("/me", &world.reader).await.is_denied(&denied);
        assert_eq!(world.calls_and_tokens(), (0, 1), "{shown}");
        world.emulator.set_fault(Endpoint::Token, None);
        let mut answer = world.ask("/me", &world.reader).await;
        while answer.response.status != 200 {
            answer.is_denied(&denied);
            tokio::time::sleep(Duration::from_millis(10)).await;
            answer = world.ask("/me", &world.reader).await;
        }
        answer.is_me(&world.reader);
        assert_eq!(world.calls_and_tokens(), (1, 1), "{shown}");
    }
}

fn oauth_error(status: u16, error: &str) -> Fault {
    let body = json!({"error": error, "error_description": "What Kinde says about it"});
    Fault::Answer(ScriptedAnswer::json(status, &body))
}

pub async fn one_token_serves_all(subject: Subject) {
    let world = World::uncached(subject).await;
    for key in [&world.reader, &world.reader, &world.writer, &world.acme] {
        world.ask("/me", key).await.is_me(key);
    }
    assert_eq!(world.calls_and_tokens(), (4, 1));
}

pub async fn credentials_that_are_refused_are_internal_error(subject: Subject) {
    let faults = [
        oauth_error(401, "invalid_client"),
        oauth_error(404, "invalid_client"),
        oauth_error(400, "unauthorized_client"),
        oauth_error(403, "access_denied"),
        oauth_error(403, "invalid_scope"),
        oauth_error(400, "unsupported_grant_type"),
        Fault::status(404),
    ];
    are_answered(subject, faults, internal_error()).await;
}

pub async fn a_token_endpoint_that_fails_is_unavailable(subject: Subject) {
    let faults = [
        Fault::status(500),
        Fault::status(503),
        Fault::TooManyRequests { rate_limit_reset: Some(5), retry_after: None },
        Fault::Reset,
        Fault::Close,
        Fault::RawGarbage,
        Fault::Garbage,
        Fault::Empty,
        Fault::HugeBody(1_000_000),
    ];
    are_answered(subject, faults, unavailable()).await;
}

pub async fn a_200_without_a_token_is_unavailable(subject: Subject) {
    let bodies = [
        json!({}),
        json!({"access_token": null}),
        json!({"access_token": ""}),
        json!({"access_token": 5}),
        json!({"access_token": "two\nlines"}),
        json!({"error": "invalid_client"}),
    ];
    let faults = bodies.map(|body| Fault::Answer(ScriptedAnswer::json(200, &body)));
    are_answered(subject, faults, unavailable()).await;
}

pub async fn a_token_endpoint_that_hangs_is_unavailable_after_the_budget(subject: Subject) {
    let budget = Duration::from_millis(300);
    let world = World::with(subject, |builder| builder.verification_timeout(budget)).await;
    world.emulator.set_fault(Endpoint::Token, Some(Fault::Hang));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    assert_eq!(world.calls_and_tokens(), (0, 1));
}

pub async fn a_revoked_token_is_renewed_without_the_callers_notice(subject: Subject) {
    let world = World::uncached(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls_and_tokens(), (1, 1));
    world.emulator.revoke_tokens();
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls_and_tokens(), (2, 1), "one more token, and one more call");
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls_and_tokens(), (1, 0));
}

pub async fn a_token_that_lacks_its_scope_is_internal_error(subject: Subject) {
    let world = World::uncached(subject).await;
    world.emulator.deny_scope(true);
    world.ask("/me", &world.reader).await.is_denied(&internal_error());
    assert_eq!(world.calls_and_tokens(), (2, 2), "the service tries one new token");
    world.ask("/me", &world.reader).await.is_denied(&internal_error());
    let (calls, tokens) = world.calls_and_tokens();
    assert!(tokens == 0 && calls <= 2, "{calls} calls and {tokens} tokens, but the service must wait");
    world.emulator.deny_scope(false);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn a_401_or_403_that_persists_is_internal_error(subject: Subject) {
    for status in [401, 403] {
        let world = World::uncached(subject).await;
        world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(status)));
        world.ask("/me", &world.reader).await.is_denied(&internal_error());
        assert_eq!(world.calls_and_tokens(), (2, 2), "{status}");
        world.emulator.set_fault(Endpoint::Verify, None);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls_and_tokens(), (1, 0), "{status}");
    }
}

/// Answers for a key that seem to be about the service's token.
fn doubts() -> [Fault; 4] {
    let page = |status| Fault::Answer(ScriptedAnswer::new(status, "<html>A firewall</html>"));
    [Fault::status(401), Fault::status(403), page(401), page(403)]
}

pub async fn a_token_that_was_accepted_for_another_key_is_not_doubted(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder.cache_time_to_live(Duration::ZERO)).await;
    for fault in doubts() {
        let shown = format!("{fault:?}");
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.emulator.set_key_fault(&world.writer.secret, Some(fault));
        world.emulator.reset_counters();
        for _ in 0..5 {
            clock.advance(11 * SECOND);
            world.ask("/me", &world.writer).await.is_denied(&unavailable());
        }
        assert_eq!(world.calls_and_tokens(), (5, 0), "{shown}");
    }
    // After a minute the token may be the reason again, and the service fetches a new one.
    world.emulator.revoke_tokens();
    world.emulator.clear_key_faults();
    world.ask("/me", &world.writer).await.is_denied(&unavailable());
    assert_eq!(world.calls_and_tokens(), (1, 0));
    clock.advance(MINUTE + SECOND);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    assert_eq!(world.calls_and_tokens(), (2, 1));
}

pub async fn a_token_stays_in_use_until_its_successor_is_accepted(subject: Subject) {
    for fault in doubts() {
        let shown = format!("{fault:?}");
        let (world, clock) = timed(subject, |builder| builder.cache_time_to_live(Duration::ZERO)).await;
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.emulator.set_fault(Endpoint::Token, Some(Fault::status(503)));
        for round in 0..5 {
            // Long enough for the service to doubt the token.
            clock.advance(2 * MINUTE);
            world.emulator.set_key_fault(NOBODYS, Some(fault.clone()));
            let answer = world.send(get("/me").bearer(NOBODYS).note(&shown)).await;
            assert!(answer.response.status >= 500, "{round}: {answer}");
            world.ask("/me", &world.reader).await.is_me(&world.reader);
        }
        let tokens = world.emulator.counters().token_calls;
        assert!(tokens <= 1 + 5 * 4, "{shown}: {tokens}");
    }
}
