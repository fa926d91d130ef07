//! What a fleet costs its store while nobody asks for anything.

use std::time::Duration;

use apikey_core::Authenticator;
use apikey_testkit::servers::{Product, StoreServer};
use fleet_bench::{Kinde, instance, store, until, until_linked};

/// What grows with each change that a server must keep, send to its replicas, or write to its file.
const CHANGES: [&str; 3] = ["rdb_changes_since_last_save", "master_repl_offset", "aof_current_size"];
/// How many pulls must change nothing. Three instances make them in about 5 s.
const PULLS: u64 = 60;

fn changes(server: &StoreServer) -> [u64; 3] {
    CHANGES.map(|name| server.info(name).and_then(|value| value.parse().ok()).expect(name))
}

/// How many scripts were run.
fn scripts(server: &StoreServer) -> u64 {
    let calls = server.info("cmdstat_evalsha").unwrap_or_default();
    let calls = calls.split(',').find_map(|part| part.strip_prefix("calls=")?.parse().ok());
    calls.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_fleet_changes_nothing_in_its_store() {
    for product in Product::ALL {
        // A replica's pings would count, too.
        let arguments = ["--appendonly", "yes", "--repl-ping-replica-period", "3600"];
        let server = StoreServer::start(product, &arguments);
        let replica = server.replica(&[]);
        let new =
            |_| instance(Kinde::new(Duration::ZERO), store(&server).unwrap(), |builder| builder).unwrap();
        let instances = [0, 1, 2].map(new);
        until_linked(&instances).await.unwrap();
        let (before, pulled) = (changes(&server), scripts(&server));
        until("they pull", || scripts(&server) >= pulled + PULLS).await.unwrap();
        assert_eq!(changes(&server), before, "{product:?}: {CHANGES:?}");
        assert!(instances.iter().all(is_linked));

        // A change would have been seen.
        instances[0].remove_key_id("a key").await;
        until("the file has the change", || {
            changes(&server).iter().zip(before).all(|(now, before)| *now > before)
        })
        .await
        .unwrap();
        drop(replica);
    }
}

fn is_linked(keys: &Authenticator) -> bool {
    keys.statistics().total("apikey.fleet.linked", &[]) == 1
}
