//! What an adapter brings to the suite, and how one case is run on it.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, time::Duration};

use apikey_core::Authenticator;
use tokio::{runtime::Builder, time::timeout};

/// No case takes longer unless something hangs.
const LONGEST_CASE: Duration = Duration::from_secs(60);

/// A framework under test.
pub trait Adapter: Send + Sync + 'static {
    /// Where this framework can't do as the others; each case says what it expects instead.
    const DIFFERENCES: Differences = Differences::NONE;

    /// Starts a server that offers the routes of [`routes`](super::routes), protected by this authenticator, on a free
    /// loopback port. It must accept connections once this returns.
    ///
    /// It is called within a multi-threaded Tokio runtime. A framework that wants a runtime of its own starts a
    /// thread and hands the address back.
    fn start(authenticator: Authenticator) -> impl Future<Output = RunningServer> + Send;
}

/// The differences between frameworks that are known and allowed. Nothing else may differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The framework drops header values that are not UTF-8 before anybody sees them (Rocket): such a value is nothing
    /// presented there, and malformed elsewhere.
    pub drops_values_that_are_not_utf8: bool,
    /// A protected handler without an authenticator does not compile or does not start, so that there is no
    /// `GET /unwired` to ask.
    pub refuses_unwired_earlier: bool,
    /// The framework can't take a header out of a request. The adapter then refuses an authenticator with
    /// `remove_credential` at start-up; the cases about it are left out.
    pub cannot_remove_credential: bool,
    /// The framework waits for the first bytes of a body before anybody can refuse a request (Rocket looks there for a
    /// form's `_method`).
    pub waits_for_the_start_of_a_body: bool,
}

impl Differences {
    /// None.
    pub const NONE: Self = Self {
        drops_values_that_are_not_utf8: false,
        refuses_unwired_earlier: false,
        cannot_remove_credential: false,
        waits_for_the_start_of_a_body: false,
    };
}

/// A server under test. Dropping it stops it.
pub struct RunningServer {
    address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

impl RunningServer {
    /// The address it listens on, and what stops it. The stop need not wait for the end.
    pub fn new(address: SocketAddr, stop: impl FnOnce() + Send + 'static) -> Self {
        Self { address, stop: Some(Box::new(stop)) }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RunningServer").field("address", &self.address).finish_non_exhaustive()
    }
}

type Starting = Pin<Box<dyn Future<Output = RunningServer> + Send>>;

/// An [`Adapter`] as a value, so that the cases are compiled once and not for each framework.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    start: fn(Authenticator) -> Starting,
    differences: Differences,
}

impl Subject {
    /// The adapter's.
    #[must_use]
    pub fn of<A: Adapter>() -> Self {
        Self { start: |authenticator| Box::pin(A::start(authenticator)), differences: A::DIFFERENCES }
    }

    pub(crate) async fn start(self, authenticator: Authenticator) -> RunningServer {
        (self.start)(authenticator).await
    }

    pub(crate) fn differences(self) -> Differences {
        self.differences
    }
}

/// Runs one case on an adapter; what [`conformance_tests!`](crate::conformance_tests) expands to.
///
/// # Panics
///
/// When the adapter breaks the case's promise, or a minute passes.
pub fn run<A: Adapter, F: Future<Output = ()>>(case: fn(Subject) -> F) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a Tokio runtime can be started");
    let outcome = runtime.block_on(async { timeout(LONGEST_CASE, case(Subject::of::<A>())).await });
    runtime.shutdown_background();
    assert!(outcome.is_ok(), "the case took longer than {} seconds", LONGEST_CASE.as_secs());
}
