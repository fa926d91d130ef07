//! The surroundings of every case: the emulator, an authenticator and the reference server, over real sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apikey_axum::{Authenticator, AuthenticatorBuilder, ConfigError};
use apikey_core::{Clock, KindeSettings, KindeVerifier, MachineToMachine, SystemClock, Verifier};
use apikey_testkit::emulator::{DEFAULT_API_ID, Emulator, Endpoint, Fault, Gate};
use apikey_testkit::raw;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use example_shared::Store;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

/// A running server with a running emulator. Dropping it stops both.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) server: Server,
}

impl World {
    /// Starts both. `configure` sets up the authenticator.
    pub(crate) async fn start(
        configure: impl FnOnce(AuthenticatorBuilder<Authenticator>) -> AuthenticatorBuilder<Authenticator>,
    ) -> Result<Self, String> {
        let emulator =
            Emulator::start().await.map_err(|error| format!("the emulator does not start: {error}"))?;
        let server = Server::start(verifier(&emulator)?, configure).await?;
        Ok(Self { emulator, server })
    }

    /// Holds back every answer of the emulator until the gate opens.
    pub(crate) fn hold(&self) -> Gate {
        let gate = Gate::new();
        self.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
        gate
    }
}

/// The client of the emulator, as the reference servers build it.
pub(crate) fn verifier(emulator: &Emulator) -> Result<KindeVerifier, String> {
    verifier_at(&emulator.url(), emulator, Arc::new(SystemClock))
}

/// The client of an emulator at this URL, with its own clock.
pub(crate) fn verifier_at(
    url: &str,
    emulator: &Emulator,
    clock: Arc<dyn Clock>,
) -> Result<KindeVerifier, String> {
    let verifier = KindeVerifier::new(settings(url, emulator)).map_err(|error| error.to_string())?;
    verifier.use_clock(clock);
    Ok(verifier)
}

/// The client of an API that takes only keys of its own.
pub(crate) fn bound_verifier(emulator: &Emulator) -> Result<KindeVerifier, String> {
    let settings = settings(&emulator.url(), emulator).api_id(DEFAULT_API_ID);
    KindeVerifier::new(settings).map_err(|error| error.to_string())
}

fn settings(url: &str, emulator: &Emulator) -> KindeSettings {
    let credentials = MachineToMachine::new(emulator.client_id(), emulator.client_secret());
    KindeSettings::new(url).machine_to_machine(credentials).audience(emulator.audience())
}

/// The system's clock, which a test can move forward.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock(Mutex<Duration>);

impl ShiftedClock {
    pub(crate) fn shift(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Instant {
        Instant::now() + *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server on axum.
pub(crate) struct Server {
    pub(crate) keys: Authenticator,
    pub(crate) address: SocketAddr,
    received: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// The reference server.
    pub(crate) async fn start(
        verifier: impl Verifier,
        configure: impl FnOnce(AuthenticatorBuilder<Authenticator>) -> AuthenticatorBuilder<Authenticator>,
    ) -> Result<Self, String> {
        let reference = |keys: &Authenticator| example_axum::app(keys.clone(), Store::new(), None);
        Self::start_with(reference, verifier, configure).await
    }

    /// Another application on axum.
    pub(crate) async fn start_with(
        app: impl FnOnce(&Authenticator) -> Result<Router, ConfigError>,
        verifier: impl Verifier,
        configure: impl FnOnce(AuthenticatorBuilder<Authenticator>) -> AuthenticatorBuilder<Authenticator>,
    ) -> Result<Self, String> {
        let wrong = |error: ConfigError| error.to_string();
        let keys = configure(Authenticator::builder(verifier)).build().map_err(wrong)?;
        let received = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&received);
        let count = move |request: Request, next: Next| {
            counter.fetch_add(1, Ordering::SeqCst);
            next.run(request)
        };
        let app = app(&keys).map_err(wrong)?.layer(from_fn(count));
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let cannot = |error: std::io::Error| format!("the server does not start: {error}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the server has ended: {error}");
            }
        });
        Ok(Self { keys, address, received, task })
    }

    /// How many requests have reached the application.
    pub(crate) fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request that presents a key.
pub(crate) fn get(path: &str, secret: &str) -> Vec<u8> {
    raw::get(path, &[("Authorization", &format!("Bearer {secret}"))])
}

/// An error of a socket as a line for the report.
pub(crate) fn socket(error: std::io::Error) -> String {
    format!("a request got no answer: {error}")
}

/// A thread for verifications like an authenticator's own, but its tasks can be counted.
pub(crate) struct Verifications(Option<Runtime>);

impl Verifications {
    pub(crate) fn start() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime
            .map(|runtime| Self(Some(runtime)))
            .map_err(|error| format!("cannot start a Tokio runtime: {error}"))
    }

    pub(crate) fn handle(&self) -> Handle {
        self.0.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }

    /// How many tasks have not ended.
    pub(crate) fn tasks(&self) -> usize {
        self.handle().metrics().num_alive_tasks()
    }
}

impl Drop for Verifications {
    fn drop(&mut self) {
        // A task may not wait for the end of the thread.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
