//! One instance: a reference application in a process of its own, which tells each decision on its standard output.
//!
//! The programs of the reference servers are not used, because they have no command that removes a key, and their audit log
//! has no monotonic time. The applications are the same, and so are their frameworks.

mod commands;
mod notes;
mod serve;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use apikey_core::fleet::SharedSecrets;
use apikey_core::{AttemptLimit, Authenticator, ConfigError, KindeVerifier};
use apikey_redis::RedisStore;
use serde::{Deserialize, Serialize};

use crate::checker::Bounds;
use crate::clock::{MILLISECOND, SECOND};
use crate::history::Told;
pub(crate) use commands::Stats;
use notes::Notes;

/// The frameworks of the instances.
pub(crate) const FRAMEWORKS: [&str; 3] = ["axum", "actix", "rocket"];

/// The settings of an instance, beside the environment: `KINDE_*`, `REDIS_URL` and `APIKEY_SHARED_SECRET`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServerSettings {
    pub(crate) framework: String,
    pub(crate) time_to_live_ms: u64,
    pub(crate) unconfirmed_ms: u64,
    pub(crate) verification_ms: u64,
    /// In 15 minutes. 0: no limit.
    pub(crate) attempts: u32,
}

impl ServerSettings {
    /// What may be expected of an instance with these settings.
    pub(crate) fn bounds(&self) -> Bounds {
        let unconfirmed = self.unconfirmed_ms * MILLISECOND;
        Bounds {
            unconfirmed,
            reuse: unconfirmed.min(10 * SECOND),
            verification: self.verification_ms * MILLISECOND,
            time_to_live: self.time_to_live_ms * MILLISECOND,
            ..Bounds::default()
        }
    }

    fn authenticator(&self, notes: &Arc<Notes>) -> Result<Authenticator, ConfigError> {
        let limit = AttemptLimit::new(self.attempts, Duration::from_secs(900));
        Authenticator::builder(KindeVerifier::from_env()?)
            .shared(RedisStore::from_env()?, SharedSecrets::from_env()?)
            .cache_time_to_live(Duration::from_millis(self.time_to_live_ms))
            .serve_unconfirmed_for(Duration::from_millis(self.unconfirmed_ms))
            .verification_timeout(Duration::from_millis(self.verification_ms))
            .attempt_limit(Some(limit).filter(|_| self.attempts > 0))
            .observer(Arc::clone(notes) as Arc<dyn apikey_core::Observer>)
            .build()
    }
}

/// Serves until the process ends. The argument is the settings as JSON.
///
/// # Errors
/// If a setting is wrong, or the server can't listen.
pub fn run(settings: &str) -> Result<(), String> {
    example_shared::start_logging();
    let settings: ServerSettings = serde_json::from_str(settings).map_err(|error| error.to_string())?;
    let notes = Notes::start()?;
    let keys = settings.authenticator(&notes).map_err(|error| error.to_string())?;
    notes.ask(keys.clone());
    let commands = listener()?;
    let port = commands.local_addr().map_err(|error| error.to_string())?.port();
    commands::answer(commands, keys.clone(), Arc::clone(&notes))?;
    let ready = move |api| notes.tell(Told::Ready { api, commands: port });
    match settings.framework.as_str() {
        "axum" => serve::axum(keys, ready),
        "actix" => serve::actix(keys, ready),
        "rocket" => serve::rocket(keys, ready),
        other => Err(format!("there is no server on {other}")),
    }
}

fn listener() -> Result<TcpListener, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| format!("cannot listen: {error}"))
}
