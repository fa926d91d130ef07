//! Crowds with one cold key each. The emulator holds back the answer until the whole crowd waits for it, so it is known
//! who asked and who waited.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_testkit::emulator::Endpoint;
use apikey_testkit::raw::Connection;
use fastrand::Rng;

use super::client::{bearer, create, request};
use super::ledger::{Expected, Ledger};
use super::model::{ATTEMPTS, Key, Kind, Route};
use crate::world::{World, socket};

/// One request for each route waits for another one's verification, and fewer than so many further ones.
const FURTHER_FOLLOWERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);

/// The crowds' members have addresses of their own, which begin here.
const ADDRESSES: u32 = 1 << 23;

pub(super) struct Crowds {
    world: Arc<World>,
    random: Rng,
    next_address: u32,
    pub(super) ledger: Ledger,
}

impl Crowds {
    pub(super) fn new(world: &Arc<World>, random: Rng) -> Self {
        Self { world: Arc::clone(world), random, next_address: ADDRESSES, ledger: Ledger::default() }
    }

    /// One crowd for each kind of key, all at once.
    pub(super) async fn gather(&mut self) -> Result<(), String> {
        let keys: Vec<Key> =
            Kind::ALL.into_iter().map(|kind| create(&self.world, kind, &mut self.random)).collect();
        let gate = self.world.hold();
        let mut waiting = Vec::new();
        for key in &keys {
            let route = self.route();
            waiting.push((self.send(key, route).await?, key.kind.expected(route, "verified"), key));
        }
        self.verify_calls(keys.len() as u64).await?;
        let mut followers = Vec::new();
        for key in &keys {
            followers.extend(Route::ALL.map(|route| (key, route)));
            for _ in 0..self.random.usize(..FURTHER_FOLLOWERS) {
                followers.push((key, self.route()));
            }
        }
        self.random.shuffle(&mut followers);
        for (key, route) in &followers {
            let expected = key.kind.expected(*route, "coalesced");
            waiting.push((self.send(key, *route).await?, expected, key));
        }
        self.callers_wait(followers.len() as u64).await?;
        gate.open();
        for (mut connection, expected, key) in waiting {
            self.read(&mut connection, expected, key).await?;
        }
        self.world.emulator.set_fault(Endpoint::Verify, None);
        self.ledger.calls += keys.len() as u64;
        Ok(())
    }

    /// A client whose last attempt is under way when it presents another key, twice. That key has to wait. Once the
    /// attempt has counted, nobody may ask about the key. The request that would have asked is told of the limit. The
    /// other one makes no attempt, so its answer is that the key can't be verified now.
    pub(super) async fn reach_the_limit(&mut self) -> Result<(), String> {
        let address = self.address();
        let mut connection = Connection::connect(self.world.server.address).await.map_err(socket)?;
        for _ in 1..ATTEMPTS {
            let key = create(&self.world, Kind::Revoked, &mut self.random);
            let request = request(Route::Any, &[&bearer(&key)], address);
            connection.send(&request).await.map_err(socket)?;
            self.read(&mut connection, key.kind.expected(Route::Any, "verified"), &key).await?;
        }
        let [last, late] =
            [Kind::Unknown, Kind::Full].map(|kind| create(&self.world, kind, &mut self.random));
        let gate = self.world.hold();
        let mut asks = self.send_as(&last, Route::Any, address).await?;
        self.verify_calls(1).await?;
        let waiting = [
            self.send_as(&late, Route::Any, address).await?,
            self.send_as(&late, Route::Any, address).await?,
        ];
        // One of the two waits for the other one, so both are in the queue.
        self.callers_wait(1).await?;
        gate.open();
        self.read(&mut asks, last.kind.expected(Route::Any, "verified"), &last).await?;
        let mut answers = Vec::new();
        for mut connection in waiting {
            answers.push(connection.read_response(false).await.map_err(socket)?);
        }
        answers.sort_by_key(|answer| answer.status);
        let expected = [("RATE_LIMITED", "verified"), ("VERIFICATION_UNAVAILABLE", "coalesced")];
        for (answer, (code, source)) in answers.iter().zip(expected) {
            self.ledger.note(Expected::denied(code, source), false, answer, &late.key_id);
        }
        self.world.emulator.set_fault(Endpoint::Verify, None);
        self.ledger.calls += u64::from(ATTEMPTS);
        Ok(())
    }

    fn route(&mut self) -> Route {
        Route::ALL[self.random.usize(..Route::ALL.len())]
    }

    fn address(&mut self) -> u32 {
        self.next_address += 1;
        self.next_address
    }

    async fn send(&mut self, key: &Key, route: Route) -> Result<Connection, String> {
        let address = self.address();
        self.send_as(key, route, address).await
    }

    async fn send_as(&self, key: &Key, route: Route, address: u32) -> Result<Connection, String> {
        let mut connection = Connection::connect(self.world.server.address).await.map_err(socket)?;
        connection.send(&request(route, &[&bearer(key)], address)).await.map_err(socket)?;
        Ok(connection)
    }

    async fn read(
        &mut self,
        connection: &mut Connection,
        expected: Expected,
        key: &Key,
    ) -> Result<(), String> {
        let answer = connection.read_response(false).await.map_err(socket)?;
        self.ledger.note(expected, false, &answer, &key.key_id);
        Ok(())
    }

    /// Waits until the emulator holds back this many answers.
    async fn verify_calls(&self, count: u64) -> Result<(), String> {
        let held = self.world.emulator.wait_until(|counters| counters.verifications_in_flight == count);
        let held = tokio::time::timeout(PATIENCE, held).await;
        held.map(drop).map_err(|_| format!("Kinde was not asked {count} times"))
    }

    /// Waits until this many requests wait for another one's verification.
    async fn callers_wait(&self, count: u64) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let waiting = self.world.server.keys.statistics().total("apikey.callers.waiting", &[]);
            if waiting == count {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{waiting} callers wait, and not {count}"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
