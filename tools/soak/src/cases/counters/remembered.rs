//! Failures that callers get without a call: the circuit breaker is open, or this service is known to be set up wrong.
//! Its health checks decide when, so the emulator says for each key whether Kinde was asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_core::Clock;
use apikey_testkit::emulator::{Endpoint, Fault};
use apikey_testkit::raw::Connection;
use fastrand::Rng;

use super::client::{bearer, create, request};
use super::ledger::{Counts, Expected, Ledger, counted};
use super::model::{Key, Kind, Route};
use super::{STEP, start};
use crate::world::{ShiftedClock, World, socket};

/// How many keys are presented during each failure.
const KEYS: usize = 40;
/// The service suspects Kinde when half of the last 20 outcomes are bad.
const OUTCOMES: usize = 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// One client that presents keys, one after another.
struct Presenter {
    world: World,
    connection: Connection,
    random: Rng,
    ledger: Ledger,
}

/// What the client read, and what was counted.
pub(super) async fn failures(random: Rng) -> Result<(Ledger, Counts), String> {
    let clock = Arc::new(ShiftedClock::default());
    let world = start(Arc::clone(&clock) as Arc<dyn Clock>, true).await?;
    let connection = Connection::connect(world.server.address).await.map_err(socket)?;
    let mut client = Presenter { world, connection, random, ledger: Ledger::default() };

    let known: Vec<Key> = (0..KEYS).map(|_| create(&client.world, Kind::Full, &mut client.random)).collect();
    for key in &known {
        client.present(key, key.kind.expected(Route::Any, "verified")).await?;
    }

    client.world.emulator.deny_scope(true);
    let (began, mut without_a_call) = (Instant::now(), 0);
    while without_a_call < KEYS && began.elapsed() < PATIENCE {
        without_a_call += usize::from(!client.present_a_cold_key("INTERNAL_ERROR").await?);
    }
    client.world.emulator.deny_scope(false);

    // The known keys are stale from here on.
    clock.shift(STEP);
    client.world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
    for _ in 0..OUTCOMES {
        client.present_a_cold_key("VERIFICATION_UNAVAILABLE").await?;
    }
    client.wait_for_the_breaker().await?;
    for key in &known {
        client.present_a_cold_key("VERIFICATION_UNAVAILABLE").await?;
        client.present(key, key.kind.expected(Route::Any, "stale")).await?;
    }
    let counts = counted(&client.world.server.keys.statistics());
    Ok((client.ledger, counts))
}

impl Presenter {
    async fn present(&mut self, key: &Key, expected: Expected) -> Result<(), String> {
        self.answer(key, |_| expected).await.map(drop)
    }

    /// Presents a key that nobody knows, and expects this denial. Returns whether Kinde was asked.
    async fn present_a_cold_key(&mut self, code: &'static str) -> Result<bool, String> {
        let key = create(&self.world, Kind::Full, &mut self.random);
        self.answer(&key, |is_asked| Expected::denied(code, if is_asked { "verified" } else { "" })).await
    }

    async fn answer(&mut self, key: &Key, expected: impl FnOnce(bool) -> Expected) -> Result<bool, String> {
        self.connection.send(&request(Route::Any, &[&bearer(key)], 1)).await.map_err(socket)?;
        let answer = self.connection.read_response(false).await.map_err(socket)?;
        let is_asked = self.world.emulator.verify_calls_for(&key.secret) > 0;
        self.ledger.note(expected(is_asked), false, &answer, &key.key_id);
        Ok(is_asked)
    }

    /// No request is under way meanwhile, so none is overtaken by the breaker.
    async fn wait_for_the_breaker(&self) -> Result<(), String> {
        let began = Instant::now();
        while self.world.server.keys.statistics().total("apikey.breaker.state", &[("state", "open")]) == 0 {
            if began.elapsed() > PATIENCE {
                return Err("the circuit breaker does not open".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}
