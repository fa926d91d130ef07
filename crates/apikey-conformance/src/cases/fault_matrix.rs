//! Tries every fault of Kinde's verify endpoint on a cold, a cached and an expired key.

use std::{sync::Arc, time::Duration};

use apikey_core::{AuthenticatorBuilder, ManualClock};
use serde_json::json;

use crate::steps::{all, until, until_let_in};
use crate::{
    adapter::Subject,
    client::{Answer, get},
    expected::*,
    key::Key,
    world::World,
};
use apikey_testkit::emulator::{Endpoint, Fault, Gate, KeySpecification, ScriptedAnswer};

/// How long a hang takes.
const BUDGET: Duration = Duration::from_millis(400);
const TTL: Duration = Duration::from_secs(300);
const FOR_EVER: Duration = Duration::from_secs(600);

/// What a fault means for a key, according to the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// The key is accepted.
    Good,
    /// Kinde refuses the key.
    Refused,
    /// Kinde asks for time. The flag says whether it names a moment within the budget, or none.
    Overload { is_soon_over: bool },
    /// There is no answer.
    Outage,
    /// The service is set up wrong.
    SetUp,
    /// Kinde refuses the service, also with a new token.
    ServiceRefused,
    /// The answer judges nothing, and proves only that this key gets it.
    Unjudged,
}

use Met::{Good, Outage, Refused, ServiceRefused, SetUp, Unjudged};

const BUSY: Met = Met::Overload { is_soon_over: true };
const BUSY_FOR_LONG: Met = Met::Overload { is_soon_over: false };

fn bytes(text: &str) -> Fault {
    Fault::RawAnswer(text.as_bytes().to_vec())
}

fn json(status: u16, body: serde_json::Value) -> Fault {
    Fault::Answer(ScriptedAnswer::json(status, &body))
}

fn page(status: u16) -> ScriptedAnswer {
    ScriptedAnswer::new(status, "<html>An error</html>")
}

fn errors(status: u16, codes: &[&str]) -> Fault {
    let errors: Vec<_> = codes.iter().map(|code| json!({"code": code, "message": "No"})).collect();
    json(status, json!({"errors": errors}))
}

fn rows() -> Vec<(Fault, Met)> {
    let limit = |rate_limit_reset, retry_after| Fault::TooManyRequests { rate_limit_reset, retry_after };
    let mut rows = vec![
        (Fault::Latency(Duration::from_millis(20)), Good),
        // Byte by byte.
        (Fault::SlowBody(Duration::ZERO), Good),
        (Fault::Latency(FOR_EVER), Outage),
        (Fault::Hold(Gate::new()), Outage),
        (Fault::Hang, Outage),
        (Fault::SlowBody(Duration::from_millis(50)), Outage),
        (Fault::StalledBody(page(200)), Outage),
        (Fault::Reset, Outage),
        (Fault::Close, Outage),
        (Fault::RawGarbage, Outage),
        (bytes("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"is_valid\":true"), Outage),
        (bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Outage),
        (bytes("HTTP/1.1 200 OK\r\nContent-Le"), Outage),
        (bytes("HTTP/1.1 100 Continue\r\n\r\n"), Outage),
        // If the status decides, the body does not matter, nor whether it ends.
        (Fault::StalledBody(page(503)), Outage),
        (Fault::Answer(ScriptedAnswer::new(503, vec![b'x'; 200_000])), Outage),
        (errors(500, &["API_KEY_INVALID"]), Outage),
        (errors(408, &["API_KEY_INVALID"]), Outage),
        (limit(None, None), BUSY),
        (limit(None, Some(1)), BUSY_FOR_LONG),
        (limit(Some(1), None), BUSY_FOR_LONG),
        // A number above an hour counts as none, and so does a text that is not a number.
        (limit(Some(u64::MAX), None), BUSY),
        (limit(None, Some(3_601)), BUSY),
        (Fault::Answer(page(429)), BUSY),
        (Fault::Answer(page(429).header("retry-after", "soon")), BUSY),
        (Fault::Answer(page(503).header("retry-after", "1")), BUSY_FOR_LONG),
        // Every answer says when the limit resets, so a 503 with this header is no overload.
        (Fault::Answer(page(503).header("ratelimit-reset", "1")), Outage),
        (Fault::StalledBody(page(429)), BUSY),
        (Fault::Redirect("https://example.com/".to_owned()), SetUp),
        (Fault::Redirect(String::new()), SetUp),
        (Fault::status(404), SetUp),
        (errors(400, &["ROUTE_NOT_FOUND"]), SetUp),
        (errors(403, &["SCOPE_MISSING"]), SetUp),
        (errors(403, &["API_KEY_INVALID", "SCOPE_MISSING"]), SetUp),
        (Fault::Garbage, Unjudged),
        (Fault::Empty, Unjudged),
        (Fault::HugeBody(1_000), Unjudged),
        (Fault::HugeBody(1_000_000), Unjudged),
        (json(200, json!({})), Unjudged),
        (json(200, json!([])), Unjudged),
        (json(200, json!({"is_valid": "true", "key_id": "k", "status": "active"})), Unjudged),
        (json(200, json!({"is_valid": true, "status": "active"})), Unjudged),
        (json(200, json!({"is_valid": true, "key_id": "k", "status": "active", "scopes": 5})), Unjudged),
        (json(204, json!(null)), Unjudged),
        // A firewall's page.
        (Fault::Answer(page(401)), Unjudged),
        (Fault::Answer(page(403)), Unjudged),
        (errors(404, &["NOT_FOUND"]), Unjudged),
        (errors(400, &["API_KEYS_QUOTA_EXCEEDED"]), Unjudged),
        (errors(400, &["API_KEY_INVALID", "REQUEST_INVALID"]), Unjudged),
        (errors(422, &["API_KEY_INVALID"]), Unjudged),
        (json(200, json!({"is_valid": false})), Refused),
        (errors(400, &["API_KEY_INVALID"]), Refused),
        (errors(403, &["invalid_key", "API_KEY_NOT_FOUND"]), Refused),
        (json(404, json!({"errors": {"code": "API_KEY_NOT_FOUND", "message": "No"}})), Refused),
    ];
    rows.extend([408, 421, 500, 501, 502, 503, 504, 520, 599].map(|status| (Fault::status(status), Outage)));
    rows.extend([302, 405].map(|status| (Fault::status(status), SetUp)));
    rows.extend([400, 402, 410, 413, 418, 425].map(|status| (Fault::status(status), Unjudged)));
    // Kinde accepted the same token for another key a moment ago, so the token is not the reason.
    rows.extend(refusals_of_the_service().map(|fault| (fault, Unjudged)));
    rows
}

