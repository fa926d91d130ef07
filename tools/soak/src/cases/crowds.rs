//! Ten thousand requests at once: with one unknown key, and with a different one each.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apikey_core::{Decision, Policy};
use apikey_testkit::emulator::KeySpecification;
use apikey_testkit::raw::Connection;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{connect, head};
use crate::report::{Row, quantile};
use crate::world::{World, get, socket};

const CROWD: usize = 10_000;
const CAP: usize = 64;
const QUEUE: usize = 256;
/// A request without an answer after this time waits for a slot.
const AT_ONCE: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(60);
/// How many clients send at once when each request is timed. With more, the time in front of the cores would count,
/// too.
const TIMED_AT_ONCE: usize = 8;

fn crowd(is_quick: bool) -> usize {
    if is_quick { CROWD / 10 } else { CROWD }
}

/// All of them are one client, and wait for the same answer. The gate opens when the last has come.
pub(super) async fn one_key(is_quick: bool) -> Result<Vec<Row>, String> {
    let world = World::start(|builder| builder.verification_timeout(LONG)).await?;
    let key = world.emulator.create_key(KeySpecification::new("one"));
    let gate = world.hold();
    let mut connections = connect(world.server.address, crowd(is_quick) / 2).await?;
    let request = get("/api/me", &key.secret);
    for connection in &mut connections {
        connection.send(&request).await.map_err(socket)?;
    }
    let patience = Instant::now() + LONG / 2;
    while world.server.received() < connections.len() && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (mut waiting, any_key) = (JoinSet::new(), Policy::any_key());
    let mut early = 0;
    for _ in connections.len()..crowd(is_quick) {
        let request = head(&key.secret).with_peer(Ipv4Addr::LOCALHOST.into());
        let attempt = world.server.keys.begin(&request);
        let decision = world.server.keys.gate(&any_key).decide(attempt, &request, |key| key);
        early += usize::from(!matches!(decision, Decision::Pending(_)));
        waiting.spawn(decision.wait());
    }
    let (over_sockets, in_process) = (connections.len(), waiting.len());
    let opened = Instant::now();
    gate.open();
    let mut right = 0;
    while let Some(answer) = waiting.join_next().await {
        right += usize::from(matches!(answer, Ok(Ok(found)) if found.key_id() == key.key_id));
    }
    for connection in &mut connections {
        let answer = connection.read_response(false).await.map_err(socket)?;
        right += usize::from(answer.status == 200 && answer.json()["key_id"] == *key.key_id);
    }
    let calls = world.emulator.counters().verify_calls;
    let total = over_sockets + in_process;
    Ok(vec![Row::new(
        format!(
            "{total} concurrent requests of one client, one cold key ({over_sockets} over sockets, {in_process} in process)"
        ),
        "1 upstream call, all answered rightly",
        format!(
            "{calls} call; {right} right, {early} of them early; all answered {:.0?} after Kinde",
            opened.elapsed()
        ),
        calls == 1 && right == total && early == 0,
    )])
}

