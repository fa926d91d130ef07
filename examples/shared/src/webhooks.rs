//! `POST /kinde/webhook`.

use apikey_core::webhooks::{KindeWebhooks, WebhookAnswer};

use crate::{BadRequest, Reply};

pub use apikey_core::webhooks::LONGEST_WEBHOOK;

/// The header with Kinde's id of a delivery.
pub const WEBHOOK_ID: &str = "webhook-id";

/// Takes Kinde's webhooks. Clones are cheap and share everything.
#[derive(Debug, Clone)]
pub struct Webhooks(KindeWebhooks);

impl Webhooks {
    pub(crate) fn new(webhooks: KindeWebhooks) -> Self {
        Self(webhooks)
    }

    /// Handles one webhook. `ids` are the values of all headers [`WEBHOOK_ID`]. A server reads at most
    /// [`LONGEST_WEBHOOK`] bytes of the body. If there are more, it passes [`BadRequest::too_large`] on.
    pub async fn receive(
        &self,
        ids: impl IntoIterator<Item = impl AsRef<[u8]>>,
        body: Result<impl AsRef<[u8]>, BadRequest>,
    ) -> Reply {
        let mut ids = ids.into_iter();
        let id = ids.next().filter(|_| ids.next().is_none());
        let id = id.as_ref().and_then(|id| std::str::from_utf8(id.as_ref()).ok());
        match body {
            Ok(body) => self.0.receive(id, body.as_ref()).await.into(),
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
