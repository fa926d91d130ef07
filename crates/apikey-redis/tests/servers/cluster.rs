//! Clusters.

use apikey_testkit::servers::{Product, StoreServer};

use super::*;

fn url(cluster: &[StoreServer]) -> String {
    cluster[0].url().replace("redis://", "redis-cluster://")
}

/// Entries under many names, so that every server has some.
async fn works_everywhere(store: &RedisStore) -> Result<(), StoreError> {
    works(store).await?;
    for number in 0..50 {
        let name = Name([number; 16]);
        store.keep(&name, &entry("everywhere"), HOUR).await?;
        assert_eq!(store.look(&name).await?.entry, Some(entry("everywhere")));
        store.take(&name, 10, HOUR).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_of_one_server_works() {
    for product in Product::ALL {
        let cluster = StoreServer::cluster(product, 1, &[]);
        let store = connected(&url(&cluster)).await;
        eventually(async || works_everywhere(&store).await).await;
    }
}

#[tokio::test]
async fn a_cluster_spreads_entries_and_keeps_the_log_together() {
    for product in Product::ALL {
        let cluster = StoreServer::cluster(product, 3, &[]);
        let (one, other) = (connected(&url(&cluster)).await, connected(&url(&cluster)).await);
        eventually(async || works_everywhere(&one).await).await;
        append(&one, &[1, 2]).await.unwrap();
        append(&other, &[3]).await.unwrap();
        assert_eq!(numbers(&pull(&other).await.unwrap()), [1, 2, 3]);
        for server in &cluster {
            let keys = server.command(&["KEYS", "apikey:entry:*"]).list().unwrap();
            assert!(!keys.is_empty(), "a server has no entry");
        }
        // A hint reaches every server.
        while timeout(Duration::from_millis(500), other.hint(&LOG)).await.is_ok() {}
        append(&one, &[4]).await.unwrap();
        timeout(PATIENCE, other.hint(&LOG)).await.expect("a hint comes");
    }
}

#[tokio::test]
async fn a_moved_slot_is_followed() {
    let cluster = StoreServer::cluster(Product::Redis, 3, &[]);
    let store = connected(&url(&cluster)).await;
    eventually(async || works_everywhere(&store).await).await;
    append(&store, &[1]).await.unwrap();
    let before = pull(&store).await.unwrap();
    let key = format!("apikey:log:{}", "07".repeat(16));
    let apikey_testkit::servers::Reply::Number(slot) = cluster[0].command(&["CLUSTER", "KEYSLOT", &key])
    else {
        panic!("a slot is a number");
    };
    let slot = slot.to_string();
    let id = |server: &StoreServer| server.command(&["CLUSTER", "MYID"]).text().unwrap();
    let has_it = |server: &&StoreServer| {
        server.command(&["EXISTS", &key]) == apikey_testkit::servers::Reply::Number(1)
    };
    let from = cluster.iter().find(has_it).expect("a server has the log");
    let to = cluster.iter().find(|server| !has_it(server)).expect("another one does not");
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    assert_eq!(numbers(&pull(&store).await.unwrap()), [1], "it has not moved yet");
    from.command(&["MIGRATE", "127.0.0.1", &to.port().to_string(), &key, "0", "5000"]);
    assert!(is_unavailable(&pull(&store).await.unwrap_err()), "nobody is asked who only imports it");
    to.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    from.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    let after = eventually(async || pull(&store).await).await;
    assert_eq!(numbers(&after), [1]);
    assert_ne!(after.run, before.run, "another server has it");
    eventually(async || works_everywhere(&store).await).await;
}

/// A replica of one of the servers, that all of them know. It takes over only when it is told to. On a busy machine, it would
/// otherwise do so before a failure is seen.
fn replica_of(primary: &StoreServer, cluster: &[StoreServer], product: Product) -> StoreServer {
    let id = primary.command(&["CLUSTER", "MYID"]).text().unwrap();
    let of_replica = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
    let arguments = [&of_replica[..], &["--cluster-replica-no-failover", "yes"]].concat();
    let replica = StoreServer::start(product, &arguments);
    replica.command(&["CLUSTER", "MEET", "127.0.0.1", &primary.port().to_string()]);
    replica.wait_until("it does not follow", |replica| {
        replica.command(&["CLUSTER", "REPLICATE", &id]);
        replica.info("master_link_status").as_deref() == Some("up")
    });
    // The server that ends must not be the only one that knows the replica.
    for server in cluster.iter().chain([&replica]) {
        server.wait_until("it does not know every server", |server| {
            let info = server.command(&["CLUSTER", "INFO"]).text().unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4\r")
        });
    }
    replica
}

const PARTIAL: [&str; 2] = ["--cluster-require-full-coverage", "no"];

#[tokio::test]
async fn a_replica_that_takes_over_is_found() {
    for product in Product::ALL {
        let mut cluster = StoreServer::cluster(product, 3, &PARTIAL);
        let replica = replica_of(&cluster[0], &cluster, product);
        // The seed of the URL is not the server that ends.
        let store = connected(&url(&cluster[1..])).await;
        eventually(async || works_everywhere(&store).await).await;
        cluster[0].kill();
        eventually_fails(async || works_everywhere(&store).await, is_unavailable).await;
        replica.command(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
        eventually(async || works_everywhere(&store).await).await;
    }
}

/// The core gives a pull 200 ms, and a server that says nothing takes longer to be given up.
#[tokio::test]
async fn the_replica_of_a_silent_server_is_found_by_short_calls() {
    let cluster = StoreServer::cluster(Product::Redis, 3, &PARTIAL);
    let store = connected(&url(&cluster)).await;
    eventually(async || append(&store, &[1]).await).await;
    let log = format!("apikey:log:{}", "07".repeat(16));
    let has_it = |server: &&StoreServer| {
        server.command(&["EXISTS", &log]) == apikey_testkit::servers::Reply::Number(1)
    };
    let primary = cluster.iter().find(has_it).expect("a server has the log");
    let replica = replica_of(primary, &cluster, Product::Redis);
    primary.pause();
    let short_pull = async || {
        let late = |_| StoreError::Unavailable("late".to_owned());
        timeout(Duration::from_millis(200), store.pull(&LOG, None)).await.map_err(late)?
    };
    eventually_fails(short_pull, is_unavailable).await;
    replica.command(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    eventually(short_pull).await;
    primary.resume();
}

#[tokio::test]
async fn a_url_of_the_other_kind_is_told_apart() {
    let cluster = StoreServer::cluster(Product::Redis, 2, &[]);
    let no_cluster = StoreServer::start(Product::Redis, &[]);
    let error = store(&no_cluster.url().replace("redis:", "redis-cluster:")).check().await.unwrap_err();
    assert!(is_misconfigured(&error) && error.to_string().contains("`redis://`"), "{error}");
    // One of the two does not have the slot of the check.
    let errors: Vec<StoreError> = {
        let mut errors = Vec::new();
        for server in &cluster {
            errors.extend(store(&server.url()).check().await.err());
        }
        errors
    };
    assert!(errors.iter().any(|error| error.to_string().contains("`redis-cluster://`")), "{errors:?}");
}
