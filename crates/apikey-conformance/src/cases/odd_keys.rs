//! Keys that get odd answers from Kinde, and a client that repeats them: other clients notice nothing.

use std::cell::Cell;
use std::time::Duration;

use apikey_core::AttemptLimit;
use serde_json::json;
use tokio::time::sleep;

use crate::steps::{MINUTE, SECOND, STALE, TTL, all, timed};
use crate::{
    adapter::Subject,
    client::{SEVERAL_CLIENTS, get},
    expected::*,
    world::World,
};
use apikey_testkit::emulator::{Fault, ScriptedAnswer};

const ODD: &str = "k_live_odd_";
/// The limit of the odd client. Ten times as many attempts may come back to it.
const LIMIT: u64 = 5;
const GOOD: usize = 60;
/// How often the odd client asks, and how often another client comes.
const PACE: Duration = Duration::from_millis(20);

/// Answers for a key that only the limit of attempts ends.
fn odd_answers() -> Vec<Fault> {
    let answer = |status, body| Fault::Answer(ScriptedAnswer::json(status, &body));
    vec![
        Fault::status(400),
        Fault::status(404),
        answer(404, json!({"errors": {"code": "NOT_FOUND", "message": "No"}})),
        Fault::status(500),
        Fault::status(503),
        Fault::status(401),
        Fault::Answer(ScriptedAnswer::new(401, "")),
        answer(200, json!({})),
        answer(200, json!({"is_valid": true, "status": "active"})),
        Fault::Reset,
    ]
}

/// Answers that make the key itself wait, so repeating it costs nothing.
fn odd_waits() -> Vec<Fault> {
    vec![
        Fault::Answer(ScriptedAnswer::new(503, "").header("retry-after", "3600")),
        Fault::TooManyRequests { rate_limit_reset: None, retry_after: None },
        Fault::TooManyRequests { rate_limit_reset: Some(3_600), retry_after: None },
    ]
}

/// The odd behaviour of one client.
#[derive(Clone, Copy)]
struct Oddity {
    keys: usize,
    limit: AttemptLimit,
    /// Whether the limit of attempts ends it.
    ends: bool,
}

impl Oddity {
    fn of(keys: usize) -> Self {
        Self { keys, limit: AttemptLimit::new(LIMIT as u32, 15 * MINUTE), ends: true }
    }

    /// Client 1 repeats its odd keys. Meanwhile others come with good keys.
    async fn harms_nobody(self, subject: Subject, fault: Fault) {
        let row = format!("under {fault:?}");
        let world = World::protected(subject, |builder| {
            // So short that a key in use is renewed several times.
            builder.attempt_limit(self.limit).cache_time_to_live(SECOND)
        })
        .await;
        world.emulator.set_prefix_fault(ODD, Some(fault));
        let odd: Vec<String> = (0..self.keys).map(|number| format!("{ODD}{number}")).collect();
        let good = world.create_many("good", GOOD);
        world.ask_as(2, &world.reader).await.is_me(&world.reader);
        let is_over = Cell::new(false);
        let come = async {
            for (key, client) in good.iter().zip((2..6).cycle()) {
                let request = get("/me").key(key).note(&row);
                let (answer, took) = world.start_as(client, request).await.answer_and_time().await;
                answer.is_me(key);
                assert!(
                    took < Duration::from_secs(3),
                    "a good key took the whole budget, {took:?}: {answer}"
                );
                sleep(PACE).await;
            }
            is_over.set(true);
        };
        let stay = async {
            while !is_over.get() {
                let request = get("/me").key(&world.reader).note(&row);
                world.start_as(6, request).await.answer().await.is_me(&world.reader);
                sleep(PACE).await;
            }
        };
        tokio::join!(self.repeat(&world, &odd, &is_over), come, stay);
        let renewed = world.emulator.verify_calls_for(&world.reader.secret);
        assert!(renewed >= 2, "a key in use is not renewed {row}");
        self.ends(&world, &odd, &row).await;
    }

    /// Sends the odd keys in turn, without waiting for answers.
    async fn repeat(self, world: &World, odd: &[String], is_over: &Cell<bool>) {
        let mut secrets = odd.iter().cycle();
        let burst = self.keys.min(usize::from(!self.ends) * self.keys);
        for secret in secrets.by_ref().take(burst) {
            world.start_as(1, get("/me").bearer(secret)).await;
        }
        while let (false, Some(secret)) = (is_over.get(), secrets.next()) {
            world.start_as(1, get("/me").bearer(secret)).await;
            sleep(PACE / 2).await;
        }
    }

