#![allow(clippy::async_yields_async, reason = "what is left of a dial is looked at later")]

use super::*;
use std::future::{pending, ready};
use std::time::Duration;
use tokio::task::yield_now;

/// A connector whose connections take one more poll.
#[derive(Clone)]
struct SlowConnector;

impl Service<()> for SlowConnector {
    type Response = ();
    type Error = ();
    type Future = Pin<Box<dyn Future<Output = Result<(), ()>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        Box::pin(async {
            yield_now().await;
            Ok(())
        })
    }
}

fn connector() -> WatchedConnector<SlowConnector> {
    WatchDials.layer(SlowConnector)
}

#[tokio::test]
async fn a_request_that_dials_is_on_a_new_connection() {
    let dial = Dial::default();
    assert!(dial.is_reused(), "no dial so far");
    dial.clone().watch(async { connector().call(()).await }).await.unwrap();
    assert!(!dial.is_reused());
    let silent = tokio::time::timeout(Duration::from_millis(1), dial.clone().watch(pending::<()>())).await;
    assert!(silent.is_err() && !dial.is_reused());
}

#[tokio::test]
async fn a_request_without_a_dial_is_on_a_reused_connection() {
    let dial = Dial::default();
    dial.clone().watch(ready(())).await;
    assert!(dial.is_reused());
}

/// The client lets a dial go on in a task of its own if another connection was free first.
#[tokio::test]
async fn a_request_that_leaves_its_dial_is_on_a_reused_connection() {
    let dial = Dial::default();
    let mut left = dial.clone().watch(async { connector().call(()) }).await;
    dial.clone()
        .watch(async {
            assert!(
                std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut left).poll(context)))
                    .await
                    .is_pending()
            )
        })
        .await;
    assert!(!dial.is_reused(), "it still dials");
    tokio::spawn(left).await.unwrap().unwrap();
    assert!(dial.is_reused());
}

/// The client sends a request again that it could not send, and an earlier dial may end after that.
#[tokio::test]
async fn the_latest_dial_of_a_request_counts() {
    let dial = Dial::default();
    let left = dial.clone().watch(async { connector().call(()) }).await;
    dial.clone().watch(async { connector().call(()).await }).await.unwrap();
    tokio::spawn(left).await.unwrap().unwrap();
    assert!(!dial.is_reused());
}

#[tokio::test]
async fn dials_of_two_requests_are_told_apart() {
    let (one, other) = (Dial::default(), Dial::default());
    tokio::join!(
        one.clone().watch(async { connector().call(()).await.unwrap() }),
        other.clone().watch(yield_now())
    );
    assert!(!one.is_reused() && other.is_reused());
}
