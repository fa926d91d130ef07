//! Servers that end, stop, forget, or never answer.

use std::net::TcpListener;

use apikey_testkit::servers::{Product, StoreServer};

use super::*;

#[tokio::test]
async fn a_store_is_built_though_its_server_is_away() {
    let port = apikey_testkit::servers::free_port();
    let store = store(&format!("redis://127.0.0.1:{port}"));
    assert!(is_unavailable(&store.check().await.unwrap_err()));
    assert!(is_unavailable(&pull(&store).await.unwrap_err()));
    let _server = StoreServer::start_on(Product::Redis, port, &[]);
    eventually(async || works(&store).await).await;
}

#[tokio::test]
async fn a_request_fails_at_once_without_a_connection() {
    let port = apikey_testkit::servers::free_port();
    let store = store(&format!("redis://127.0.0.1:{port}"));
    // Nothing is awaited that takes time, so this is done when it is polled once.
    for _ in 0..100 {
        let look = std::pin::pin!(store.look(&NAME));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(matches!(look.poll(&mut context), std::task::Poll::Ready(Err(_))));
    }
}

#[tokio::test]
async fn a_server_that_was_killed_is_found_again_with_another_run() {
    for product in Product::ALL {
        let mut server = StoreServer::start(product, &[]);
        let store = connected(&server.url()).await;
        append(&store, &[1]).await.unwrap();
        let before = pull(&store).await.unwrap();
        server.kill();
        eventually_fails(async || pull(&store).await, is_unavailable).await;
        server.restart();
        let after = eventually(async || pull(&store).await).await;
        assert_ne!(after.run, before.run);
        assert_eq!(numbers(&after), [0_u8; 0]);
        let tip = &before.records[0].0;
        assert!(!store.pull(&LOG, Some(tip)).await.unwrap().goes_on);
        works(&store).await.unwrap();
    }
}

#[tokio::test]
async fn a_stopped_server_fails_in_time_and_works_afterwards() {
    let server = StoreServer::start(Product::Redis, &[]);
    let store = connected(&server.url()).await;
    works(&store).await.unwrap();
    server.pause();
    for _ in 0..3 {
        assert!(is_unavailable(&works(&store).await.unwrap_err()));
    }
    // The core says this when it has lost touch.
    store.rediscover();
    assert!(is_unavailable(&pull(&store).await.unwrap_err()));
    server.resume();
    eventually(async || works(&store).await).await;
}

/// A pull must show everything that was appended before. A primary that is about to hand over answers no pull.
#[tokio::test]
async fn a_primary_that_pauses_writing_answers_no_pull() {
    for product in Product::ALL {
        let server = StoreServer::start(product, &[]);
        let store = connected(&server.url()).await;
        works(&store).await.unwrap();
        server.command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
        assert!(is_unavailable(&pull(&store).await.unwrap_err()));
        server.command(&["CLIENT", "UNPAUSE"]);
        eventually(async || works(&store).await).await;
        // This pauses `UNPAUSE`, too.
        server.command(&["CLIENT", "PAUSE", "2000", "ALL"]);
        assert!(is_unavailable(&pull(&store).await.unwrap_err()));
        eventually(async || works(&store).await).await;
    }
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_is_told_them_again() {
    for product in Product::ALL {
        let server = StoreServer::start(product, &[]);
        let store = connected(&server.url()).await;
        for _ in 0..3 {
            server.command(&["SCRIPT", "FLUSH"]);
            works(&store).await.unwrap();
            append(&store, &[1]).await.unwrap();
        }
    }
}

/// The store remembers nothing of a log that is gone, so what was in it can be appended again.
#[tokio::test]
async fn a_log_that_was_lost_takes_its_records_again() {
    for product in Product::ALL {
        let server = StoreServer::start(product, &[]);
        let store = connected(&server.url()).await;
        append(&store, &[1, 2]).await.unwrap();
        let tip = pull(&store).await.unwrap().records[1].0.clone();
        server.command(&["FLUSHALL"]);
        let lost = store.pull(&LOG, Some(&tip)).await.unwrap();
        assert!(!lost.goes_on && lost.records.is_empty());
        append(&store, &[1]).await.unwrap();
        let again = store.pull(&LOG, Some(&tip)).await.unwrap();
        assert!(!again.goes_on);
        assert_eq!(numbers(&again), [1]);
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_replaced() {
    let server = StoreServer::start(Product::Redis, &[]);
    let store = connected(&server.url()).await;
    for _ in 0..3 {
        works(&store).await.unwrap();
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        eventually(async || works(&store).await).await;
    }
}

/// The server accepts connections and says nothing, as if a firewall dropped everything.
#[tokio::test]
async fn a_server_that_never_answers_makes_no_call_hang() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = store(&format!("redis://{}", listener.local_addr().unwrap()));
    assert!(is_unavailable(&pull(&store).await.unwrap_err()));
    assert!(is_unavailable(&store.look(&NAME).await.unwrap_err()));
    assert!(is_unavailable(&timeout(PATIENCE, store.check()).await.expect("a check ends").unwrap_err()));
}

#[tokio::test]
async fn an_append_is_a_hint_for_other_instances() {
    for product in Product::ALL {
        let mut server = StoreServer::start(product, &[]);
        let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
        for round in 1..=2 {
            // The first hints say that listening has begun.
            while timeout(Duration::from_millis(500), other.hint(&LOG)).await.is_ok() {}
            append(&one, &[round]).await.unwrap();
            timeout(PATIENCE, other.hint(&LOG)).await.expect("a hint comes");
            server.restart();
            eventually(async || works(&one).await).await;
            // It listens anew by itself.
            timeout(PATIENCE, other.hint(&LOG)).await.expect("a hint comes when it listens again");
        }
    }
}

#[test]
fn a_store_outlives_the_runtime_that_it_was_first_used_in() {
    let server = StoreServer::start(Product::Redis, &[]);
    let store = store(&server.url());
    for _ in 0..2 {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            eventually(async || works(&store).await).await;
            let _ = timeout(Duration::from_millis(300), store.hint(&LOG)).await;
        });
    }
}

#[test]
fn a_call_outside_of_a_runtime_fails_and_does_not_panic() {
    let store = store("redis://127.0.0.1:1");
    let look = std::pin::pin!(store.look(&NAME));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = look.poll(&mut context) else { panic!("it must fail at once") };
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}
