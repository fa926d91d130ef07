//! Where the background work runs: on a thread of the authenticator's own, unless the application names a
//! runtime.

use std::pin::Pin;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;

use crate::config_error::ConfigError;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How many pieces of work the thread takes from its queue at once.
const AT_ONCE: usize = 64;

/// The runtime of the background work. The authenticator's own thread ends when this is dropped.
pub(crate) enum VerificationRuntime {
    /// The queue of the authenticator's own thread. If several pieces of work come at once, they wake the
    /// thread once. With `Handle::spawn`, a flood would pay for a system call for each of them.
    Thread(mpsc::UnboundedSender<Work>),
    Application(Handle),
}

impl VerificationRuntime {
    /// Starts a thread of its own. So a web worker that is blocked, or a runtime that nobody drives, delays no
    /// verification.
    pub(crate) fn on_a_thread() -> Result<Self, ConfigError> {
        let failed = |error: std::io::Error| {
            let problem = format!("the thread that verifies keys can't be started: {error}");
            ConfigError::new("verification_runtime", problem)
        };
        let (queue, mut work) = mpsc::unbounded_channel::<Work>();
        let (started, outcome) = std::sync::mpsc::sync_channel(1);
        // The runtime is made and dropped on its own thread, because a runtime must not be dropped within
        // another one.
        let run = move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let _caller_waits = started.send(Ok(()));
                runtime.block_on(async {
                    let mut some = Vec::with_capacity(AT_ONCE);
                    // It ends when the authenticator is dropped, and the queue's sender with it.
                    while work.recv_many(&mut some, AT_ONCE).await > 0 {
                        some.drain(..).for_each(|work| drop(tokio::spawn(work)));
                    }
                });
                runtime.shutdown_background();
            }
            Err(error) => {
                let _caller_waits = started.send(Err(error));
            }
        };
        std::thread::Builder::new().name("apikey-verify".to_owned()).spawn(run).map_err(failed)?;
        outcome.recv().map_err(|_| failed(std::io::Error::other("it ended at once")))?.map_err(failed)?;
        Ok(Self::Thread(queue))
    }

    /// Starts a piece of work.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self {
            // If the thread is gone, the work is dropped. Dropping a flight tells its waiters.
            Self::Thread(queue) => drop(queue.send(Box::pin(work))),
            Self::Application(handle) => drop(handle.spawn(work)),
        }
    }
}
