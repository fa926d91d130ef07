//! `POST /kinde/webhook`.

use apikey_core::webhooks::{KindeWebhooks, WebhookAnswer};

use crate::{BadRequest, Reply};

pub use apikey_core::webhooks::LONGEST_WEBHOOK;

/// Takes Kinde's webhooks. Clones are cheap and share everything.
#[derive(Debug, Clone)]
pub struct Webhooks(KindeWebhooks);

impl Webhooks {
    pub(crate) fn new(webhooks: KindeWebhooks) -> Self {
        Self(webhooks)
    }

    /// Handles one webhook. A server reads at most [`LONGEST_WEBHOOK`] bytes of the body. If there are more, it passes
    /// [`BadRequest::too_large`] on.
    pub async fn receive(&self, body: Result<impl AsRef<[u8]>, BadRequest>) -> Reply {
        match body {
            Ok(body) => self.0.receive(body.as_ref()).await.into(),
            Err(refused) if refused.status() == 413 => WebhookAnswer::TooLarge.into(),
            Err(unreadable) => unreadable.into(),
        }
    }
}

impl From<WebhookAnswer> for Reply {
    fn from(answer: WebhookAnswer) -> Self {
        Self { status: answer.status(), body: answer.body().into() }
    }
}
