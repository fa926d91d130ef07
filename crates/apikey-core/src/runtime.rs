//! Where verifications run: on a thread of the authenticator's own, unless the application names a runtime.

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::config::ConfigError;

/// The runtime of all background work. A thread of its own ends with this value.
pub(crate) struct VerificationRuntime {
    handle: Handle,
    _thread: Option<Thread>,
}

/// Nothing is ever sent: that this end is gone is the message.
struct Thread {
    _stop: oneshot::Sender<()>,
}

impl VerificationRuntime {
    /// A thread of its own: no web worker that is blocked, or driven by nobody, delays a verification.
    pub(crate) fn on_a_thread() -> Result<Self, ConfigError> {
        let failed = |error: std::io::Error| {
            let problem = format!("the thread that verifies keys can't be started: {error}");
            ConfigError::new("verification_runtime", problem)
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, handle) = std::sync::mpsc::sync_channel(1);
        // The runtime is made and dropped on its own thread: a runtime must not be dropped within another one.
        let run = move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let _caller_waits = started.send(Ok(runtime.handle().clone()));
                let _gone = runtime.block_on(stopped);
                runtime.shutdown_background();
            }
            Err(error) => {
                let _caller_waits = started.send(Err(error));
            }
        };
        std::thread::Builder::new().name("apikey-verify".to_owned()).spawn(run).map_err(failed)?;
        let handle =
            handle.recv().map_err(|_| failed(std::io::Error::other("it ended at once")))?.map_err(failed)?;
        Ok(Self { handle, _thread: Some(Thread { _stop: stop }) })
    }

    /// The application's runtime.
    pub(crate) fn of_the_application(handle: Handle) -> Self {
        Self { handle, _thread: None }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}
