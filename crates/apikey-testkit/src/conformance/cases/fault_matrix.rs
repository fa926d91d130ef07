//! Every fault of Kinde's verify endpoint, met by every kind of key.

use std::{
    future::{Future as _, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use apikey_core::{AuthenticatorBuilder, ManualClock};
use serde_json::json;

use crate::conformance::{
    adapter::Subject,
    client::get,
    expected::*,
    world::{Key, World},
};
use crate::emulator::{Endpoint, Fault, Gate, KeySpecification, ScriptedAnswer};

/// What a hang costs.
const BUDGET: Duration = Duration::from_millis(400);
const TTL: Duration = Duration::from_secs(300);
const FOR_EVER: Duration = Duration::from_secs(600);

/// What a fault makes of a key that nobody knows yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// The key is let in.
    Good,
    /// The key was not judged, and may be good.
    Unavailable,
    /// The service is set up wrong, as far as anybody can tell.
    Internal,
    /// Kinde spoke of the key, and refused it.
    Refused,
}

use Met::{Good, Internal, Refused, Unavailable};

fn rows() -> Vec<(Fault, Met)> {
    let bytes = |text: &str| Fault::RawAnswer(text.as_bytes().to_vec());
    let json = |status, body| Fault::Answer(ScriptedAnswer::json(status, &body));
    let limit = |rate_limit_reset, retry_after| Fault::TooManyRequests { rate_limit_reset, retry_after };
    let page = |status| Fault::Status { status, body: "<html>An error</html>".to_owned() };
    let mut rows = vec![
        (Fault::Latency(Duration::from_millis(20)), Good),
        // Byte by byte.
        (Fault::SlowBody(Duration::ZERO), Good),
        (Fault::Latency(FOR_EVER), Unavailable),
        (Fault::Hold(Gate::new()), Unavailable),
        (Fault::Hang, Unavailable),
        (Fault::SlowBody(Duration::from_millis(50)), Unavailable),
        (Fault::Reset, Unavailable),
        (Fault::Close, Unavailable),
        (Fault::Garbage, Unavailable),
        (Fault::RawGarbage, Unavailable),
        (bytes("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"is_valid\":true"), Unavailable),
        (bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Unavailable),
        (bytes("HTTP/1.1 200 OK\r\nContent-Le"), Unavailable),
        (bytes("HTTP/1.1 100 Continue\r\n\r\n"), Unavailable),
        (Fault::HugeBody(1_000), Unavailable),
        (Fault::HugeBody(1_000_000), Unavailable),
        (Fault::Empty, Unavailable),
        (limit(None, None), Unavailable),
        (limit(Some(1), None), Unavailable),
        (limit(None, Some(1)), Unavailable),
        (limit(Some(u64::MAX), Some(0)), Unavailable),
        (page(502), Unavailable),
        (page(429), Unavailable),
        (page(403), Internal),
        (Fault::Redirect("https://example.com/".to_owned()), Internal),
        (Fault::Redirect(String::new()), Internal),
        (json(200, json!({})), Unavailable),
        (json(200, json!([])), Unavailable),
        (json(200, json!({"is_valid": "true", "key_id": "k", "status": "active"})), Unavailable),
        (json(200, json!({"is_valid": true, "status": "active"})), Unavailable),
        (json(204, json!(null)), Unavailable),
        (json(200, json!({"is_valid": false})), Refused),
        (json(400, json!({"errors": [{"code": "API_KEY_INVALID", "message": "No"}]})), Refused),
        (json(404, json!({"errors": {"code": "API_KEY_NOT_FOUND", "message": "No"}})), Refused),
        // A 5xx that speaks of the key is a 5xx.
        (json(500, json!({"errors": [{"code": "API_KEY_INVALID", "message": "No"}]})), Unavailable),
    ];
    let unavailable = [400, 408, 425, 429, 500, 501, 502, 503, 504, 520, 599];
    rows.extend(unavailable.map(|status| (Fault::status(status), Unavailable)));
    rows.extend([401, 403, 404, 405, 410, 413, 418].map(|status| (Fault::status(status), Internal)));
    rows
}

impl Met {
    async fn is_answered(self, world: &World, path: &str, key: &Key, row: &str) {
        let answer = world.send(get(path).key(key).note(row)).await;
        match self {
            Good => answer.is_me(key),
            Unavailable => answer.is_denied(&unavailable()),
            Internal => answer.is_denied(&internal_error()),
            Refused => answer.is_denied(&invalid_key()),
        }
    }
}

/// The state of a key when the fault meets it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Cold,
    Cached,
    Expired,
}

/// How the rows are met.
#[derive(Clone, Copy)]
struct Trial {
    state: State,
    configure: fn(AuthenticatorBuilder) -> AuthenticatorBuilder,
    /// What comes of a row on a key in this state.
    expected: fn(Met) -> Met,
    most_calls: u64,
}

