use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, advance, sleep};

use super::*;

fn fault() -> Fault {
    Fault::Unavailable("away".to_owned())
}

#[tokio::test(start_paused = true)]
async fn callers_share_one_try() {
    static TRIES: AtomicU32 = AtomicU32::new(0);
    let kept = Kept::new();
    let make = || async {
        sleep(Duration::from_millis(100)).await;
        Ok(TRIES.fetch_add(1, Ordering::Relaxed))
    };
    assert!(kept.at_once(make).is_err());
    let (one, other) = tokio::join!(kept.soon(make), kept.soon(make));
    assert_eq!((one, other), (Ok(0), Ok(0)));
    assert_eq!(kept.at_once(make), Ok(0));
}

#[tokio::test(start_paused = true)]
async fn the_pause_between_tries_never_exceeds_250_ms() {
    let kept = Kept::<()>::new();
    let begin = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let earlier = begin.elapsed().as_millis();
        assert_eq!(kept.soon(|| async { Err(fault()) }).await, Err(fault()));
        pauses.push(begin.elapsed().as_millis() - earlier);
    }
    assert_eq!(pauses, [0, 50, 100, 200, 250, 250, 250, 250]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_try_is_told_at_once_and_not_repeated_early() {
    let kept = Kept::<u32>::new();
    kept.soon(|| async { Err(fault()) }).await.unwrap_err();
    assert_eq!(kept.at_once(|| async { Ok(1) }), Err(fault()), "it is too early");
    advance(Duration::from_millis(51)).await;
    assert_eq!(kept.at_once(|| async { Ok(2) }), Err(fault()), "it begins");
    assert_eq!(kept.soon(|| async { Ok(3) }).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn the_old_one_stays_until_the_new_one_is_there() {
    let kept = Kept::new();
    kept.soon(|| async { Ok(1) }).await.unwrap();
    kept.renew(|| async { Err(fault()) });
    sleep(Duration::from_millis(300)).await;
    assert_eq!(kept.there(), Some(1));
    kept.renew(|| async { Ok(2) });
    sleep(Duration::from_millis(1)).await;
    assert_eq!(kept.there(), Some(2));
    kept.forget(|value| *value == 1);
    assert_eq!(kept.there(), Some(2), "another one is meant");
    kept.forget(|value| *value == 2);
    assert_eq!(kept.there(), None);
}

#[test]
fn a_try_that_ends_with_its_runtime_is_begun_anew() {
    let kept = Kept::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime().block_on(async {
        kept.at_once(std::future::pending::<Result<u32, Fault>>).unwrap_err();
    });
    assert_eq!(runtime().block_on(kept.soon(|| async { Ok(1) })), Ok(1));
}
