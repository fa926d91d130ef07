//! One client after another. Each sends good and bad requests, and the oracle judges every answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apikey_testkit::raw::{self, Connection};
use fastrand::Rng;
use serde_json::Value;

use super::population::Population;
use crate::oracle::{Observation, Oracle, Presented, Route};

/// Addresses with so few requests each that none of them may ever be limited.
const QUIET_CLIENTS: u32 = 600;
/// Addresses that send junk.
const NOISY_CLIENTS: u32 = 5;

/// How often a client with odd keys sends one of them.
const ODD_PAUSE: Duration = Duration::from_millis(50);

/// How many complaints are kept, in all and for each phase.
const MOST_KEPT: usize = 40;
const MOST_KEPT_OF_A_PHASE: usize = 2;

/// What all visitors share.
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) oracle: Arc<Oracle>,
    pub(super) population: Population,
    pub(super) is_over: AtomicBool,
    pub(super) findings: Findings,
    pub(super) next_junk: AtomicU64,
}

/// The results so far.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) judged: AtomicU64,
    pub(super) hung_up: AtomicU64,
    by_status: Mutex<BTreeMap<u16, u64>>,
    pub(super) wrongs: AtomicU64,
    pub(super) wrong: Mutex<Vec<String>>,
    /// The latest trouble of Kinde or the network, in words.
    latest_phase: Mutex<String>,
}

impl Findings {
    /// Counts all complaints, and keeps the first few. More would distort the measurement of the heap.
    pub(super) fn wrong(&self, complaint: String) {
        self.wrongs.fetch_add(1, Ordering::Relaxed);
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let phase = self.latest_phase.lock().unwrap_or_else(PoisonError::into_inner);
        let start = format!("[latest phase: {phase}] ");
        let kept = wrong.iter().filter(|complaint| complaint.starts_with(&start)).count();
        if wrong.len() < MOST_KEPT && kept < MOST_KEPT_OF_A_PHASE {
            wrong.push(start + &complaint);
        }
    }