impl Trial {
    /// All rows: those that cost the whole budget side by side in worlds of their own, the others in one.
    async fn run(self, subject: Subject) {
        let (hanging, quick): (Vec<_>, Vec<_>) = rows().into_iter().partition(|(fault, met)| {
            let waits =
                matches!(fault, Fault::Latency(_) | Fault::Hold(_) | Fault::Hang | Fault::SlowBody(_));
            waits && *met == Unavailable
        });
        let mut worlds = vec![quick];
        worlds.extend(hanging.into_iter().map(|row| vec![row]));
        let mut running: Vec<_> = worlds.into_iter().map(|rows| Box::pin(self.meet(subject, rows))).collect();
        poll_fn(|context| {
            running.retain_mut(|world| world.as_mut().poll(context).is_pending());
            if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn meet(self, subject: Subject, rows: Vec<(Fault, Met)>) {
        let Self { state, configure, expected, most_calls } = self;
        let clock = Arc::new(ManualClock::new());
        let world = World::with(subject, |builder| {
            configure(builder.verification_timeout(BUDGET).cache_time_to_live(TTL).clock(clock.clone()))
        })
        .await;
        for (number, (fault, met)) in rows.into_iter().enumerate() {
            let row = format!("under {fault:?}");
            let key = world.create(KeySpecification::new(format!("row_{number}")).scopes(["read:users"]));
            if state != State::Cold {
                world.ask("/me", &key).await.is_me(&key);
            }
            if state == State::Expired {
                clock.advance(TTL);
            }
            world.emulator.set_fault(Endpoint::Verify, Some(fault));
            world.calls();
            expected(met).is_answered(&world, "/layered-twice", &key, &row).await;
            let calls = world.calls();
            let least = u64::from(state != State::Cached);
            // A 401 or 403 speaks first of the token, which is renewed and tried again.
            let most = if met == Internal { most_calls.max(2 * least) } else { most_calls };
            assert!((least..=most).contains(&calls), "{calls} calls {row}");

            world.emulator.set_fault(Endpoint::Verify, None);
            recovered(&world, &clock, &key, &row, expected(met)).await;
        }
    }
}

/// After the fault the key is good again, and cached.
async fn recovered(world: &World, clock: &ManualClock, key: &Key, row: &str, met: Met) {
    world.emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    // A circuit breaker waits that long at most.
    clock.advance(Duration::from_secs(30));
    // Where an older answer served, its verification may have yet to land.
    let mut rounds = 0;
    while world.ask("/fresh", key).await.response.status != 200 {
        rounds += 1;
        assert!(met == Good && rounds < 1_000, "no recovery after it was {met:?} {row}");
    }
    world.calls();
    Good.is_answered(world, "/me", key, row).await;
    assert_eq!(world.calls(), 0, "it is not cached after it was {met:?} {row}");
}

const COLD: Trial =
    Trial { state: State::Cold, configure: |builder| builder, expected: |met| met, most_calls: 1 };

pub async fn a_cold_key_meets_every_fault(subject: Subject) {
    COLD.run(subject).await;
}

pub async fn a_cold_key_meets_every_fault_with_retries_and_a_circuit_breaker(subject: Subject) {
    let configure = |builder: AuthenticatorBuilder| builder.retries(true).circuit_breaker(true);
    Trial { configure, most_calls: 3, ..COLD }.run(subject).await;
}

pub async fn a_cached_key_notices_no_fault(subject: Subject) {
    Trial { state: State::Cached, expected: |_| Good, most_calls: 0, ..COLD }.run(subject).await;
}

pub async fn an_expired_key_meets_every_fault(subject: Subject) {
    Trial { state: State::Expired, ..COLD }.run(subject).await;
}

pub async fn an_expired_key_with_an_older_answer_notices_refusals_alone(subject: Subject) {
    let configure = |builder: AuthenticatorBuilder| {
        builder.stale_if_error(FOR_EVER).stale_while_slow(Duration::from_millis(50))
    };
    let expected = |met| if met == Refused { Refused } else { Good };
    Trial { state: State::Expired, configure, expected, ..COLD }.run(subject).await;
}

/// Faults of the token endpoint at which nobody has to wait, while the token that everybody used is refused.
pub async fn every_fault_of_the_token_endpoint_is_ours_and_passes(subject: Subject) {
    let world = World::with(subject, |builder| builder.verification_timeout(Duration::from_secs(4))).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    let oauth = |status, error: &str| Fault::Answer(ScriptedAnswer::json(status, &json!({"error": error})));
    let mut rows = vec![
        (Fault::Latency(Duration::from_millis(20)), Good),
        (Fault::Reset, Unavailable),
        (Fault::Close, Unavailable),
        (Fault::Garbage, Unavailable),
        (Fault::RawGarbage, Unavailable),
        (Fault::HugeBody(100_000), Unavailable),
        (Fault::Empty, Unavailable),
        (Fault::Redirect("/elsewhere".to_owned()), Internal),
        (oauth(401, "invalid_client"), Internal),
        (oauth(400, "invalid_grant"), Internal),
        (oauth(403, "access_denied"), Internal),
        (oauth(400, "nobody_knows_this"), Unavailable),
        (oauth(503, "invalid_client"), Unavailable),
    ];
    rows.extend([400, 401, 403, 408, 429, 500, 503].map(|status| (Fault::status(status), Unavailable)));
    rows.extend([404, 405].map(|status| (Fault::status(status), Internal)));
    for (fault, met) in rows {
        let row = format!("under the token endpoint's {fault:?}");
        world.emulator.revoke_tokens();
        world.emulator.set_fault(Endpoint::Token, Some(fault));
        world.calls();
        met.is_answered(&world, "/layered-twice", &world.writer, &row).await;
        let calls = world.calls();
        assert!((1..=2).contains(&calls), "{calls} calls {row}");
        Good.is_answered(&world, "/me", &world.admin, &row).await;
        world.emulator.set_fault(Endpoint::Token, None);
        Good.is_answered(&world, "/me", &world.writer, &row).await;
        world.authenticator.remove(&world.writer.secret).expect("it is a key");
    }
}
