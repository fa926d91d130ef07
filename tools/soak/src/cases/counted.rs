//! The counters of decisions beside what clients read. Each client knows of each of its requests what becomes of it, and
//! where the answer about the key comes from, because it knows what it did before. So nothing here asks the library
//! what it counted, until the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apikey_axum::{AttemptLimit, TrustedProxies};
use apikey_core::{Clock, Statistics};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, IssuedKey, KeySpecification};
use apikey_testkit::raw::{self, Connection};
use fastrand::Rng;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::counted::{Labels, counted};
use crate::report::Row;
use crate::world::{Server, ShiftedClock, World, socket, verifier_at};

const TIME_TO_LIVE: Duration = Duration::from_secs(300);
const ATTEMPTS: u32 = 4;
const CLIENTS: usize = 60;
/// How many callers present one key at once.
const CROWD: u64 = 12;
/// How many keys are presented by a crowd.
const CROWDS: usize = 10;

/// What becomes of a request, as its client expects it.
type Expected = (&'static str, &'static str, &'static str);

const VERIFIED: Expected = ("accepted", "", "verified");
const HIT: Expected = ("accepted", "", "hit");
const STALE: Expected = ("accepted", "", "stale");

fn denied(code: &'static str, source: &'static str) -> Expected {
    ("denied", code, source)
}

struct Request {
    path: &'static str,
    authorization: Vec<String>,
    expected: Expected,
    /// How many gates decide about it.
    decisions: u64,
    /// How many calls to Kinde it causes.
    calls: u64,
}

impl Request {
    fn new(path: &'static str, secret: &str, expected: Expected) -> Self {
        let calls = u64::from(expected.2 == "verified");
        Self { path, authorization: vec![format!("Bearer {secret}")], expected, decisions: 1, calls }
    }

    fn raw(authorization: Vec<String>, path: &'static str, expected: Expected) -> Self {
        Self { path, authorization, expected, decisions: 1, calls: 0 }
    }
}

/// What clients read.
#[derive(Default)]
struct Read {
    requests: u64,
    calls: u64,
    decisions: BTreeMap<Labels, u64>,
    wrong: Vec<String>,
}

impl Read {
    fn add(&mut self, request: &Request, status: u16, body: &Value) {
        let (outcome, code, source) = request.expected;
        let read_code = body["code"].as_str().unwrap_or_default();
        let read_outcome = match (status, request.path) {
            (200, "/api/optional") if body["key_id"].is_null() => "anonymous",
            (200, _) => "accepted",
            _ => "denied",
        };
        if (read_outcome, read_code) != (outcome, code) {
            self.wrong.push(format!("{}: {status} {read_code} instead of {outcome} {code}", request.path));
        }
        let labels = [read_outcome, read_code, source].map(str::to_owned);
        self.requests += 1;
        self.calls += request.calls;
        *self.decisions.entry(labels).or_default() += request.decisions;
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.calls += other.calls;
        self.wrong.extend(other.wrong);
        for (labels, count) in other.decisions {
            *self.decisions.entry(labels).or_default() += count;
        }
    }

    /// Where the counters say something else.
    fn complaints(&self, statistics: &Statistics) -> Vec<String> {
        let counted = counted(statistics);
        let all = self.decisions.keys().chain(counted.keys());
        let mut complaints: Vec<String> = all
            .filter_map(|labels| {
                let of = |counts: &BTreeMap<Labels, u64>| counts.get(labels).copied().unwrap_or(0);
                let (read, counted) = (of(&self.decisions), of(&counted));
                (read != counted).then(|| format!("{labels:?}: {read} read, {counted} counted"))
            })
            .collect();
        complaints.sort();
        complaints.dedup();
        complaints
    }
}

/// One client with a connection and an address of its own.
struct Client {
    connection: Connection,
    address: String,
    read: Read,
}

impl Client {
    async fn connect(server: SocketAddr, number: usize) -> Result<Self, String> {
        let connection = Connection::connect(server).await.map_err(socket)?;
        let address = format!("198.51.{}.{}", number / 250, number % 250);
        Ok(Self { connection, address, read: Read::default() })
    }

    async fn send(&mut self, request: &Request) -> Result<(), String> {
        let mut headers = vec![("X-Forwarded-For", self.address.as_str())];
        headers.extend(request.authorization.iter().map(|value| ("Authorization", value.as_str())));
        self.connection.send(&raw::get(request.path, &headers)).await.map_err(socket)
    }

    async fn read(&mut self, request: &Request) -> Result<(), String> {
        let response = self.connection.read_response(false).await.map_err(socket)?;
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        self.read.add(request, response.status, &body);
        Ok(())
    }

    /// Sends these requests one after another.
    async fn run(mut self, requests: Vec<Request>) -> Result<Read, String> {
        for request in &requests {
            self.send(request).await?;
            self.read(request).await?;
        }
        Ok(self.read)
    }
}

/// The keys of one client.
struct Keys {
    /// `read:users`, of an organization.
    good: IssuedKey,
    /// No scopes, no owner.
    plain: IssuedKey,
}

fn keys(emulator: &Emulator) -> Keys {
    let good = KeySpecification::new("good").scopes(["read:users"]).organization("org_acme");
    Keys { good: emulator.create_key(good), plain: emulator.create_key(KeySpecification::new("plain")) }
}

/// Mixes lists at random. The order within each list stays.
fn mixed(mut lists: Vec<Vec<Request>>, random: &mut Rng) -> Vec<Request> {
    lists.iter_mut().for_each(|list| list.reverse());
    let mut all = Vec::new();
    while !lists.is_empty() {
        let number = random.usize(..lists.len());
        match lists[number].pop() {
            Some(request) => all.push(request),
            None => drop(lists.swap_remove(number)),
        }
    }
    all
}

/// What a client does while Kinde is well. It uses up its attempts.
fn well(emulator: &Emulator, Keys { good, plain }: &Keys, number: usize, random: &mut Rng) -> Vec<Request> {
    let status = |status: &str| emulator.create_key(KeySpecification::new(status).status(status)).secret;
    let mut of_good = vec![Request::new("/api/me", &good.secret, VERIFIED)];
    for _ in 0..random.usize(1..8) {
        let path = ["/api/me", "/api/data", "/api/any", "/api/optional"][random.usize(..4)];
        of_good.push(Request::new(path, &good.secret, HIT));
    }
    // The layer decides, and then the extractor.
    of_good.push(Request { decisions: 2, ..Request::new("/api/org", &good.secret, HIT) });
    let mut of_plain =
        vec![Request::new("/api/data", &plain.secret, denied("INSUFFICIENT_SCOPE", "verified"))];
    for _ in 0..random.usize(1..4) {
        of_plain.push(Request::new("/api/data", &plain.secret, denied("INSUFFICIENT_SCOPE", "hit")));
        of_plain.push(Request::new("/api/org", &plain.secret, denied("ORGANIZATION_KEY_REQUIRED", "hit")));
    }
    let refused = |secret: &str, code| {
        let negative = (0..3).map(|_| Request::new("/api/me", secret, denied(code, "negative")));
        let mut requests = vec![Request::new("/api/me", secret, denied(code, "verified"))];
        requests.extend(negative);
        requests
    };
    let without_a_key = vec![
        Request::raw(Vec::new(), "/api/me", denied("MISSING_KEY", "")),
        Request::raw(Vec::new(), "/api/optional", ("anonymous", "", "")),
        Request::raw(vec!["Basic x".to_owned()], "/api/me", denied("INVALID_FORMAT", "")),
        Request::raw(
            vec!["Bearer a".to_owned(), "Bearer b".to_owned()],
            "/api/me",
            denied("MULTIPLE_KEYS", ""),
        ),
    ];
    let mut all = mixed(
        vec![
            of_good,
            of_plain,
            refused(&format!("k_live_junk_{number}"), "INVALID_KEY"),
            refused(&status("revoked"), "KEY_REVOKED"),
            refused(&status("inactive"), "KEY_INACTIVE"),
            without_a_key,
        ],
        random,
    );
    let last = format!("k_live_last_{number}");
    all.push(Request::new("/api/me", &last, denied("INVALID_KEY", "verified")));
    for again in 0..random.usize(1..4) {
        let more = format!("k_live_more_{number}_{again}");
        all.push(Request::new("/api/me", &more, denied("RATE_LIMITED", "")));
        all.push(Request::new("/api/me", &good.secret, HIT));
    }
    all
}

/// What a client does after the time to live, while Kinde can't answer.
fn down(Keys { good, plain }: &Keys, number: usize) -> Vec<Request> {
    let asks = |request: Request| Request { calls: 1, ..request };
    vec![
        asks(Request::new("/api/me", &good.secret, STALE)),
        asks(Request::new("/api/data", &plain.secret, denied("INSUFFICIENT_SCOPE", "stale"))),
        asks(Request::new("/api/data", &good.secret, STALE)),
        Request::new(
            "/api/me",
            &format!("k_live_down_{number}"),
            denied("VERIFICATION_UNAVAILABLE", "verified"),
        ),
    ]
}

/// Runs all clients at once.
async fn together(server: &Server, first: usize, requests: Vec<Vec<Request>>) -> Result<Read, String> {
    let mut clients = JoinSet::new();
    for (number, requests) in requests.into_iter().enumerate() {
        clients.spawn(Client::connect(server.address, first + number).await?.run(requests));
    }
    let mut all = Read::default();
    for read in clients.join_all().await {
        all.merge(read?);
    }
    Ok(all)
}

/// Crowds with one key each, which wait for one verification of it.
async fn crowds(world: &World, random: &mut Rng) -> Result<Read, String> {
    let gate = world.hold();
    let before = world.emulator.counters().verify_calls;
    let mut waiting = Vec::new();
    for number in 0..CROWDS {
        let is_good = random.bool();
        let status = if is_good { "active" } else { "revoked" };
        let key = world.emulator.create_key(KeySpecification::new("crowd").status(status));
        for place in 0..CROWD {
            let source = if place == 0 { "verified" } else { "coalesced" };
            let expected = if is_good { ("accepted", "", source) } else { denied("KEY_REVOKED", source) };
            let request = Request::new("/api/me", &key.secret, expected);
            let number = 10_000 + number * 100 + place as usize;
            let mut client = Client::connect(world.server.address, number).await?;
            client.send(&request).await?;
            waiting.push((client, request));
        }
    }
    let wanted = CROWDS as u64 * (CROWD - 1);
    let calls = before + CROWDS as u64;
    world.emulator.wait_until(|counters| counters.verify_calls == calls).await;
    while world.server.keys.statistics().total("apikey.callers.waiting", &[]) < wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.emulator.set_fault(Endpoint::Verify, None);
    gate.open();
    let mut all = Read::default();
    for (mut client, request) in waiting {
        client.read(&request).await?;
        all.merge(client.read);
    }
    Ok(all)
}

pub(super) async fn decisions(seed: u64) -> Result<Vec<Row>, String> {
    let mut random = Rng::with_seed(seed);
    let clock = Arc::new(ShiftedClock::default());
    let emulator =
        Emulator::start().await.map_err(|error| format!("the emulator does not start: {error}"))?;
    let verifier = verifier_at(&emulator.url(), &emulator, Arc::clone(&clock) as Arc<dyn Clock>)?;
    let proxies = TrustedProxies::parse("127.0.0.0/8").map_err(|error| error.to_string())?;
    let server = Server::start(verifier, |builder| {
        builder
            .clock(Arc::clone(&clock) as _)
            .cache_time_to_live(TIME_TO_LIVE)
            .stale_if_error(TIME_TO_LIVE)
            .negative_time_to_live(TIME_TO_LIVE)
            .attempt_limit(AttemptLimit::new(ATTEMPTS, TIME_TO_LIVE))
            .trusted_proxies(proxies)
            .max_in_flight(CLIENTS)
            .max_queued(10 * CLIENTS)
            .verification_timeout(Duration::from_secs(60))
            .refresh_ahead(false)
            .retries(false)
            .circuit_breaker(false)
    })
    .await?;
    let world = World { emulator, server };
    let all_keys: Vec<Keys> = (0..CLIENTS).map(|_| keys(&world.emulator)).collect();

    let requests = all_keys.iter().enumerate();
    let requests = requests.map(|(number, keys)| well(&world.emulator, keys, number, &mut random)).collect();
    let mut read = together(&world.server, 0, requests).await?;
    read.merge(crowds(&world, &mut random).await?);
    clock.shift(TIME_TO_LIVE);
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
    let requests = all_keys.iter().enumerate().map(|(number, keys)| down(keys, number)).collect();
    read.merge(together(&world.server, 0, requests).await?);
    let calls = world.emulator.counters().verify_calls;
    world.emulator.set_fault(Endpoint::Verify, None);
    world.emulator.deny_scope(true);
    let set_up = (0..CLIENTS).map(|number| {
        let key = format!("k_live_set_up_{number}");
        // A token that lacks a scope is replaced, and then it is asked again. These calls are not compared.
        let request = Request::new("/api/me", &key, denied("INTERNAL_ERROR", "verified"));
        vec![Request { calls: 0, ..request }]
    });
    read.merge(together(&world.server, 0, set_up.collect()).await?);

    let complaints = read.complaints(&world.server.keys.statistics());
    let is_same = complaints.is_empty() && read.wrong.is_empty() && calls == read.calls;
    let measured = if is_same {
        format!(
            "as many, for {} combinations and {} requests; {calls} calls; seed {seed}",
            read.decisions.len(),
            read.requests
        )
    } else {
        let wrong = read.wrong.iter().take(5).cloned();
        let calls = format!("{calls} calls, {} expected; seed {seed}", read.calls);
        wrong.chain(complaints).chain([calls]).collect::<Vec<_>>().join("; ")
    };
    Ok(vec![Row::new(
        "decisions in the statistics, by outcome, code and source",
        "as many as clients read, and as many calls as Kinde saw",
        measured,
        is_same,
    )])
}

#[cfg(test)]
mod tests {
    use super::*;
    use apikey_core::{Authenticator, PlainRequest, Policy};
    use apikey_testkit::FakeVerifier;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_statistics_count_what_clients_read() {
        for seed in 0..3 {
            let rows = decisions(seed).await.unwrap();
            assert!(rows.iter().all(|row| row.ok), "{rows:?}");
        }
    }

    #[tokio::test]
    async fn a_decision_too_many_or_of_another_kind_is_found() {
        let keys = Authenticator::builder(FakeVerifier::new()).build().unwrap();
        let (policy, request) = (Policy::any_key(), PlainRequest::new());
        let denied_once = keys.gate(&policy).decide(keys.begin(&request), &request, |key| key).wait().await;
        assert!(denied_once.is_err());
        let complaints = |expected: Expected, times: u64| {
            let mut read = Read::default();
            let request = Request { decisions: times, ..Request::raw(Vec::new(), "/api/me", expected) };
            read.add(&request, 401, &serde_json::json!({ "code": expected.1 }));
            read.complaints(&keys.statistics()).len()
        };
        assert_eq!(complaints(denied("MISSING_KEY", ""), 1), 0);
        assert_eq!(complaints(denied("MISSING_KEY", ""), 2), 1);
        assert_eq!(complaints(denied("MISSING_KEY", "hit"), 1), 2);
        assert_eq!(complaints(denied("INVALID_FORMAT", ""), 1), 2);
    }
}