/// As many keys are asked about as the limit allows, and as many wait as the queue holds. The others must get their
/// 503 at once.
pub(super) async fn distinct_keys(is_quick: bool) -> Result<Vec<Row>, String> {
    let world = World::start(|builder| {
        builder
            .verification_timeout(LONG)
            .max_in_flight(CAP)
            .max_queued(QUEUE)
            .retries(false)
            .attempt_limit(None)
    })
    .await?;
    let gate = world.hold();
    let secrets: Arc<Vec<String>> = Arc::new(
        (0..crowd(is_quick))
            .map(|number| {
                let key = KeySpecification::new("cold").key_id(format!("api_key_{number}"));
                world.emulator.create_key(key).secret
            })
            .collect(),
    );
    // The first half comes in process as one client, and takes all slots that one client may have.
    let (in_process, mut waiting, mut other) = (secrets.len() / 2, JoinSet::new(), 0);
    let (mut turned_away, any_key) = (Vec::new(), Policy::any_key());
    for secret in &secrets[..in_process] {
        let request = head(secret);
        let began = Instant::now();
        let attempt = world.server.keys.begin(&request);
        match world.server.keys.gate(&any_key).decide(attempt, &request, |key| key) {
            Decision::Decided(Err(denial)) if denial.status() == 503 => turned_away.push(began.elapsed()),
            Decision::Pending(pending) => drop(waiting.spawn(pending)),
            _ => other += 1,
        }
    }
    // The second half connects at once, as another client. Then a few at a time send, so that the time of the answer
    // counts, and not the wait for the cores.
    // answer and not the queue before the cores.
    let connections = connect(world.server.address, secrets.len() - in_process).await?;
    let over_sockets = connections.len();
    let (next, connections) = (Arc::new(AtomicUsize::new(in_process)), Arc::new(Mutex::new(connections)));
    let mut clients: JoinSet<Result<Sent, String>> = JoinSet::new();
    for _ in 0..TIMED_AT_ONCE {
        clients.spawn(send(Arc::clone(&secrets), Arc::clone(&next), Arc::clone(&connections)));
    }
    let mut sent = Sent::default();
    while let Some(client) = clients.join_next().await {
        let one = client.map_err(|error| error.to_string())??;
        sent.turned_away.extend(one.turned_away);
        sent.waiting.extend(one.waiting);
        other += one.other;
    }
    gate.open();
    let (mut let_in, mut refused_late) = (0, 0);
    while let Some(answer) = waiting.join_next().await {
        match answer {
            Ok(Ok(_)) => let_in += 1,
            _ => refused_late += 1,
        }
    }
    let from_process = let_in;
    for mut connection in sent.waiting {
        match connection.read_response(false).await.map_err(socket)?.status {
            200 => let_in += 1,
            503 => refused_late += 1,
            _ => other += 1,
        }
    }
    let most = world.emulator.counters().most_verifications_in_flight;
    let refused = turned_away.len() + sent.turned_away.len();
    let (inside, outside) = (quantile(&mut turned_away, 0.5), quantile(&mut sent.turned_away, 0.5));
    let late = quantile(&mut sent.turned_away, 0.99);
    Ok(vec![
        Row::new(
            format!(
                "{} concurrent requests, distinct cold keys ({over_sockets} over sockets, {in_process} in process, each half \
                 one client)",
                in_process + over_sockets
            ),
            format!("at most {CAP} upstream, {QUEUE} wait, the rest 503; both clients get in"),
            format!(
                "{most} upstream; {let_in} let in, {from_process} of them in process; {refused} × 503 at once, \
                 {refused_late} later, {other} otherwise"
            ),
            most as usize <= CAP
                && let_in == CAP + QUEUE
                && from_process > 0
                && from_process < let_in
                && other == 0,
        ),
        Row::new(
            format!("their 503s ({TIMED_AT_ONCE} connections sending at once, every other connection open)"),
            "median under 5 ms",
            format!("median {outside:.1?} over sockets (99 %: {late:.1?}), {inside:.1?} in process"),
            inside.max(outside) < Duration::from_millis(5),
        ),
    ])
}

/// The outcomes of one sender's requests.
#[derive(Default)]
struct Sent {
    turned_away: Vec<Duration>,
    waiting: Vec<Connection>,
    other: usize,
}

/// Sends one request after another, each on a new connection, and waits only for answers that come at once.
async fn send(
    secrets: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
    connections: Arc<Mutex<Vec<Connection>>>,
) -> Result<Sent, String> {
    let mut sent = Sent::default();
    loop {
        let free = connections.lock().await.pop();
        let Some(mut connection) = free else { return Ok(sent) };
        let request = get("/api/me", &secrets[next.fetch_add(1, Ordering::Relaxed)]);
        let began = Instant::now();
        connection.send(&request).await.map_err(socket)?;
        let Ok(answer) = timeout(AT_ONCE, connection.read_response(false)).await else {
            sent.waiting.push(connection);
            continue;
        };
        match answer.map_err(socket)?.status {
            503 => sent.turned_away.push(began.elapsed()),
            _ => sent.other += 1,
        }
    }
}
