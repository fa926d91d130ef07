//! One client. It waits for each answer, and has keys and addresses of its own, so it knows what each answer must be.

use std::sync::Arc;

use apikey_testkit::emulator::{KeySpecification, ScriptedAnswer};
use apikey_testkit::raw::{self, Connection, RawResponse};
use fastrand::Rng;
use serde_json::json;

use super::ledger::{Expected, Ledger, Outcome};
use super::model::{ATTEMPTS, Key, Kind, Phase, Route};
use super::{ORGANIZATION, SCOPE};
use crate::world::{World, socket};

/// How many requests a client sends in a phase. It is less than ten times its attempts, because no more of those that
/// judge nothing are given back.
pub(super) const REQUESTS: usize = 50;
const _: () = assert!(REQUESTS < 10 * ATTEMPTS as usize);
/// How many of its latest keys a client presents again.
const KEYS: usize = 40;

pub(super) struct Client {
    world: Arc<World>,
    random: Rng,
    connection: Connection,
    keys: Vec<Key>,
    /// Its first address has this number, and its next one is `step` further.
    address: u32,
    step: u32,
    /// How many keys of this address were refused in this phase.
    refused: u32,
    pub(super) ledger: Ledger,
}

impl Client {
    /// The client with this number, of `count` clients.
    pub(super) async fn connect(
        world: &Arc<World>,
        random: Rng,
        number: u32,
        count: u32,
    ) -> Result<Self, String> {
        Ok(Self {
            world: Arc::clone(world),
            random,
            connection: Connection::connect(world.server.address).await.map_err(socket)?,
            keys: Vec::new(),
            address: number,
            step: count,
            refused: 0,
            ledger: Ledger::default(),
        })
    }

    /// Sends its requests of one phase, one after another.
    pub(super) async fn act(mut self, phase: Phase) -> Result<Self, String> {
        self.change_address();
        for _ in 0..REQUESTS {
            if self.refused >= ATTEMPTS && self.random.u8(..6) == 0 {
                self.change_address();
            }
            let route = Route::ALL[self.random.usize(..Route::ALL.len())];
            if self.random.u8(..8) == 0 {
                self.present_no_key(route).await?;
            } else {
                self.present_a_key(route, phase).await?;
            }
        }
        Ok(self)
    }

    fn change_address(&mut self) {
        self.address += self.step;
        self.refused = 0;
    }

    async fn present_no_key(&mut self, route: Route) -> Result<(), String> {
        let key = "Bearer k_live_some_key";
        let (values, code): (&[&str], _) = match self.random.u8(..3) {
            0 => (&[], "MISSING_KEY"),
            1 => (&["Bearer two words"], "INVALID_FORMAT"),
            _ => (&[key, key], "MULTIPLE_KEYS"),
        };
        let outcome = match route {
            Route::Optional if values.is_empty() => Outcome::Anonymous,
            _ => Outcome::Denied(code),
        };
        let answer = self.send(&request(route, values, self.address)).await?;
        self.ledger.note(Expected { outcome, source: "", gates: 1 }, false, &answer, "");
        Ok(())
    }

    async fn present_a_key(&mut self, route: Route, phase: Phase) -> Result<(), String> {
        // While Kinde is down, all keys that it has not judged before get one and the same answer.
        let known = if phase.is_down { 7 } else { 4 };
        let is_known = !self.keys.is_empty() && self.random.u8(..8) < known;
        let mut key = if is_known {
            self.keys.swap_remove(self.random.usize(..self.keys.len()))
        } else {
            let kind = Kind::ALL[self.random.usize(..Kind::ALL.len())];
            create(&self.world, kind, &mut self.random)
        };
        let (expected, is_asked) = key.present(route, phase, &mut self.refused);
        let answer = self.send(&request(route, &[&bearer(&key)], self.address)).await?;
        self.ledger.note(expected, is_asked, &answer, &key.key_id);
        if self.keys.len() < KEYS {
            self.keys.push(key);
        } else {
            let forgotten = self.random.usize(..KEYS);
            self.keys[forgotten] = key;
        }
        Ok(())
    }

    async fn send(&mut self, request: &[u8]) -> Result<RawResponse, String> {
        self.connection.send(request).await.map_err(socket)?;
        self.connection.read_response(false).await.map_err(socket)
    }
}

/// A request of the client at this address.
pub(super) fn request(route: Route, authorization: &[&str], address: u32) -> Vec<u8> {
    let [_, high, middle, low] = address.to_be_bytes();
    let address = format!("10.{high}.{middle}.{low}");
    let mut headers = vec![("X-Forwarded-For", address.as_str())];
    headers.extend(authorization.iter().map(|value| ("Authorization", *value)));
    raw::get(route.path(), &headers)
}

pub(super) fn bearer(key: &Key) -> String {
    format!("Bearer {}", key.secret)
}

/// A key that nobody has presented yet.
pub(super) fn create(world: &World, kind: Kind, random: &mut Rng) -> Key {
    if kind == Kind::Unknown {
        return Key::new(kind, String::new(), format!("k_live_unknown_{:032x}", random.u128(..)));
    }
    let specification = KeySpecification::new("counted");
    let specification = match kind {
        Kind::Full => specification.scopes([SCOPE]).organization(ORGANIZATION).user("kp_1"),
        Kind::OtherApi => {
            specification.scopes([SCOPE]).organization(ORGANIZATION).user("kp_1").api_ids(["api_other"])
        }
        Kind::Foreign => specification.scopes([SCOPE]).organization("org_other"),
        Kind::Revoked => specification.status("revoked"),
        Kind::Inactive => specification.status("inactive"),
        _ => specification,
    };
    let issued = world.emulator.create_key(specification);
    let answer = match kind {
        Kind::Unreadable => Some(ScriptedAnswer::json(200, &json!({}))),
        // Nothing that a newer token could mend, so Kinde is asked only once.
        Kind::SetUp => Some(ScriptedAnswer::new(405, "")),
        _ => None,
    };
    world.emulator.set_answer(&issued.key_id, answer);
    Key::new(kind, issued.key_id, issued.secret)
}
