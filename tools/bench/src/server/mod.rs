//! The servers under measurement. All have one route, behind a guard or bare. Its handler answers with the id of the
//! caller's key as JSON. Each server runs on its framework's default runtime.

mod actix;
mod axum;
mod hand_written;
mod rocket;
mod warp;

use std::net::TcpListener;
use std::time::Duration;

use apikey_core::{AttemptLimit, Authenticator, KindeSettings, KindeVerifier, PresentedKey, scopes};
use decision_bench::LeastCached;
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::keys;

scopes! { ReadUsers = "read:users"; }

/// Stands for the id of the key if nobody looks at keys. It is as long as those of good keys.
const NO_KEY: &str = "api_key_of_the_bench";
const JSON: &str = "application/json";
/// How many keys are verified at once before the server is ready.
const SEEDED_AT_ONCE: usize = 32;

/// What stands in front of the handler.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    Bare,
    /// Reads the header and the client's address, as every guard must, and lets all requests with a header pass.
    NoOp,
    /// Reads what [`NoOp`](Self::NoOp) reads, and looks the key up.
    LeastCached,
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
        Some("no-op") => Guard::NoOp,
        Some("least-cached") => Guard::LeastCached,
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

    /// The least cached guard, which knows the seeded keys.
    fn least_cached(&self) -> Result<LeastCached, String> {
        LeastCached::knowing((0..self.seed).map(keys::good).map(|key| {
            let id = keys::id(&key);
            (key, id)
        }))
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
}

/// The handler's answer.
#[derive(Serialize)]
struct Answer<'a> {
    key_id: &'a str,
}

/// The handler's answer as JSON.
fn json(key_id: &str) -> String {
    serde_json::to_string(&Answer { key_id }).unwrap_or_default()
}

fn no_hand_written_guard(framework: &str) -> String {
    format!("there is no hand-written guard for {framework}")
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

/// The runtime that `#[tokio::main]` makes.
fn runtime() -> Result<Runtime, String> {
    Runtime::new().map_err(|error| error.to_string())
}

fn listener() -> Result<TcpListener, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| format!("cannot listen: {error}"))
}
