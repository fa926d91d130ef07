//! Faults of the store.

use apikey_testkit::servers::{Product, Reply, StoreServer};

use super::{Allowed, Case, NOTHING};
use crate::clock::SECOND;
use crate::proxy::Proxy;
use crate::traffic::Traffic;
use crate::world::{PASSWORD, Setup, USER, WITH_USER, World, wait};

pub(super) const CASES: &[Case] = &[
    Case::fault("store killed, and back empty after 7 s", |world, _| {
        Box::pin(async {
            world.store.kill();
            wait(7.0).await;
            world.store.restart();
            Ok(())
        })
    })
    .quick(),
    Case::fault("store stopped for 0.3 s, five times", |world, _| {
        Box::pin(async {
            for _ in 0..5 {
                world.store.pause();
                wait(0.3).await;
                world.store.resume();
                wait(0.7).await;
            }
            Ok(())
        })
    }),
    Case::fault("store stopped for 2 s", |world, _| Box::pin(stopped(world, 2.0))).quick(),
    Case::fault("store stopped for 30 s", |world, is_quick| {
        Box::pin(stopped(world, if is_quick { 8.0 } else { 30.0 }))
    }),
    Case::fault("DEBUG SLEEP 2", |world, _| Box::pin(told(world, &["DEBUG", "SLEEP", "2"], 0.0))),
    Case::fault("CLIENT PAUSE 2000 ALL", |world, _| {
        Box::pin(told(world, &["CLIENT", "PAUSE", "2000", "ALL"], 2.0))
    }),
    Case::fault("CLIENT PAUSE 2000 WRITE", |world, _| {
        Box::pin(told(world, &["CLIENT", "PAUSE", "2000", "WRITE"], 2.0))
    }),
    Case::fault("store restarted, empty", |world, _| {
        Box::pin(async {
            world.store.restart();
            Ok(())
        })
    }),
    Case::fault("FLUSHALL, three times", |world, _| {
        Box::pin(async {
            for _ in 0..3 {
                told(world, &["FLUSHALL"], 1.0).await?;
            }
            Ok(())
        })
    })
    .quick(),
    Case::fault("SCRIPT FLUSH, three times", |world, _| {
        Box::pin(async {
            for _ in 0..3 {
                told(world, &["SCRIPT", "FLUSH"], 1.0).await?;
            }
            Ok(())
        })
    }),
    Case::fault("another password, and back", |world, _| {
        Box::pin(async {
            told(world, &["ACL", "SETUSER", USER, "resetpass", ">another"], 0.0).await?;
            told(world, &["CLIENT", "KILL", "USER", USER], 7.0).await?;
            told(world, &["ACL", "SETUSER", USER, "resetpass", &format!(">{PASSWORD}")], 0.0).await
        })
    }),
    Case::fault("no right to EVAL, and back", |world, _| {
        Box::pin(async {
            told(world, &["ACL", "SETUSER", USER, "-eval", "-evalsha"], 7.0).await?;
            told(world, &["ACL", "SETUSER", USER, "+@all"], 0.0).await
        })
    }),
    Case::fault("no right to entries, and back", |world, _| {
        Box::pin(async {
            told(world, &["ACL", "SETUSER", USER, "resetkeys", "~apikey:log:*", "~apikey:window:*"], 5.0)
                .await?;
            told(world, &["ACL", "SETUSER", USER, "~*"], 0.0).await
        })
    }),
    Case::fault("store full, noeviction", |world, _| {
        Box::pin(async {
            told(world, &["CONFIG", "SET", "maxmemory", "1"], 6.0).await?;
            told(world, &["CONFIG", "SET", "maxmemory", "0"], 0.0).await
        })
    })
    .quick(),
    Case::fault("store full, allkeys-lru", |world, _| {
        Box::pin(async {
            told(world, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"], 0.0).await?;
            told(world, &["CONFIG", "SET", "maxmemory", "1"], 6.0).await?;
            told(world, &["CONFIG", "SET", "maxmemory", "0"], 0.0).await
        })
    }),
    Case::fault("the log deleted, three times", |world, _| {
        Box::pin(async {
            for _ in 0..3 {
                let logs = world.store.command(&["KEYS", "apikey:log:*"]).list().unwrap_or_default();
                for log in logs.iter().filter_map(Reply::text) {
                    told(world, &["DEL", &log], 0.0).await?;
                }
                wait(1.0).await;
            }
            Ok(())
        })
    }),
    Case::fault("fail-over that loses removals", |world, _| Box::pin(fail_over(world))),
    Case::fault("fail-over that loses removals, with one witness", |world, _| Box::pin(one_witness(world)))
        .with(|| {
            let traffic = Traffic { removers: vec![0], ..Traffic::default() };
            Setup { traffic, ..Setup::default() }
        })
        .quick(),
    Case::fault("split brain", |world, _| Box::pin(split_brain(world)))
        .with(|| {
            let store_arguments = vec!["--min-replicas-max-lag", "1"];
            Setup { store_arguments, ..Setup::default() }
        })
        // The old primary notices each second that its replica has been silent for more than a second.
        .allow(Allowed { longer: 2 * SECOND + SECOND / 2, ..NOTHING })
        .quick(),
    Case::fault("clock of the store 5 s ahead, and back", |world, _| Box::pin(clock(world)))
        .with(with_other_clock),
];

async fn stopped(world: &mut World, seconds: f64) -> Result<(), String> {
    world.store.pause();
    wait(seconds).await;
    world.store.resume();
    Ok(())
}

/// Runs a command, and waits.
async fn told(world: &World, command: &[&str], seconds: f64) -> Result<(), String> {
    if let Reply::Error(error) = world.store.command(command) {
        return Err(format!("{command:?}: {error}"));
    }
    wait(seconds).await;
    Ok(())
}

/// The replica gets nothing of what the primary acknowledges in its last second.
async fn fail_over(world: &mut World) -> Result<(), String> {
    let replica = world.store.replica(&WITH_USER);
    wait(1.0).await;
    // Without the kill, the removals would wait for it in the socket.
    replica.pause();
    told(world, &["CLIENT", "KILL", "TYPE", "replica"], 1.0).await?;
    world.store.kill();
    wait(1.0).await;
    replica.resume();
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    world.store = replica;
    lead_all(world);
    Ok(())
}

/// One instance removes, and the others do not hear of it before the primary is lost. They reach the new primary a second
/// before that one. So they must not count as linked yet.
async fn one_witness(world: &mut World) -> Result<(), String> {
    let replica = world.store.replica(&WITH_USER);
    wait(1.0).await;
    replica.pause();
    told(world, &["CLIENT", "KILL", "TYPE", "replica"], 0.0).await?;
    let (witness, others) = world.proxies.split_at(1);
    others.iter().for_each(|proxy| proxy.set(|network| network.holds_requests = true));
    wait(0.6).await;
    world.store.kill();
    replica.resume();
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    for proxy in others {
        proxy.lead_to(replica.port());
        proxy.heal();
    }
    wait(1.0).await;
    witness[0].lead_to(replica.port());
    world.store = replica;
    Ok(())
}

fn lead_all(world: &World) {
    world.proxies.iter().for_each(|proxy| proxy.lead_to(world.store.port()));
}

/// The replica is promoted while the old primary still serves two instances. It refuses when it has been without a replica for
/// as long as `min-replicas-max-lag`.
async fn split_brain(world: &mut World) -> Result<(), String> {
    let link = Proxy::start(world.store.port()).await?;
    let primary = format!("127.0.0.1 {}", link.port);
    let replica = StoreServer::start(Product::Redis, &[&WITH_USER[..], &["--replicaof", &primary]].concat());
    replica.wait_until("it does not follow its primary", |replica| {
        replica.info("master_link_status").as_deref() == Some("up")
    });
    told(world, &["CONFIG", "SET", "min-replicas-to-write", "1"], 3.0).await?;
    link.set(|network| (network.holds_requests, network.holds_replies) = (true, true));
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    world.proxies[2].lead_to(replica.port());
    world.until_cut_off(&[0, 1]).await?;
    wait(4.0).await;
    world.store = replica;
    lead_all(world);
    Ok(())
}

/// Where the store reads by how much its clock is off.
const CLOCK: &str = "target/fleet/clock";

/// `libfaketime` gives the store another clock. Debian's Redis does not start with it, because of its allocator, jemalloc. So the
/// store is Valkey.
fn with_other_clock() -> Setup {
    let _ = std::fs::write(CLOCK, "+0");
    let file = std::env::current_dir().map(|folder| folder.join(CLOCK)).unwrap_or_default();
    let store_variables = vec![
        ("LD_PRELOAD", crate::faketime::library().unwrap_or_default()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Setup { product: Product::Valkey, store_variables, ..Setup::default() }
}

async fn clock(world: &World) -> Result<(), String> {
    crate::faketime::library()?;
    let before = time(world)?;
    for offset in ["+5", "-5", "+0"] {
        std::fs::write(CLOCK, offset).map_err(|error| format!("{CLOCK}: {error}"))?;
        wait(3.0).await;
        if offset == "+5" && time(world)? < before + 7 {
            return Err("libfaketime does not change the store's clock".to_owned());
        }
    }
    Ok(())
}

/// The store's own clock, in seconds.
fn time(world: &World) -> Result<u64, String> {
    let time = world.store.command(&["TIME"]).list().unwrap_or_default();
    let seconds = time.first().and_then(Reply::text).and_then(|text| text.parse().ok());
    seconds.ok_or_else(|| "the store does not tell its time".to_owned())
}