    pub(super) fn enters(&self, phase: String) {
        *self.latest_phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub(super) fn by_status(&self) -> BTreeMap<u16, u64> {
        self.by_status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    /// The prefix of made-up keys that Kinde does not judge.
    pub(super) const ODD: &'static str = "k_odd_";

    pub(super) fn fresh_odd(&self) -> String {
        format!("{}{}", Self::ODD, self.next_junk.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn fresh_junk(&self) -> String {
        format!("k_live_junk_{}", self.next_junk.fetch_add(1, Ordering::Relaxed))
    }
}

/// A request that is about to be sent.
struct Plan {
    route: Route,
    presented: Presented,
    authorization: Vec<String>,
    client: String,
    address: String,
    /// Its client sends more at once than the whole queue holds.
    crowds: bool,
}

/// Sends requests until the soak is over, with pauses of at most `pause`.
pub(super) async fn visit(shared: Arc<Shared>, mut random: Rng, pause: Duration) {
    let mut connection = None;
    while !shared.is_over.load(Ordering::Relaxed) {
        let plan = plan(&shared, &mut random);
        if random.u32(..100) < 2 {
            hang_up(&shared, &plan, &mut random).await;
        } else if let Err(error) = exchange(&shared, &plan, &mut connection).await {
            connection = None;
            shared.findings.wrong(format!("{:?} got no answer: {error}", plan.presented));
        }
        tokio::time::sleep(pause.mul_f64(random.f64())).await;
    }
}

/// Sends one request on the visitor's connection. The oracle judges the answer.
async fn exchange(shared: &Shared, plan: &Plan, connection: &mut Option<Connection>) -> std::io::Result<()> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(Connection::connect(shared.address).await?),
    };
    let began = shared.oracle.begin(&plan.client);
    connection.send(&plan.bytes()).await?;
    let response = connection.read_response(false).await?;
    let observation = Observation {
        route: plan.route,
        presented: plan.presented.clone(),
        client: plan.client.clone(),
        crowds: plan.crowds,
        began,
        ended: Instant::now(),
        status: response.status,
        body: serde_json::from_slice(&response.body).unwrap_or(Value::Null),
    };
    if let Err(complaint) = shared.oracle.judge(&observation) {
        shared.findings.wrong(complaint);
    }
    shared.findings.judged.fetch_add(1, Ordering::Relaxed);
    let mut by_status = shared.findings.by_status.lock().unwrap_or_else(PoisonError::into_inner);
    *by_status.entry(response.status).or_default() += 1;
    Ok(())
}

/// Sends a request and leaves before the answer. It does not matter whether the server could still read it.
async fn hang_up(shared: &Shared, plan: &Plan, random: &mut Rng) {
    if let Ok(mut connection) = Connection::connect(shared.address).await {
        shared.oracle.begin(&plan.client);
        let _gone = connection.send(&plan.bytes()).await;
        tokio::time::sleep(Duration::from_millis(random.u64(..4))).await;
        shared.findings.hung_up.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client that comes in one phase only.
pub(super) struct Sender {
    shared: Arc<Shared>,
    sends: Sends,
}

enum Sends {
    /// Either a junk key of a noisy client, or a good key of a quiet one.
    Anything,
    /// One of many new keys of the same client.
    AsOneOfMany,
    /// These keys in turn.
    Odd { keys: Arc<Vec<String>>, next: usize },
}

impl Sender {
    pub(super) fn in_a_crowd(shared: Arc<Shared>) -> Self {
        Self { shared, sends: Sends::Anything }
    }

    pub(super) fn rushing(shared: Arc<Shared>) -> Self {
        Self { shared, sends: Sends::AsOneOfMany }
    }

    pub(super) fn of_odd_keys(shared: Arc<Shared>, keys: Arc<Vec<String>>, next: usize) -> Self {
        Self { shared, sends: Sends::Odd { keys, next } }
    }

    /// Sends one request.
    pub(super) async fn send_once(mut self, mut random: Rng) {
        self.send(&mut None, &mut random).await;
    }

    /// Sends one request after another.
    pub(super) async fn send_until(mut self, is_over: Arc<AtomicBool>, mut random: Rng) {
        let mut connection = None;
        while !is_over.load(Ordering::SeqCst) && !self.shared.is_over.load(Ordering::Relaxed) {
            self.send(&mut connection, &mut random).await;
            tokio::time::sleep(ODD_PAUSE).await;
        }
    }

    async fn send(&mut self, connection: &mut Option<Connection>, random: &mut Rng) {
        let plan = self.plan(random);
        if let Err(error) = exchange(&self.shared, &plan, connection).await {
            *connection = None;
            self.shared.findings.wrong(format!("{:?} got no answer: {error}", plan.presented));
        }
    }

    fn plan(&mut self, random: &mut Rng) -> Plan {
        let shared = &self.shared;
        match &mut self.sends {
            Sends::Anything => {
                let number = random.u32(..);
                if random.bool() {
                    let junk = Presented::FreshJunk(shared.fresh_junk());
                    return Plan::with_secret(junk, noisy(number), random);
                }
                let secret = shared.population.cold(random).secret;
                Plan::with_secret(Presented::Secret(secret), quiet(number), random)
            }
            Sends::AsOneOfMany => {
                let junk = Presented::FreshJunk(shared.fresh_junk());
                Plan { crowds: true, ..Plan::with_secret(junk, single("rushing", 0xfffe, random), random) }
            }
            Sends::Odd { keys, next } => {
                let secret = keys[*next % keys.len()].clone();
                *next += 1;
                Plan::with_secret(Presented::Odd(secret), single("odd", 0xfffd, random), random)
            }
        }
    }
}

fn plan(shared: &Shared, random: &mut Rng) -> Plan {
    let (quiet, noisy) = (quiet(random.u32(..)), noisy(random.u32(..)));
    let population = &shared.population;
    let (presented, client) = match random.u32(..100) {
        0..75 => (Presented::Secret(population.hot(random).secret), quiet),
        75..83 => (Presented::Secret(population.cold(random).secret), quiet),
        83..89 => (Presented::FreshJunk(shared.fresh_junk()), noisy),
        89..91 => (Presented::Secret(format!("k_live_known_junk_{}", random.u32(..20))), noisy),
        91..95 => match population.retired(random) {
            Some(secret) => (Presented::Secret(secret), quiet),
            None => (Presented::Nothing, quiet),
        },
        95..97 => (Presented::Nothing, quiet),
        _ => return malformed(quiet, shared, random),
    };
    Plan::with_secret(presented, client, random)
}

fn malformed((client, address): (String, String), shared: &Shared, random: &mut Rng) -> Plan {
    let secret = shared.population.hot(random).secret;
    let format = Presented::Malformed(401, "INVALID_FORMAT");
    let (presented, authorization) = match random.u32(..6) {
        0 => (format, vec![format!("Basic {secret}")]),
        1 => (format, vec![format!("Bearer {secret} {secret}")]),
        2 => (format, vec![format!("Bearer {}", "k".repeat(513))]),
        3 => (format, vec![format!("Bearer \u{e9}{secret}")]),
        4 => (Presented::Nothing, vec![String::new()]),
        _ => {
            let header = format!("Bearer {secret}");
            (Presented::Malformed(400, "MULTIPLE_KEYS"), vec![header.clone(), header])
        }
    };
    Plan { route: any_route(random), presented, authorization, client, address, crowds: false }
}

impl Plan {
    fn with_secret(presented: Presented, (client, address): (String, String), random: &mut Rng) -> Self {
        let scheme = ["Bearer", "bearer", "BEARER "][random.usize(..3)];
        let authorization = match &presented {
            Presented::Secret(secret) | Presented::FreshJunk(secret) | Presented::Odd(secret) => {
                vec![format!("{scheme} {secret}")]
            }
            Presented::Nothing | Presented::Malformed(..) => Vec::new(),
        };
        Self { route: any_route(random), presented, authorization, client, address, crowds: false }
    }

    fn bytes(&self) -> Vec<u8> {
        let (method, path, body) = self.route.target();
        let mut headers = vec![("X-Forwarded-For", self.address.as_str())];
        headers.extend(self.authorization.iter().map(|value| ("Authorization", value.as_str())));
        raw::request(method, path, &headers, body)
    }
}

fn any_route(random: &mut Rng) -> Route {
    Route::ALL[random.usize(..Route::ALL.len())]
}

/// A client and one of its addresses. An IPv6 client is a /56, whatever the rest of the address is.
fn quiet(number: u32) -> (String, String) {
    let number = number % QUIET_CLIENTS;
    let (high, low) = (number / 250, number % 250);
    match number % 3 {
        0 => (format!("quiet {number}"), format!("2001:db8:{number:x}:42::{low:x}")),
        1 => (format!("quiet {number}"), format!("::ffff:198.51.{high}.{low}")),
        _ => (format!("quiet {number}"), format!("198.51.{high}.{low}")),
    }
}

fn noisy(number: u32) -> (String, String) {
    let client = number % NOISY_CLIENTS;
    let host = number / NOISY_CLIENTS % 200;
    (format!("noisy {client}"), format!("2001:db8:ffff:{client:x}00::{host:x}"))
}

/// A client that comes in one phase only, from any of its addresses.
fn single(name: &str, network: u32, random: &mut Rng) -> (String, String) {
    (name.to_owned(), format!("2001:db8:{network:x}::{:x}", random.u16(1..)))
}
