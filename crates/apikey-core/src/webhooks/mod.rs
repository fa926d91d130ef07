//! Kinde's webhooks: when Kinde says that a user or an organization is gone, their keys are forgotten at once.
//!
//! What the modules do:
//!
//! - `token` reads the body, `key_set` the public keys and `event` the event. They are pure.
//! - `signing_keys` knows when the key set is fetched, and `handled` which events were handled.
//! - `answer` is what Kinde gets.

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!(
    "the feature `webhooks` verifies with the provider of TLS: turn on `aws-lc-rs` or `ring`, too"
);

mod answer;
pub(crate) mod event;
mod handled;
pub(crate) mod key_set;
mod signing_keys;
pub(crate) mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::authenticator::Authenticator;
use crate::config_error::ConfigError;
use crate::kinde::{KeySetFetcher, KindeSettings};
use crate::log_gate::LogGate;
use crate::removal::Removal;
use crate::telemetry::Recorder;
pub use answer::WebhookAnswer;
use event::{Effect, Event, Unusable};
use handled::Handled;
use signing_keys::SigningKeys;
use token::Token;

/// The longest body of a webhook that is accepted, in bytes. A user who belongs to hundreds of organizations has a long one.
pub const LONGEST_WEBHOOK: usize = 256 * 1024;
/// How long Kinde waits for the answer while the fleet's store does not have a removal.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Takes Kinde's webhooks. When Kinde says that a user was deleted or suspended, or that an organization was deleted,
/// their keys are forgotten, as by [`remove_user`](Authenticator::remove_user) and
/// [`remove_organization`](Authenticator::remove_organization). In a fleet, every instance forgets them.
///
/// Create a webhook in Kinde for the events `user.deleted`, `user.updated` and `organization.deleted`. Let it point to a
/// route of yours that needs no API key, and that hands the body to [`receive`](Self::receive). Other events are answered with 200, and do nothing.
///
/// A webhook is a token (JWT) that Kinde signs with RS256. There is no secret to set up: the public keys are fetched from
/// `https://{domain}/.well-known/jwks` when the first webhook comes. They serve for an hour, and for longer if Kinde can't
/// be reached. A webhook that names an unknown key causes a fetch, at most once a minute. While no keys could ever be fetched,
/// any webhook causes one, at most every 4 s.
///
/// An event that can't be verified has no effect. Kinde has no events about API keys: a key that is revoked while its owner
/// stays is let in until its cached answer expires.
///
/// Clones are cheap and share everything.
///
/// ```no_run
/// use apikey_core::{Authenticator, KindeSettings, KindeVerifier};
/// use apikey_core::webhooks::KindeWebhooks;
///
/// # async fn example(body: &[u8]) -> Result<(), apikey_core::ConfigError> {
/// let keys = Authenticator::builder(KindeVerifier::from_env()?).build()?;
/// let webhooks = KindeWebhooks::new(&keys, KindeSettings::from_env()?)?;
///
/// let answer = webhooks.receive(body).await;
/// println!("{} {}", answer.status(), answer.body());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct KindeWebhooks(Arc<Inner>);

struct Inner {
    keys: Authenticator,
    signing_keys: Arc<SigningKeys>,
    handled: Handled,
    log: Arc<LogGate>,
    wall_clock: fn() -> Timestamp,
}

impl KindeWebhooks {
    /// Takes webhooks of the Kinde business that these settings name, and forgets keys of this authenticator. Only what the
    /// settings say about the domain and the way to it counts, so they need no credentials. This sends nothing.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting that can't be used.
    pub fn new(keys: &Authenticator, settings: KindeSettings) -> Result<Self, ConfigError> {
        Self::with_wall_clock(keys, settings, Timestamp::now)
    }

    fn with_wall_clock(
        keys: &Authenticator,
        settings: KindeSettings,
        wall_clock: fn() -> Timestamp,
    ) -> Result<Self, ConfigError> {
        let recorder = Recorder::new(Arc::clone(&keys.0.telemetry));
        let log = Arc::new(LogGate::default());
        let signing_keys = SigningKeys::new(KeySetFetcher::new(settings, recorder)?, Arc::clone(&log));
        let (keys, handled) = (keys.clone(), Handled::default());
        Ok(Self(Arc::new(Inner { keys, signing_keys, handled, log, wall_clock })))
    }

