//! What makes an authenticator one of a fleet. Without the feature `fleet`, each is alone.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "fleet")]
use super::AuthenticatorBuilder;
#[cfg(feature = "fleet")]
use crate::authenticator::Authenticator;
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::engine::{CutOff, Engine};
#[cfg(feature = "fleet")]
use crate::fleet::{FleetStore, Instance, Sealer, SharedSecrets};
use crate::key::Fingerprinter;
use crate::peers::Peers;

/// How long a cut-off instance reuses an answer without asking Kinde again.
const REUSED_FOR: Duration = Duration::from_secs(10);

/// The fleet that an authenticator is to be of.
pub(super) struct FleetSettings {
    #[cfg(feature = "fleet")]
    pub(super) shared: Option<(Arc<dyn FleetStore>, SharedSecrets)>,
    /// How long a cut-off instance serves what Kinde can't confirm.
    pub(super) unconfirmed_for: Duration,
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self {
            #[cfg(feature = "fleet")]
            shared: None,
            unconfirmed_for: Duration::from_secs(60),
        }
    }
}

#[cfg(feature = "fleet")]
impl<A: From<Authenticator>> AuthenticatorBuilder<A> {
    /// Makes this one of a fleet of instances, which share verifications, limits of attempts, and removals through a store.
    /// [`fleet`](crate::fleet) says what that promises. All instances need the same store and the same secrets.
    ///
    /// Building never waits for the store, and does not fail because it is away. Until the store has answered for 2 s, the
    /// instance works on its own.
    ///
    /// ```
    /// # async fn example<S: apikey_core::fleet::FleetStore>(store: S) -> Result<(), Box<dyn std::error::Error>> {
    /// use apikey_core::fleet::SharedSecrets;
    /// use apikey_core::{Authenticator, KindeVerifier};
    ///
    /// // `store` may be the `RedisStore` of `apikey-redis`.
    /// let keys = Authenticator::builder(KindeVerifier::from_env()?)
    ///     .shared(store, SharedSecrets::from_env()?)
    ///     .build()?;
    /// keys.remove_key_id("api_key_123").await; // now every instance hears of it within 0.9 s
    /// # Ok(()) }
    /// ```
    pub fn shared(
        mut self,
        store: impl crate::fleet::FleetStore,
        secrets: crate::fleet::SharedSecrets,
    ) -> Self {
        self.fleet.shared = Some((Arc::new(store), secrets));
        self
    }

    /// How long an instance that is cut off from its fleet serves an answer that Kinde can't confirm, counted from when Kinde was
    /// asked for it, or from when the instance was last linked. Default 60 s, at most a day. Zero: it serves none, and every request
    /// asks Kinde while the instance is cut off. It changes nothing without [`shared`](Self::shared).
    pub fn serve_unconfirmed_for(mut self, time: Duration) -> Self {
        self.fleet.unconfirmed_for = time;
        self
    }
}

/// An authenticator's fleet, before there is an engine.
pub(super) enum Membership {
    Alone,
    #[cfg(feature = "fleet")]
    Shared(Arc<dyn FleetStore>, Box<Sealer>),
}

/// The other instances, and the work that keeps in touch with them.
pub(super) struct Joined {
    pub(super) peers: Arc<dyn Peers>,
    pub(super) work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl FleetSettings {
    fn is_shared(&self) -> bool {
        #[cfg(feature = "fleet")]
        return self.shared.is_some();
        #[cfg(not(feature = "fleet"))]
        return false;
    }

    /// # Errors
    /// [`ConfigError`] if the operating system gives no random numbers.
    pub(super) fn cut_off(&self, verification: Duration) -> Result<Option<CutOff>, ConfigError> {
        if !self.is_shared() {
            return Ok(None);
        }
        let seed = getrandom::u64().map_err(|error| {
            ConfigError::new("random numbers", format!("the operating system returned none: {error}"))
        })?;
        let serves_for = self.unconfirmed_for;
        Ok(Some(CutOff { reused_for: REUSED_FOR.min(serves_for), serves_for, verification, seed }))
    }

    /// # Errors
    /// [`ConfigError`], naming the setting that can't be used.
    pub(super) fn membership(self, realm: &str) -> Result<Membership, ConfigError> {
        #[cfg(feature = "fleet")]
        if let Some((store, secrets)) = self.shared {
            return Ok(Membership::Shared(store, Box::new(Sealer::new(&secrets, realm)?)));
        }
        let _alone = realm;
        Ok(Membership::Alone)
    }
}

impl Membership {
    /// # Errors
    /// [`ConfigError`] if the operating system gives no random numbers.
    pub(super) fn fingerprinter(&self) -> Result<Fingerprinter, ConfigError> {
        match self {
            Self::Alone => Fingerprinter::random(),
            #[cfg(feature = "fleet")]
            Self::Shared(_, sealer) => Ok(sealer.fingerprinter()),
        }
    }

    /// `times` are the cache's time to live, and how long an answer may serve as stale after it. `checks` are the verifier's
    /// [`further_checks`](crate::Verifier::further_checks).
    ///
    /// # Errors
    /// [`ConfigError`] if the operating system gives no random numbers.
    pub(super) fn join(
        self,
        engine: &Arc<Engine>,
        clock: &Arc<dyn Clock>,
        times: (Duration, Duration),
        checks: Vec<String>,
    ) -> Result<Option<Joined>, ConfigError> {
        match self {
            Self::Alone => {
                let _nobody_asks = (engine, clock, times, checks);
                Ok(None)
            }
            #[cfg(feature = "fleet")]
            Self::Shared(store, sealer) => {
                let instance =
                    Instance::new(store, *sealer, Arc::clone(engine), Arc::clone(clock), times, checks)?;
                let work = Box::pin(Arc::clone(&instance).keep_in_touch());
                Ok(Some(Joined { peers: instance, work }))
            }
        }
    }
}
