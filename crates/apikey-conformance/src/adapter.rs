//! What an adapter gives to the suite, and how a case runs on it.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, time::Duration};

use apikey_core::Authenticator;
use tokio::{runtime::Builder, time::timeout};

/// A case that takes longer hangs.
const LONGEST_CASE: Duration = Duration::from_secs(60);

/// A framework under test.
pub trait Adapter: Send + Sync + 'static {
    /// The rules that this framework cannot follow. Each case says what it expects instead.
    const DIFFERENCES: Differences = Differences::NONE;

    /// Starts a server on a free loopback port with the routes of [`routes`](super::routes), protected by this
    /// authenticator. When this returns, the server must accept connections.
    ///
    /// The suite calls it within a multi-threaded Tokio runtime. If the framework needs a runtime of its own, start a
    /// thread and return the address.
    fn start(authenticator: Authenticator) -> impl Future<Output = RunningServer> + Send;
}

/// The known and allowed differences between frameworks. Nothing else may differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The framework drops header values that are not UTF-8 before the adapter sees them (Rocket). There such a
    /// request presents no key; elsewhere it is malformed.
    pub drops_values_that_are_not_utf8: bool,
    /// A protected handler without an authenticator does not compile or does not start, so there is no `GET
    /// /unwired`.
    pub refuses_unwired_earlier: bool,
    /// The framework cannot remove a header from a request. At start-up the adapter refuses an authenticator with
    /// `remove_credential` or `web_socket_protocol()`, and the suite leaves out the cases for them.
    pub cannot_remove_credential: bool,
    /// The framework waits for the first bytes of a body before it calls the adapter (Rocket looks for a form's
    /// `_method`).
    pub waits_for_the_start_of_a_body: bool,
    /// The framework itself reads the rest of a refused upload, within limits of its own, and may close the connection
    /// afterwards (actix). The suite leaves out the case for the authenticator's limit.
    pub reads_refused_uploads_itself: bool,
    /// Nobody can read the rest of an upload that an extractor refuses (Rocket's guards see no body). A client that sends
    /// its whole body before it reads may see a broken connection instead of the answer. The suite sends such uploads
    /// only to a layer.
    pub extractors_read_no_refused_upload: bool,
    /// The framework has no templates of routes (warp), so an observer hears of none.
    pub tells_no_route: bool,
}

impl Differences {
    /// No differences.
    pub const NONE: Self = Self {
        drops_values_that_are_not_utf8: false,
        refuses_unwired_earlier: false,
        cannot_remove_credential: false,
        waits_for_the_start_of_a_body: false,
        reads_refused_uploads_itself: false,
        extractors_read_no_refused_upload: false,
        tells_no_route: false,
    };
}

/// A server under test. Dropping it stops it.
pub struct RunningServer {
    address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

impl RunningServer {
    /// The server's address, and the function that stops it. The function need not wait until the server has stopped.
    pub fn new(address: SocketAddr, stop: impl FnOnce() + Send + 'static) -> Self {
        Self { address, stop: Some(Box::new(stop)) }
    }

    /// The address on which the server listens.
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

/// An [`Adapter`] as a value. With it the cases compile once instead of once for each framework.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    start: fn(Authenticator) -> Starting,
    differences: Differences,
}

impl Subject {
    /// The subject for this adapter.
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

/// Runs one case on an adapter. [`conformance_tests!`](crate::conformance_tests) expands to calls of this.
///
/// # Panics
///
/// If the adapter breaks the case's promise, or after a minute.
pub fn run<A: Adapter, F: Future<Output = ()>>(case: fn(Subject) -> F) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a Tokio runtime can be started");
    let outcome = runtime.block_on(async { timeout(LONGEST_CASE, case(Subject::of::<A>())).await });
    runtime.shutdown_background();
    assert!(outcome.is_ok(), "the case took longer than {} seconds", LONGEST_CASE.as_secs());
}
