//! What every store must promise. [`store_tests!`](crate::store_tests) makes a test of each function.
//!
//! Like tests, they panic if a promise is broken.

pub mod calls;
pub mod entries;
pub mod log;
pub mod windows;

use std::future::Future;
use std::time::Duration;

use apikey_core::fleet::Name;
use tokio::time::{Instant, sleep};

/// Long enough that nothing ends during a test.
const HOUR: Duration = Duration::from_secs(3600);
/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a promise in a runtime of its own.
#[doc(hidden)]
pub fn run(promise: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be built").block_on(promise);
}

/// 16 bytes that nobody else has.
fn fresh() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

fn name() -> Name {
    Name(fresh())
}

/// Tries until there is something.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}
