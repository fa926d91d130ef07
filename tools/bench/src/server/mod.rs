//! The servers under measurement. All have one route with the same handler and answer, behind a guard or bare. Each
//! serves requests on one thread.

mod actix;
mod axum;
mod hand_written;
mod rocket;
mod warp;

use std::net::TcpListener;
use std::time::Duration;

use apikey_core::{AttemptLimit, Authenticator, KindeSettings, KindeVerifier, PresentedKey, scopes};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::keys;

scopes! { ReadUsers = "read:users"; }

/// The handler's answer.
const ANSWER: &str = r#"{"users":[]}"#;
/// How many keys are verified at once before the server is ready.
const SEEDED_AT_ONCE: usize = 32;

/// What stands in front of the handler.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    Bare,
    /// Bare, but with the clients' addresses, which axum provides only if asked.
    WithAddresses,
    /// `Scoped<ReadUsers>` in the handler's signature. In warp, the filter.
    Scoped,
    /// `require(policy)` around the route.
    Require,
    HandWritten,
}

struct Settings {
    guard: Guard,
    upstream: String,
    /// How many good keys are in the cache before the first request.
    seed: u64,
}

/// Serves until the process ends.
pub(crate) fn serve(arguments: &[String]) -> Result<(), String> {
    let mut arguments = Arguments::new(arguments);
    let framework = arguments.text("--framework")?.ok_or("which --framework?")?;
    let guard = match arguments.text("--guard")?.as_deref() {
        None | Some("bare") => Guard::Bare,
        Some("with-addresses") => Guard::WithAddresses,
        Some("scoped") => Guard::Scoped,
        Some("require") => Guard::Require,
        Some("hand-written") => Guard::HandWritten,
        Some(other) => return Err(format!("there is no guard '{other}'")),
    };
    let upstream = arguments.text("--upstream")?.unwrap_or_else(|| "http://127.0.0.1:1".to_owned());
    let seed = arguments.number("--seed")?.unwrap_or(0);
    arguments.end()?;
    let settings = Settings { guard, upstream, seed };
    match framework.as_str() {
        "axum" => axum::serve(&settings),
        "actix" => actix::serve(&settings),
        "rocket" => rocket::serve(&settings),
        "warp" => warp::serve(&settings),
        other => Err(format!("there is no server for '{other}'")),
    }
}

impl Settings {
    /// The authenticator. Only the limit of attempts is lifted, because every request comes from one address.
    fn authenticator(&self) -> Result<Authenticator, String> {
        let verifier = KindeVerifier::new(KindeSettings::new(&*self.upstream).without_token());
        Authenticator::builder(verifier.map_err(|error| error.to_string())?)
            .cache_capacity(250_000)
            .attempt_limit(AttemptLimit::new(u32::MAX, Duration::from_secs(900)))
            .build()
            .map_err(|error| error.to_string())
    }

    /// [`authenticator`](Self::authenticator), with the seeded keys in its cache.
    async fn seeded(&self) -> Result<Authenticator, String> {
        let authenticator = self.authenticator()?;
        let verify = |number| {
            let authenticator = authenticator.clone();
            async move {
                let key = PresentedKey::parse(&keys::good(number)).map_err(|error| error.to_string())?;
                authenticator.verify(key).await.map(drop).map_err(|denial| denial.to_string())
            }
        };
        seed(self.seed, verify).await?;
        Ok(authenticator)
    }

    fn no_such_guard(&self, framework: &str) -> String {
        let name = match self.guard {
            Guard::HandWritten => "hand-written guard",
            Guard::WithAddresses => "server with addresses",
            Guard::Bare | Guard::Scoped | Guard::Require => "such guard",
        };
        format!("there is no {name} for {framework}")
    }
}

/// Verifies the first good keys, some at once.
async fn seed<F>(count: u64, verify: impl Fn(u64) -> F) -> Result<(), String>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for number in 0..count {
        if under_way.len() == SEEDED_AT_ONCE {
            finished(under_way.join_next().await)?;
        }
        under_way.spawn(verify(number));
    }
    while !under_way.is_empty() {
        finished(under_way.join_next().await)?;
    }
    Ok(())
}

fn finished(joined: Option<Result<Result<(), String>, tokio::task::JoinError>>) -> Result<(), String> {
    match joined {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(message))) => Err(format!("a key could not be verified: {message}")),
        Some(Err(error)) => Err(error.to_string()),
    }
}

fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}

fn listener() -> Result<TcpListener, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| format!("cannot listen: {error}"))
}
