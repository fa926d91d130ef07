//! The traffic: requests to every instance, changes in Kinde, and removals.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use apikey_testkit::emulator::Emulator;
use apikey_testkit::raw::{self, Connection};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::now;
use crate::history::{Event, version_scope};
use crate::instance::{History, Instance, note};

/// How many connections an instance has.
const CONNECTIONS: u32 = 4;
/// One request of this many presents a key that was never issued.
const MADE_UP_ONE_IN: u32 = 200;
/// One change of this many revokes a key. The next change makes it active again.
const REVOKED_ONE_IN: u32 = 6;

/// How much of what.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    /// How many keys there are.
    pub(crate) keys: usize,
    /// Requests in a second, to each instance.
    pub(crate) rate: u32,
    /// Whether keys are presented that were never issued.
    pub(crate) made_up: bool,
    /// A key is changed and removed once in this time.
    pub(crate) change_every: Duration,
    /// The instances that are told to remove keys.
    pub(crate) removers: Vec<usize>,
}

impl Default for Traffic {
    fn default() -> Self {
        let (change_every, removers) = (Duration::from_millis(100), vec![0, 1, 2]);
        Self { keys: 50, rate: 200, made_up: true, change_every, removers }
    }
}

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) answered: AtomicU64,
    /// Requests without an answer.
    pub(crate) lost: AtomicU64,
}

/// A key that Kinde has issued.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) organization: String,
    pub(crate) user: String,
}

/// What the traffic is with.
pub(crate) struct Parties {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) instances: Vec<Arc<Mutex<Instance>>>,
    pub(crate) keys: Arc<Vec<Key>>,
    pub(crate) history: History,
    pub(crate) answers: Arc<Answers>,
}

/// Runs until the result is dropped.
pub(crate) fn start(parties: Parties, traffic: &Traffic) -> JoinSet<()> {
    let Parties { emulator, instances, keys, history, answers } = parties;
    let mut senders = JoinSet::new();
    for instance in &instances {
        let Ok(api) = instance.try_lock().map(|instance| Arc::clone(&instance.api)) else { continue };
        for _ in 0..CONNECTIONS {
            let client = Client {
                api: Arc::clone(&api),
                keys: Arc::clone(&keys),
                answers: Arc::clone(&answers),
                made_up: traffic.made_up,
            };
            senders.spawn(client.send(Duration::from_secs(1) * CONNECTIONS / traffic.rate));
        }
    }
    let director = Director {
        emulator,
        keys,
        instances,
        history,
        removers: traffic.removers.clone(),
        versions: vec![(1, true); traffic.keys],
    };
    senders.spawn(director.change(traffic.change_every));
    senders
}

struct Client {
    api: Arc<AtomicU16>,
    keys: Arc<Vec<Key>>,
    answers: Arc<Answers>,
    made_up: bool,
}

impl Client {
    async fn send(self, pause: Duration) {
        sleep(pause.mul_f64(fastrand::f64())).await;
        let mut pauses = interval(pause);
        pauses.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut connection = None;
        loop {
            pauses.tick().await;
            let answered = self.request(&mut connection).await;
            let count = if answered.is_some() { &self.answers.answered } else { &self.answers.lost };
            count.fetch_add(1, Ordering::Relaxed);
            if answered.is_none() {
                connection = None;
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn request(&self, connection: &mut Option<Connection>) -> Option<u16> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.api.load(Ordering::SeqCst)));
        if connection.is_none() {
            *connection = Some(Connection::connect(address).await.ok()?);
        }
        let connection = connection.as_mut()?;
        let request = if self.made_up && fastrand::u32(..MADE_UP_ONE_IN) == 0 {
            made_up_key()
        } else {
            let Key { id, secret, .. } = &self.keys[fastrand::usize(..self.keys.len())];
            present(secret, id)
        };
        connection.send(&request).await.ok()?;
        Some(connection.read_response(false).await.ok()?.status)
    }
}

/// The instance notes the id of a request, so that the checker knows which key a refused request has presented.
fn present(secret: &str, id: &str) -> Vec<u8> {
    raw::get("/api/me", &[("Authorization", &format!("Bearer {secret}")), ("x-request-id", id)])
}

/// A request with a key that was never issued.
pub(crate) fn made_up_key() -> Vec<u8> {
    let secret: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
    raw::get("/api/me", &[("Authorization", &format!("Bearer k_live_{secret}"))])
}

/// Changes keys in Kinde, and removes them from the fleet.
struct Director {
    emulator: Arc<Emulator>,
    keys: Arc<Vec<Key>>,
    instances: Vec<Arc<Mutex<Instance>>>,
    history: History,
    removers: Vec<usize>,
    /// The version of each key, and whether it is active.
    versions: Vec<(u64, bool)>,
}

impl Director {
    async fn change(mut self, every: Duration) {
        let mut pauses = interval(every);
        pauses.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            pauses.tick().await;
            self.change_one().await;
        }
    }

    async fn change_one(&mut self) {
        let number = fastrand::usize(..self.keys.len());
        let key = &self.keys[number];
        let (version, is_active) = &mut self.versions[number];
        *version += 1;
        let revoke = *is_active && fastrand::u32(..REVOKED_ONE_IN) == 0;
        *is_active = !revoke;
        if revoke {
            self.emulator.revoke(&key.id);
        } else {
            let scopes = vec!["read:users".to_owned(), version_scope(*version)];
            self.emulator.set_scopes(&key.id, Some(scopes));
            self.emulator.set_status(&key.id, "active");
        }
        note(&self.history, Event::Changed { at: now(), key: key.id.clone(), version: *version });
        // One that is asked something else, or starts anew, is left out. It does not take commands.
        let first = fastrand::usize(..self.removers.len());
        let others = self.removers[first..].iter().chain(&self.removers[..first]);
        for remover in others {
            if let Ok(mut instance) = self.instances[*remover].try_lock()
                && instance.remove(&key.id, *version).await.is_ok()
            {
                return;
            }
        }
    }
}