    /// Handles one webhook, whose body is passed on as it came. No header counts: an event that comes again is known by its
    /// own id, which is signed.
    ///
    /// The answer comes when the removal has taken effect here, and when the store of a fleet has it. If the store does not
    /// have it after 5 s, the answer is [`Unavailable`](WebhookAnswer::Unavailable), so that Kinde tries again. The removal
    /// stays in effect here, and reaches the fleet when the store is back.
    ///
    /// It can be called on any runtime. If nobody polls the future any longer, the removal goes on.
    pub async fn receive(&self, body: &[u8]) -> WebhookAnswer {
        let answer = self.handle(body).await;
        self.0.keys.0.telemetry.webhook(answer.result());
        answer
    }

    async fn handle(&self, body: &[u8]) -> WebhookAnswer {
        let Inner { keys, signing_keys, handled, .. } = &*self.0;
        if body.len() > LONGEST_WEBHOOK {
            return WebhookAnswer::TooLarge;
        }
        let Some(token) = Token::read(body) else {
            self.warn("a webhook's body is not a token that is signed with RS256");
            return WebhookAnswer::Invalid;
        };
        let Some(key_set) = signing_keys.for_key(&token.key_name, keys).await else {
            return WebhookAnswer::Unavailable;
        };
        if !key_set.verifies(&token) {
            self.warn("a webhook's signature was made with none of Kinde's keys, so it was refused");
            return WebhookAnswer::Unsigned;
        }
        let payload = token.payload().unwrap_or_default();
        let event = match Event::read(&payload, (self.0.wall_clock)()) {
            Ok(event) => event,
            Err(problem) => return self.refuse(&problem),
        };
        let now = keys.0.clock.now();
        if handled.has(&event, now) {
            return WebhookAnswer::Repeated;
        }
        let removal = match &event.effect {
            Effect::Nothing => return WebhookAnswer::Ignored,
            Effect::User(id) => keys.remove_user(id),
            Effect::Organization(code) => keys.remove_organization(code),
        };
        tracing::info!("a webhook of Kinde's removed {} cached answers", removal.removed());
        if !self.has_reached_the_fleet(removal).await {
            self.warn(
                "the fleet's store does not have a webhook's removal yet; Kinde sends the webhook again",
            );
            return WebhookAnswer::Unavailable;
        }
        handled.add(event, now);
        WebhookAnswer::Removed
    }

    fn refuse(&self, problem: &Unusable) -> WebhookAnswer {
        match problem {
            Unusable::NoEvent => {
                self.warn("a webhook was signed by Kinde, but is no event");
                WebhookAnswer::Invalid
            }
            Unusable::NoSubject => {
                self.warn("Kinde's event names no user or organization, so it had no effect");
                WebhookAnswer::Invalid
            }
            Unusable::Untimely => {
                self.warn("a webhook is older than 48 hours or from the future: check this machine's clock");
                WebhookAnswer::Expired
            }
        }
    }

    /// Waits on the authenticator's runtime, so that it does not matter which runtime the caller has.
    async fn has_reached_the_fleet(&self, removal: Removal) -> bool {
        let (told, answer) = oneshot::channel();
        let everywhere = removal.into_future();
        self.0.keys.0.worker.spawn(async move {
            let ended = timeout(LONGEST_WAIT, everywhere).await;
            let _caller_may_be_gone = told.send(ended.is_ok());
        });
        answer.await.unwrap_or(false)
    }

    /// Warns the operator, at most once a minute for each reason, because anybody can send a body.
    fn warn(&self, reason: &'static str) {
        self.0.log.warn(reason, self.0.keys.0.clock.now());
    }
}

impl fmt::Debug for KindeWebhooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KindeWebhooks(..)")
    }
}

#[cfg(test)]
mod tests;