/// Answers that seem to be about the service's own token.
fn refusals_of_the_service() -> [Fault; 5] {
    [
        Fault::status(401),
        Fault::status(403),
        errors(403, &["API_KEYS_NOT_ENABLED"]),
        errors(403, &["MISSING_SCOPE_READ_API_KEYS"]),
        errors(401, &["FORBIDDEN", "API_KEY_INACTIVE"]),
    ]
}

impl Met {
    async fn is_answered(self, world: &World, path: &str, key: &Key, row: &str) {
        let answer = world.send(get(path).key(key).note(row)).await;
        match self {
            Good => answer.is_me(key),
            Met::Overload { .. } | Outage | Unjudged => answer.is_denied(&unavailable()),
            SetUp | ServiceRefused => answer.is_denied(&internal_error()),
            Refused => answer.is_denied(&invalid_key()),
        }
    }

    /// Whether a stale answer may serve meanwhile.
    fn lets_a_stale_answer_serve(self) -> bool {
        matches!(self, Met::Overload { .. } | Outage | SetUp)
    }

    /// The most calls for one key, of three in all.
    fn most_calls(self, retries: bool) -> u64 {
        match self {
            // The second call tries a new token.
            ServiceRefused => 2,
            Outage | BUSY if retries => 3,
            _ => 1,
        }
    }
}

/// The state of a key before the fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Cold,
    Cached,
    Expired,
}

/// The settings with which all rows are tried.
#[derive(Clone, Copy)]
struct Trial {
    state: State,
    configure: fn(AuthenticatorBuilder) -> AuthenticatorBuilder,
    retries: bool,
    /// Whether a stale answer may serve, if there is one.
    extended: bool,
}

impl Trial {
    /// Tries all rows. Rows that take the whole budget run concurrently in worlds of their own, the others in one.
    async fn run(self, subject: Subject) {
        let (hanging, quick): (Vec<_>, Vec<_>) = rows().into_iter().partition(|(fault, met)| {
            let waits = matches!(
                fault,
                Fault::Latency(_) | Fault::Hold(_) | Fault::Hang | Fault::SlowBody(_) | Fault::StalledBody(_)
            );
            waits && *met == Outage
        });
        let mut worlds = vec![quick];
        worlds.extend(hanging.into_iter().map(|row| vec![row]));
        let known = worlds.into_iter().map(|rows| self.meet(subject, rows, true));
        // If no other key was judged lately, the token may be the reason, and the service tries a new one.
        let alone = refusals_of_the_service().into_iter().map(|fault| vec![(fault, ServiceRefused)]);
        let alone = alone.map(|rows| self.meet(subject, rows, false));
        all(known.chain(alone)).await;
    }

