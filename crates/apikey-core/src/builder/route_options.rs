//! Configures other options for some routes.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::authenticator::Authenticator;
use crate::config_error::ConfigError;
use crate::denial::{Audience, Denial, DenialBody, DenialRenderer};
use crate::engine::AttemptLimit;
use crate::extract::CredentialSource;
use crate::options::Options;
use crate::view::View;

/// Configures an authenticator for some routes over the engine of another one. [`Authenticator::with_options`] makes
/// it. Options that are not set here stay as they are.
///
/// `A` is what [`build`](Self::build) makes: the core's [`Authenticator`], or the adapter's own.
#[must_use]
pub struct RouteOptions<A = Authenticator> {
    base: Arc<View>,
    options: Options,
    counts_for_itself: bool,
    makes: PhantomData<fn() -> A>,
}

impl Authenticator {
    /// Starts configuring other options for some routes: realm, locations and prefixes of the key, limit of attempts,
    /// largest age of an answer. The result shares everything else with this authenticator: the cache, the token, the
    /// connections to Kinde. A key that is removed from one is removed from both.
    ///
    /// Build it once, at start-up: with a limit of attempts of its own, each one counts for itself.
    ///
    /// Let layers and extractors of one route use the same authenticator. One does not reuse an attempt of another, so a
    /// route that uses two of them looks a key up twice. If the credential is taken out of requests
    /// ([`remove_credential`](crate::AuthenticatorBuilder::remove_credential)), the first one takes it, and the second
    /// finds nothing. On axum, give a nested router the other authenticator as its state; on actix-web, give the scope
    /// other app data; on Rocket, call `Require::authenticator`; on warp, give it to the filters.
    ///
    /// ```
    /// use apikey_core::{Authenticator, CredentialSource};
    /// use std::time::Duration;
    ///
    /// fn for_partners(keys: &Authenticator) -> Result<Authenticator, apikey_core::ConfigError> {
    ///     keys.with_options()
    ///         .realm("partners")
    ///         .credential_sources([CredentialSource::header("X-Partner-Key")])
    ///         .max_age(Duration::from_secs(30))
    ///         .build()
    /// }
    /// ```
    pub fn with_options(&self) -> RouteOptions {
        RouteOptions::new(self)
    }
}

impl<A: From<Authenticator>> RouteOptions<A> {
    /// Starts from the options of this authenticator.
    pub fn new(base: &Authenticator) -> Self {
        Self {
            base: Arc::clone(&base.0),
            options: base.0.options.clone(),
            counts_for_itself: false,
            makes: PhantomData,
        }
    }

    /// The realm of the challenges.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.options.realm = realm.into();
        self
    }

    /// Answers denials as `application/problem+json` (RFC 9457). `false` also takes back
    /// [`problem_documentation`](Self::problem_documentation), which the authenticator may have set.
    pub fn problem_details(mut self, problem_details: bool) -> Self {
        self.options.set_problem_details(problem_details);
        self
    }

    /// Answers denials as problems that a program can act on. See
    /// [`AuthenticatorBuilder::problem_documentation`](crate::AuthenticatorBuilder::problem_documentation).
    pub fn problem_documentation(mut self, url: impl Into<String>) -> Self {
        self.options.set_problem_documentation(url.into());
        self
    }

    /// Names this URL in every challenge. See
    /// [`AuthenticatorBuilder::resource_metadata`](crate::AuthenticatorBuilder::resource_metadata).
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.options.resource_metadata = Some(url.into());
        self
    }

    /// Words the bodies of denials. See
    /// [`AuthenticatorBuilder::denial_renderer`](crate::AuthenticatorBuilder::denial_renderer).
    pub fn denial_renderer(
        mut self,
        render: impl Fn(&Denial, &Audience) -> DenialBody + Send + Sync + 'static,
    ) -> Self {
        self.options.denial_renderer = Some(DenialRenderer::new(render));
        self
    }

    /// Where a request may present a key. Messages name the locations in this order.
    pub fn credential_sources(mut self, sources: impl IntoIterator<Item = CredentialSource>) -> Self {
        self.options.extraction.sources = sources.into_iter().collect();
        self
    }

    /// Accepts only keys that begin with one of these prefixes, on these routes. See
    /// [`AuthenticatorBuilder::accepted_prefixes`](crate::AuthenticatorBuilder::accepted_prefixes).
    pub fn accepted_prefixes<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.options.extraction.accepted_prefixes = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a token without an accepted prefix is nothing presented. See
    /// [`AuthenticatorBuilder::ignore_other_tokens`](crate::AuthenticatorBuilder::ignore_other_tokens).
    pub fn ignore_other_tokens(mut self, ignore: bool) -> Self {
        self.options.extraction.ignore_other_tokens = ignore;
        self
    }

    /// How many refused keys one client may present on these routes in a window of time. `None` turns the limit off.
    /// If you call this, these routes count for themselves. Otherwise they share the count of the authenticator that
    /// they were made from.
    pub fn attempt_limit(mut self, limit: impl Into<Option<AttemptLimit>>) -> Self {
        self.options.attempt_limit = limit.into();
        self.counts_for_itself = true;
        self
    }

    /// The largest age of an answer that may serve, at most a day. `None`: only the cache's time to live bounds it.
    /// If the answer is older, Kinde is asked again. If that fails, the caller gets a 503, even if
    /// [`stale_if_error`](crate::AuthenticatorBuilder::stale_if_error) would let it pass elsewhere.
    ///
    /// A verification that is under way already counts as asking again. It does not concern refusals that are remembered
    /// ([`negative_time_to_live`](crate::AuthenticatorBuilder::negative_time_to_live)).
    pub fn max_age(mut self, max_age: impl Into<Option<Duration>>) -> Self {
        self.options.max_age = max_age.into();
        self
    }

    /// Checks the options and builds.
    ///
    /// # Errors
    /// [`ConfigError`], naming the option that can't be used.
    pub fn build(self) -> Result<A, ConfigError> {
        self.base
            .with_options(self.options, self.counts_for_itself)
            .map(|view| A::from(Authenticator(Arc::new(view))))
    }
}

impl<A> std::fmt::Debug for RouteOptions<A> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RouteOptions").field("options", &self.options).finish_non_exhaustive()
    }
}