    /// The odd client is limited in the end, and has cost at most this many calls.
    async fn ends(self, world: &World, odd: &[String], row: &str) {
        let request = |secret: &str| get("/me").bearer(secret).note(row);
        if self.ends {
            let mut rounds = 0;
            for secret in odd.iter().cycle() {
                let answer = world.start_as(1, request(secret)).await.answer().await;
                if answer.response.status == 429 {
                    break;
                }
                rounds += 1;
                assert!(rounds < 12 * LIMIT, "the client is never limited: {answer}");
            }
        }
        let calls: u64 = odd.iter().map(|secret| world.emulator.verify_calls_for(secret)).sum();
        // Each attempt is tried at most three times.
        let most = if self.ends { 3 * 11 * LIMIT } else { 3 * self.limit.attempts() as u64 };
        assert!(calls <= most, "{calls} calls {row}");
    }
}

/// Runs several worlds concurrently.
async fn none_harms(subject: Subject, oddity: Oddity, faults: Vec<Fault>) {
    if !SEVERAL_CLIENTS {
        return;
    }
    for some in faults.chunks(5) {
        all(some.iter().map(|fault| oddity.harms_nobody(subject, fault.clone()))).await;
    }
}

pub async fn one_odd_key_harms_nobody_else_and_its_client_is_limited(subject: Subject) {
    none_harms(subject, Oddity::of(1), odd_answers()).await;
}

pub async fn fifty_odd_keys_of_one_client_harm_nobody_else(subject: Subject) {
    none_harms(subject, Oddity::of(50), odd_answers()).await;
}

pub async fn keys_that_must_wait_harm_nobody_else_and_cost_no_calls(subject: Subject) {
    for keys in [1, 50] {
        let limit = AttemptLimit::default();
        none_harms(subject, Oddity { keys, limit, ends: false }, odd_waits()).await;
    }
}

pub async fn keys_that_are_never_answered_harm_nobody_else(subject: Subject) {
    let limit = AttemptLimit::default();
    let oddity = |keys| Oddity { keys, limit, ends: false };
    if SEVERAL_CLIENTS {
        all([1, 50].map(|keys| oddity(keys).harms_nobody(subject, Fault::Hang))).await;
    }
}

/// What Kinde may answer for a revoked key, and the denial for its caller.
fn ends_of_a_key() -> Vec<(Fault, Denied)> {
    let error = |status, code: &str| {
        Fault::Answer(ScriptedAnswer::json(status, &json!({"errors": [{"code": code, "message": "No"}]})))
    };
    let revoked = json!({"is_valid": false, "key_id": "api_key_reader", "status": "revoked"});
    vec![
        (Fault::Answer(ScriptedAnswer::json(200, &revoked)), key_revoked()),
        (error(401, "KEY_REVOKED"), key_revoked()),
        (error(400, "INVALID_KEY"), invalid_key()),
        (error(404, "NOT_FOUND"), unavailable()),
    ]
}

pub async fn a_revoked_key_stays_out_whatever_its_client_does_besides(subject: Subject) {
    let floods = [Fault::status(500), Fault::Garbage, Fault::Reset, odd_waits().remove(1)];
    let worlds = floods.into_iter().zip(ends_of_a_key());
    all(worlds.map(|(flood, (end, denied))| async move {
        let row = format!("under {flood:?}, {end:?}");
        let (world, clock) = timed(subject, |builder| {
            builder
                .stale_if_error(STALE)
                .circuit_breaker(true)
                .retries(true)
                .refresh_ahead(true)
                .attempt_limit(AttemptLimit::default())
        })
        .await;
        for key in [&world.reader, &world.writer] {
            world.ask("/me", key).await.is_me(key);
        }
        world.emulator.set_prefix_fault(ODD, Some(flood));
        // Nothing waits for these answers, which may take the whole budget.
        let flood = async |number: usize| {
            let request = get("/me").bearer(&format!("{ODD}{number}")).note(&row);
            drop(world.start_as(1, request).await);
        };
        clock.advance(TTL);
        world.emulator.set_key_fault(&world.reader.secret, Some(end));
        for number in 0..20 {
            flood(number).await;
        }
        world.settle().await;
        let ask = async |client, key| {
            let request = get("/me").key(key).note(&row);
            world.start_as(client, request).await.answer().await
        };
        for round in 0..20 {
            // Its client may have filled its own share. It is never accepted.
            let status = ask(1, &world.reader).await.response.status;
            assert!([401, 429, 503].contains(&status), "{status} {row}");
            if SEVERAL_CLIENTS {
                ask(2, &world.reader).await.is_denied(&denied);
                // Other clients notice nothing.
                ask(2, &world.writer).await.is_me(&world.writer);
            }
            clock.advance(SECOND);
            flood(20 + round).await;
        }
        assert!(world.emulator.verify_calls_for(&world.reader.secret) >= 2, "Kinde was asked {row}");
    }))
    .await;
}
