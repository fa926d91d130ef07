//! A crowd that comes to one instance after another, 50 ms apart.

use std::time::Duration;

use apikey_core::Authenticator;
use apikey_testkit::raw::{self, Connection};
use apikey_testkit::servers::{Product, StoreServer};
use decision_bench::secret;
use fleet_bench::{Framework, Kinde, Server, instance, store, until_linked};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::table::Row;

const KINDE_TAKES: Duration = Duration::from_millis(20);
const APART: Duration = Duration::from_millis(50);
const CROWD: usize = 100;

pub(super) fn measure(runtime: &Runtime, is_quick: bool) -> Result<Vec<Row>, String> {
    runtime.block_on(async {
        let server = StoreServer::start(Product::Redis, &[]);
        let kinde = Kinde::new(KINDE_TAKES);
        let new = |_| instance(kinde.clone(), store(&server)?, |builder| builder);
        let instances: Vec<Authenticator> = Framework::ALL.iter().map(new).collect::<Result<_, _>>()?;
        until_linked(&instances).await?;
        let servers = Framework::ALL.into_iter().zip(&instances);
        let servers: Vec<Server> = servers
            .map(|(framework, keys)| Server::start(framework, keys.clone()))
            .collect::<Result<_, _>>()?;
        let rounds = if is_quick { 20 } else { 100 };
        let mut rows = Vec::new();
        for (what, removes, first) in [
            ("300 requests for a cold key over three servers, 50 ms apart", false, 0),
            ("the same up to 90 ms after a removal of another key", true, rounds),
        ] {
            let (mut costs, mut late) = (Vec::new(), 0);
            for key in first..first + rounds {
                if removes {
                    instances[0].remove_key_id(&format!("another key {key}")).await;
                    // The instances read of it within these moments, one sooner and one later.
                    sleep(Duration::from_millis(10 * (key % 10))).await;
                }
                match round(&servers, &kinde, key).await? {
                    Some(calls) => costs.push(calls),
                    None => late += 1,
                }
            }
            let once = costs.iter().filter(|calls| **calls == 1).count();
            let most = costs.iter().max().copied().unwrap_or_default();
            let mut measured = format!("one call in {once} of {} rounds, {most} at most", costs.len());
            if late > 0 {
                measured += &format!(
                    "; in {late} others the machine was too busy to answer the first server in time"
                );
            }
            let row = Row::new(what, measured);
            rows.push(if removes { row } else { row.bound("one call each", most == 1) });
        }
        let keys = if is_quick { 100 } else { 1_000 };
        let calls = in_a_row(&servers, &kinde, 2 * rounds..2 * rounds + keys).await?;
        rows.push(Row::new(
            format!("{keys} keys, each asked for on each server, the next one right after an answer"),
            format!("{calls} calls"),
        ));
        Ok(rows)
    })
}

/// How many calls it costs to ask all servers about each key without any pause, each time with another one first.
async fn in_a_row(servers: &[Server], kinde: &Kinde, keys: std::ops::Range<u64>) -> Result<u64, String> {
    let before = kinde.calls();
    let mut connections = Vec::new();
    for server in servers {
        connections.push(Connection::connect(server.address()).await.map_err(|error| error.to_string())?);
    }
    for key in keys {
        for _ in servers {
            if let Some(connection) = connections.first_mut() {
                connection.send(&request(key)).await.map_err(|error| error.to_string())?;
                is_let_in(Ok(connection.read_response(false).await))?;
            }
            connections.rotate_left(1);
        }
        connections.rotate_left(1);
    }
    Ok(kinde.calls() - before)
}

fn request(key: u64) -> Vec<u8> {
    raw::get("/api/me", &[("Authorization", &format!("Bearer {}", secret(key)))])
}

/// How many calls a crowd costs. `None` if no request had its answer when the next server was asked.
async fn round(servers: &[Server], kinde: &Kinde, key: u64) -> Result<Option<u64>, String> {
    let before = kinde.calls();
    let mut crowd = JoinSet::new();
    let mut is_late = false;
    for server in servers {
        is_late |= !crowd.is_empty() && !has_answer(&mut crowd)?;
        for _ in 0..CROWD {
            let address = server.address();
            let request = request(key);
            crowd.spawn(async move { raw::exchange(address, &request).await });
        }
        sleep(APART).await;
    }
    while let Some(answer) = crowd.join_next().await {
        is_let_in(answer)?;
    }
    Ok((!is_late).then(|| kinde.calls() - before))
}

type Answer = Result<std::io::Result<raw::RawResponse>, tokio::task::JoinError>;

fn has_answer(crowd: &mut JoinSet<std::io::Result<raw::RawResponse>>) -> Result<bool, String> {
    crowd.try_join_next().map(is_let_in).transpose().map(|answer| answer.is_some())
}

fn is_let_in(answer: Answer) -> Result<(), String> {
    let answer = answer.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    match answer.status {
        200 => Ok(()),
        status => Err(format!("a good key is answered with {status}")),
    }
}
