//! The options of an authenticator, and the engine behind them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::{Client, Clients};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::denial::{Denial, DenialStyle};
use crate::engine::{CachedKey, Engine, Purge, Rules};
use crate::extract::Extraction;
use crate::options::Options;
use crate::peers::Peers;
use crate::policy::Policy;
use crate::removal::{Everywhere, Removal};
use crate::request::RequestHead;
use crate::telemetry::Telemetry;
use crate::uploads::RefusedUploads;
use crate::verified_key::VerifiedKey;
use crate::worker::Worker;

/// How many removals are handled at once.
const MOST_REMOVED_AT_ONCE: usize = 256;

/// What an authenticator holds: the options that may differ by route, and the parts that all its views share.
pub(crate) struct View {
    pub(crate) extraction: Extraction,
    /// The options that this view was built from. Views that are derived from this one start with them.
    pub(crate) options: Options,
    pub(crate) style: Arc<DenialStyle>,
    /// `None` for an authenticator that was not derived from another one.
    pub(crate) rules: Option<Rules>,

    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) worker: Arc<Worker>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) refused_uploads: Arc<RefusedUploads>,
    /// `None` without a fleet.
    pub(crate) peers: Option<Arc<dyn Peers>>,
    /// How long a batch tries to begin a verification if too many callers ask already.
    pub(crate) timeout: Duration,
}

impl View {
    /// A view with other options over the same engine. If `counts_for_itself`, it counts attempts apart from this
    /// view.
    ///
    /// # Errors
    /// [`ConfigError`], naming the option that can't be used.
    pub(crate) fn with_options(
        &self,
        options: Options,
        counts_for_itself: bool,
    ) -> Result<Self, ConfigError> {
        options.check()?;
        let attempts = match &self.rules {
            _ if counts_for_itself => options.attempt_limit.map(|limit| self.engine.count_by(limit)),
            Some(rules) => rules.attempts.clone(),
            None => self.engine.attempts(),
        };
        Ok(Self {
            extraction: options.extraction.clone().build()?,
            style: Arc::new(options.style()),
            rules: Some(Rules { max_age: options.max_age, attempts }),
            options,
            engine: Arc::clone(&self.engine),
            clock: Arc::clone(&self.clock),
            clients: Arc::clone(&self.clients),
            worker: Arc::clone(&self.worker),
            telemetry: Arc::clone(&self.telemetry),
            refused_uploads: Arc::clone(&self.refused_uploads),
            peers: self.peers.clone(),
            timeout: self.timeout,
        })
    }

    /// The client that sent the request, if the server knows its address.
    pub(crate) fn client_of<R: RequestHead>(&self, request: &R) -> Option<Client> {
        let client = self.clients.client_of(request);
        if client.is_none() && self.options.attempt_limit.is_some() {
            self.clients.note_missing_address::<R>();
        }
        client
    }

    /// Forgets what these purges name, here and in the fleet.
    pub(crate) fn remove(&self, purges: impl IntoIterator<Item = Purge>) -> Removal {
        let (mut purges, mut removed) = (purges.into_iter(), 0);
        // The latest ends last.
        let mut everywhere = None;
        loop {
            // The iterator is the caller's code, so it must not run under a lock.
            let some: Vec<Purge> = purges.by_ref().take(MOST_REMOVED_AT_ONCE).collect();
            if some.is_empty() {
                // Whoever awaits it keeps the work alive that tells the fleet.
                let worker = Arc::clone(&self.worker);
                let everywhere = everywhere.map(|everywhere: Everywhere| -> Everywhere {
                    Box::pin(async move {
                        everywhere.await;
                        drop(worker);
                    })
                });
                return Removal::new(removed, everywhere);
            }
            everywhere = self.peers.as_ref().map(|peers| peers.remove(&some));
            removed += self.engine.purge_all(&some);
        }
    }

    /// A key whose answer comes from the cache.
    pub(crate) fn verified_from_cache(&self, answer: Arc<CachedKey>, now: Instant) -> VerifiedKey {
        let freshness = self.engine.freshness(&answer, now);
        VerifiedKey::from_cache(answer, freshness, now)
    }

    /// Checks a verified key against a policy.
    pub(crate) fn authorize(&self, key: &VerifiedKey, policy: &Policy) -> Result<(), Denial> {
        policy
            .check(key.verification(), !key.is_stale())
            .map_err(|shortfall| self.style.shortfall(shortfall, key.verification()))
    }
}