    /// `others` says whether another key is judged first.
    async fn meet(self, subject: Subject, rows: Vec<(Fault, Met)>, others: bool) {
        let clock = Arc::new(ManualClock::new());
        let world = World::timed(subject, &clock, |builder| {
            (self.configure)(builder.verification_timeout(BUDGET).cache_time_to_live(TTL))
        })
        .await;
        for (number, (fault, met)) in rows.into_iter().enumerate() {
            let row = format!("under {fault:?}");
            let key = world.create(KeySpecification::new(format!("row_{number}")).scopes(["read:users"]));
            if self.state != State::Cold {
                world.ask("/me", &key).await.is_me(&key);
            }
            if self.state == State::Expired {
                clock.advance(TTL);
            }
            if others {
                world.authenticator.remove(&world.admin.secret).expect("it is a key");
                until_good(&world, &clock, &world.admin, &row).await;
            }
            world.emulator.set_fault(Endpoint::Verify, Some(fault));
            let before = world.emulator.verify_calls_for(&key.secret);
            let expected = self.expected(met);
            expected.is_answered(&world, "/layered-twice", &key, &row).await;
            let calls = world.emulator.verify_calls_for(&key.secret) - before;
            let most = if self.state == State::Cached { 0 } else { met.most_calls(self.retries) };
            // A stale answer may have served before the call was made.
            let least = u64::from(most > 0 && !self.extended);
            assert!((least..=most).contains(&calls), "{calls} calls {row}");

            world.emulator.set_fault(Endpoint::Verify, None);
            recovered(&world, &clock, &key, &row).await;
        }
    }

    /// What a row means for a key in this state.
    fn expected(self, met: Met) -> Met {
        match self.state {
            State::Cached => Good,
            State::Expired if self.extended && met.lets_a_stale_answer_serve() => Good,
            State::Cold | State::Expired => met,
        }
    }
}

/// After the fault the key is good again, and cached.
async fn recovered(world: &World, clock: &ManualClock, key: &Key, row: &str) {
    world.emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    // Nothing waits longer than this: neither a key with an overload answer nor a circuit breaker.
    clock.advance(Duration::from_secs(30));
    until_good(world, clock, key, row).await;
    let calls = world.emulator.verify_calls_for(&key.secret);
    Good.is_answered(world, "/me", key, row).await;
    assert_eq!(world.emulator.verify_calls_for(&key.secret), calls, "it is not cached after {row}");
}

/// The service's own question, or its answer, may still be to come. If a stale answer served, its verification may
/// still be in flight.
async fn until_good(world: &World, clock: &ManualClock, key: &Key, row: &str) {
    let request = || get("/fresh").key(key).note(row);
    let is_let_in = |answer: &Answer| {
        clock.advance(Duration::from_secs(1));
        answer.response.status == 200
    };
    until("recovery", world, request, is_let_in).await;
}

const COLD: Trial =
    Trial { state: State::Cold, configure: |builder| builder, retries: false, extended: false };

pub async fn a_cold_key_meets_every_fault(subject: Subject) {
    COLD.run(subject).await;
}

pub async fn a_cold_key_meets_every_fault_with_retries_and_a_breaker(subject: Subject) {
    let configure = |builder: AuthenticatorBuilder| builder.retries(true).circuit_breaker(true);
    Trial { configure, retries: true, ..COLD }.run(subject).await;
}

pub async fn a_cached_key_notices_no_fault(subject: Subject) {
    Trial { state: State::Cached, ..COLD }.run(subject).await;
}

pub async fn an_expired_key_meets_every_fault(subject: Subject) {
    Trial { state: State::Expired, ..COLD }.run(subject).await;
}

pub async fn no_stale_answer_serves_against_an_answer_about_its_key(subject: Subject) {
    let configure = |builder: AuthenticatorBuilder| {
        builder.stale_if_error(FOR_EVER).stale_while_slow(Duration::from_millis(500))
    };
    Trial { state: State::Expired, configure, extended: true, ..COLD }.run(subject).await;
}

/// Faults of the token endpoint that make no caller wait, before the service has its first token.
pub async fn every_fault_of_the_token_endpoint_is_ours_and_passes(subject: Subject) {
    let oauth = |status, error: &str| Fault::Answer(ScriptedAnswer::json(status, &json!({"error": error})));
    let mut rows = vec![
        (Fault::Latency(Duration::from_millis(20)), Good),
        (Fault::Reset, Outage),
        (Fault::Close, Outage),
        (Fault::Garbage, Outage),
        (Fault::RawGarbage, Outage),
        (Fault::HugeBody(100_000), Outage),
        (Fault::Empty, Outage),
        (Fault::Redirect("/elsewhere".to_owned()), SetUp),
        (oauth(401, "invalid_client"), SetUp),
        (oauth(400, "invalid_grant"), SetUp),
        (oauth(403, "access_denied"), SetUp),
        (oauth(400, "nobody_knows_this"), Outage),
        (oauth(503, "invalid_client"), Outage),
    ];
    rows.extend([400, 401, 403, 408, 429, 500, 503].map(|status| (Fault::status(status), Outage)));
    rows.extend([404, 405].map(|status| (Fault::status(status), SetUp)));
    for (fault, met) in rows {
        let row = format!("under the token endpoint's {fault:?}");
        let world =
            World::with(subject, |builder| builder.verification_timeout(Duration::from_secs(4))).await;
        world.emulator.set_fault(Endpoint::Token, Some(fault));
        met.is_answered(&world, "/layered-twice", &world.writer, &row).await;
        assert_eq!(world.calls(), u64::from(met == Good), "{row}");
        world.emulator.set_fault(Endpoint::Token, None);
        until_let_in(&world, &world.writer).await;
    }
}
