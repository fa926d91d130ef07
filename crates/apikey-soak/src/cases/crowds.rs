//! Ten thousand at once: with one key that nobody knows yet, and each with another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apikey_core::Attempt;
use apikey_testkit::emulator::KeySpecification;
use tokio::task::JoinSet;

use super::{connect, head};
use crate::report::{Row, quantile};
use crate::world::{World, get, socket};

const CROWD: usize = 10_000;
const CAP: usize = 64;
const LONG: Duration = Duration::from_secs(60);
/// How many clients send at once where each request is timed: more would time the queue before the two sides' cores.
const TIMED_AT_ONCE: usize = 8;

fn crowd(is_quick: bool) -> usize {
    if is_quick { CROWD / 10 } else { CROWD }
}

/// All of them wait for the same answer, which is held back until the last has come.
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
    let mut waiting = JoinSet::new();
    let mut early = 0;
    for _ in connections.len()..crowd(is_quick) {
        let attempt = world.server.keys.begin(&head(&key.secret));
        early += usize::from(!matches!(attempt, Attempt::Pending(_)));
        waiting.spawn(attempt.authentication());
    }
    let (over_sockets, in_process) = (connections.len(), waiting.len());
    let opened = Instant::now();
    gate.open();
    let mut right = 0;
    while let Some(answer) = waiting.join_next().await {
        right += usize::from(matches!(answer, Ok(Ok(Some(found))) if found.key_id() == key.key_id));
    }
    for connection in &mut connections {
        let answer = connection.read_response(false).await.map_err(socket)?;
        right += usize::from(answer.status == 200 && answer.json()["key_id"] == *key.key_id);
    }
    let calls = world.emulator.counters().verify_calls;
    let total = over_sockets + in_process;
    Ok(vec![Row::new(
        format!(
            "{total} concurrent requests, one cold key ({over_sockets} over sockets, {in_process} in process)"
        ),
        "1 upstream call, all answered rightly",
        format!(
            "{calls} call; {right} right, {early} of them early; all answered {:.0?} after Kinde",
            opened.elapsed()
        ),
        calls == 1 && right == total && early == 0,
    )])
}

/// As many are asked about as may be; the others must hear so at once.
pub(super) async fn distinct_keys(is_quick: bool) -> Result<Vec<Row>, String> {
    let world = World::start(|builder| {
        builder.verification_timeout(LONG).max_in_flight(CAP).retries(false).attempt_limit(None)
    })
    .await?;
    let gate = world.hold();
    let secrets: Arc<Vec<String>> = Arc::new(
        (0..crowd(is_quick))
            .map(|number| {
                world
                    .emulator
                    .create_key(KeySpecification::new("cold").key_id(format!("api_key_{number}")))
                    .secret
            })
            .collect(),
    );
    // The first half comes in process, and takes every place there is.
    let (in_process, mut waiting, mut other) = (secrets.len() / 2, JoinSet::new(), 0);
    let mut turned_away = Vec::new();
    for secret in &secrets[..in_process] {
        let request = head(secret);
        let began = Instant::now();
        match world.server.keys.begin(&request) {
            Attempt::Decided(Err(denial)) if denial.status() == 503 => turned_away.push(began.elapsed()),
            Attempt::Pending(pending) => drop(waiting.spawn(pending)),
            _ => other += 1,
        }
    }
    // The second half is connected all at once; then a few at a time send, so that what is timed is the answer.
    let connections = connect(world.server.address, secrets.len() - in_process).await?;
    let over_sockets = connections.len();
    let (next, connections) = (Arc::new(AtomicUsize::new(0)), tokio::sync::Mutex::new(connections));
    let connections = Arc::new(connections);
    let mut clients: JoinSet<Result<(Vec<Duration>, usize), String>> = JoinSet::new();
    for _ in 0..TIMED_AT_ONCE {
        let (secrets, next, connections) =
            (Arc::clone(&secrets), Arc::clone(&next), Arc::clone(&connections));
        clients.spawn(async move {
            let (mut times, mut other) = (Vec::new(), 0);
            loop {
                let Some(mut connection) = connections.lock().await.pop() else { return Ok((times, other)) };
                let number = in_process + next.fetch_add(1, Ordering::Relaxed);
                let request = get("/api/me", &secrets[number]);
                let began = Instant::now();
                connection.send(&request).await.map_err(socket)?;
                let answer = connection.read_response(false).await.map_err(socket)?;
                match answer.status {
                    503 => times.push(began.elapsed()),
                    _ => other += 1,
                }
            }
        });
    }
    let mut over_sockets_times = Vec::new();
    while let Some(client) = clients.join_next().await {
        let (times, unexpected) = client.map_err(|error| error.to_string())??;
        over_sockets_times.extend(times);
        other += unexpected;
    }
    gate.open();
    let mut let_in = 0;
    while let Some(answer) = waiting.join_next().await {
        let_in += usize::from(matches!(answer, Ok(Ok(_))));
    }
    let most = world.emulator.counters().most_verifications_in_flight;
    let refused = turned_away.len() + over_sockets_times.len();
    let (inside, outside) = (quantile(&mut turned_away, 0.5), quantile(&mut over_sockets_times, 0.5));
    let late = quantile(&mut over_sockets_times, 0.99);
    Ok(vec![
        Row::new(
            format!(
                "{} concurrent requests, distinct cold keys ({over_sockets} over sockets, {in_process} in process)",
                in_process + over_sockets
            ),
            format!("at most {CAP} upstream, the rest 503"),
            format!("{most} upstream; {let_in} let in, {refused} × 503, {other} otherwise"),
            most as usize <= CAP && let_in == CAP && other == 0,
        ),
        Row::new(
            format!("their 503s ({TIMED_AT_ONCE} clients sending at once, every other connection open)"),
            "median under 5 ms",
            format!("median {outside:.1?} over sockets (99 %: {late:.1?}), {inside:.1?} in process"),
            inside.max(outside) < Duration::from_millis(5),
        ),
    ])
}
