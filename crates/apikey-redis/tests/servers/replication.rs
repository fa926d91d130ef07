//! Replicas: a pull must never show less than what was appended.

use apikey_testkit::servers::{Product, StoreServer};

use super::*;

#[tokio::test]
async fn a_replica_refuses_pulls_and_appends() {
    for product in Product::ALL {
        let primary = StoreServer::start(product, &[]);
        let replica = primary.replica(&[]);
        append(&connected(&primary.url()).await, &[1]).await.unwrap();
        let store = store(&replica.url());
        for _ in 0..3 {
            assert!(is_unavailable(&eventually_refused(async || pull(&store).await).await));
            assert!(is_unavailable(&eventually_refused(async || append(&store, &[2]).await).await));
        }
        assert!(is_unavailable(&store.check().await.unwrap_err()));
    }
}

/// The error that is about replicas. Until there is a connection, another one may come.
async fn eventually_refused<T: std::fmt::Debug>(
    attempt: impl AsyncFn() -> Result<T, StoreError>,
) -> StoreError {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let error = attempt().await.expect_err("a replica does as it is told");
        if error.to_string().contains("READONLY") || error.to_string().contains("NOREPLICAS") {
            return error;
        }
        assert!(Instant::now() < deadline, "{error}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_primary_without_its_replicas_refuses_pulls() {
    for product in Product::ALL {
        let primary =
            StoreServer::start(product, &["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"]);
        let replica = primary.replica(&[]);
        // On a busy machine, the replica may be silent for more than a second at any time.
        let store = store(&primary.url());
        eventually(async || append(&store, &[1]).await).await;
        assert_eq!(numbers(&eventually(async || pull(&store).await).await), [1]);
        replica.pause();
        let is_refused =
            |error: &StoreError| error.to_string().contains("NOREPLICAS") && is_unavailable(error);
        eventually_fails(async || pull(&store).await, is_refused).await;
        eventually_fails(async || append(&store, &[2]).await, is_refused).await;
        replica.resume();
        eventually(async || pull(&store).await).await;
    }
}

#[tokio::test]
async fn a_promoted_replica_has_another_run() {
    for product in Product::ALL {
        let mut primary = StoreServer::start(product, &[]);
        let replica = primary.replica(&[]);
        let store = connected(&primary.url()).await;
        append(&store, &[1]).await.unwrap();
        let before = pull(&store).await.unwrap();
        replica.wait_until("the record does not come", |replica| {
            replica.info("master_repl_offset") == primary.info("master_repl_offset")
        });
        primary.kill();
        replica.command(&["REPLICAOF", "NO", "ONE"]);
        let after = pull(&connected(&replica.url()).await).await.unwrap();
        assert_eq!(numbers(&after), [1]);
        assert_ne!(after.run, before.run);
    }
}

/// An instance may miss that another server was the primary for a while, and keep its connection.
#[tokio::test]
async fn a_primary_that_was_a_replica_meanwhile_has_another_run() {
    for product in Product::ALL {
        let one = StoreServer::start(product, &[]);
        let other = StoreServer::start(product, &[]);
        let store = connected(&one.url()).await;
        append(&store, &[1]).await.unwrap();
        let before = pull(&store).await.unwrap();
        one.command(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
        one.wait_until("it does not follow", |one| one.info("master_link_status").as_deref() == Some("up"));
        one.command(&["REPLICAOF", "NO", "ONE"]);
        let after = eventually(async || pull(&store).await).await;
        assert_eq!(numbers(&after), [0_u8; 0], "its log was replaced");
        assert_ne!(after.run, before.run);
    }
}

/// The primary acknowledged a record that its replica never got.
#[tokio::test]
async fn a_fail_over_that_lost_a_record_is_told_apart() {
    let mut primary = StoreServer::start(Product::Redis, &[]);
    let replica = primary.replica(&[]);
    let store = connected(&primary.url()).await;
    append(&store, &[1]).await.unwrap();
    let seen_by_both = pull(&store).await.unwrap();
    replica.wait_until("the record does not come", |replica| {
        replica.info("master_repl_offset") == primary.info("master_repl_offset")
    });
    // Without the kill, the record would wait for it in the socket.
    replica.pause();
    primary.command(&["CLIENT", "KILL", "TYPE", "replica"]);
    append(&store, &[2]).await.unwrap();
    let tips = pull(&store).await.unwrap().records;
    primary.kill();
    replica.resume();
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    let store = connected(&replica.url()).await;
    // Who saw the lost record is told so. Who did not must be kept waiting by the new run.
    assert!(!store.pull(&LOG, Some(&tips[1].0)).await.unwrap().goes_on);
    let shown = store.pull(&LOG, Some(&tips[0].0)).await.unwrap();
    assert!(shown.goes_on && shown.records.is_empty());
    assert_ne!(shown.run, seen_by_both.run);
}
