//! The instances of a fleet.

use std::time::Duration;

use apikey_core::fleet::{FleetStore, SharedSecrets};
use apikey_core::{Authenticator, AuthenticatorBuilder, Verifier};
use apikey_redis::RedisStore;
use apikey_testkit::servers::StoreServer;
use tokio::time::{Instant, sleep};

/// The settings of an instance.
pub type Builder = AuthenticatorBuilder<Authenticator>;

/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// The secret of all fleets here. It protects nothing.
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A client of this server.
///
/// # Errors
/// If it can't be built, in words.
pub fn store(server: &StoreServer) -> Result<RedisStore, String> {
    RedisStore::builder(server.url()).build().map_err(|error| error.to_string())
}

/// One more instance of the fleet that shares this store.
///
/// # Errors
/// If it can't be built, in words.
pub fn instance(
    verifier: impl Verifier,
    store: impl FleetStore,
    configure: impl FnOnce(Builder) -> Builder,
) -> Result<Authenticator, String> {
    let secrets = SharedSecrets::parse(SECRET).map_err(|error| error.to_string())?;
    let builder = Authenticator::builder(verifier).shared(store, secrets);
    configure(builder).build().map_err(|error| error.to_string())
}

/// Waits until all of them are linked with their fleet.
///
/// # Errors
/// If that does not happen.
pub async fn until_linked(instances: &[Authenticator]) -> Result<(), String> {
    let is_linked = |keys: &Authenticator| keys.statistics().total("apikey.fleet.linked", &[]) == 1;
    until("all instances are linked", || instances.iter().all(is_linked)).await
}

/// Waits until this is true.
///
/// # Errors
/// If it is not true after 30 s.
pub async fn until(what: &str, mut is_true: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        if Instant::now() > deadline {
            return Err(format!("after {} s it is not true that {what}", PATIENCE.as_secs()));
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
