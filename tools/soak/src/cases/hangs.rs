//! Kinde accepts calls and never answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use apikey_core::PresentedKey;
use apikey_testkit::emulator::{Endpoint, Fault, KeySpecification};
use apikey_testkit::raw::Connection;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::report::{Row, quantile};
use crate::world::{Verifications, World, get, socket};

const BUDGET: Duration = Duration::from_secs(1);
/// What load on two cores adds to timers and answers, with a waiter's own grace of 250 ms.
const TOLERANCE: Duration = Duration::from_millis(500);
const CLIENTS: usize = 100;
const ROUNDS: usize = 5;
const CACHED: usize = 200;

pub(super) async fn hang(is_quick: bool) -> Result<Vec<Row>, String> {
    // Without the breaker, so that calls hang all the time.
    let verifications = Verifications::start()?;
    let world = World::start(|builder| {
        builder
            .verification_runtime(verifications.handle())
            .verification_timeout(BUDGET)
            .circuit_breaker(false)
            .attempt_limit(None)
    })
    .await?;
    let mut cached = Vec::new();
    for _ in 0..CACHED {
        let secret = world.emulator.create_key(KeySpecification::new("cached")).secret;
        let key = PresentedKey::parse(&secret).map_err(|error| error.to_string())?;
        world.server.keys.verify(key).await.map_err(|denial| format!("before: {denial:?}"))?;
        cached.push(secret);
    }
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    let alive = || Handle::current().metrics().num_alive_tasks() + verifications.tasks();
    let tasks_before = alive();
    let address = world.server.address;

    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let steady = tokio::spawn(async move {
        let mut connection = Connection::connect(address).await.map_err(socket)?;
        let (mut times, mut wrong) = (Vec::new(), 0);
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            connection.send(&get("/api/me", &cached[times.len() % CACHED])).await.map_err(socket)?;
            let answer = connection.read_response(false).await.map_err(socket)?;
            times.push(began.elapsed());
            wrong += usize::from(answer.status != 200);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok::<_, String>((times, wrong))
    });
    let (mut slowest, mut answered, mut wrong, mut most_tasks) = (Duration::ZERO, 0, 0, 0);
    for round in 0..if is_quick { 2 } else { ROUNDS } {
        let mut clients: JoinSet<Result<(Duration, u16), String>> = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(async move {
                let mut connection = Connection::connect(address).await.map_err(socket)?;
                let began = Instant::now();
                let secret = format!("k_live_hanging_{round}_{client}");
                connection.send(&get("/api/me", &secret)).await.map_err(socket)?;
                let answer = connection.read_response(false).await.map_err(socket)?;
                Ok((began.elapsed(), answer.status))
            });
        }
        while let Some(client) = clients.join_next().await {
            let (took, status) = client.map_err(|error| error.to_string())??;
            slowest = slowest.max(took);
            answered += 1;
            wrong += usize::from(status != 503);
            most_tasks = most_tasks.max(alive());
        }
    }
    is_over.store(true, Ordering::SeqCst);
    let (mut times, failed) = steady.await.map_err(|error| error.to_string())??;
    // A call that no caller waits for has closed its connection. Its tasks end with it.
    let patience = Instant::now() + Duration::from_secs(5);
    while alive() > tasks_before && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (median, late) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    let tasks = alive();
    Ok(vec![
        Row::new(
            format!("Kinde hangs, {CLIENTS} clients at once over sockets, budget {BUDGET:?}"),
            format!("no answer later than the budget + {TOLERANCE:?} for scheduling; all 503"),
            format!("{answered} answers, slowest {slowest:.0?}; {wrong} not 503"),
            slowest <= BUDGET + TOLERANCE && wrong == 0,
        ),
        Row::new(
            "the same: cached keys meanwhile, over sockets",
            "0 failures",
            format!("{failed} of {} failed; median {median:.1?}, 99 % {late:.1?}", times.len()),
            failed == 0 && !times.is_empty(),
        ),
        Row::new(
            "the same: tasks",
            format!("at most {tasks_before} again, as before"),
            format!("{tasks} at the end, {most_tasks} at the most"),
            tasks <= tasks_before,
        ),
    ])
}
