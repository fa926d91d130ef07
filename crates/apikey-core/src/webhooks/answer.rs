//! What Kinde gets as the answer to a webhook.

/// The answer to a webhook: a status, and a body of type [`CONTENT_TYPE`](Self::CONTENT_TYPE). Send both as they are.
///
/// | status | body | when |
/// | --- | --- | --- |
/// | 200 | `{"result":"removed"}` | the keys that the event concerns were forgotten |
/// | 200 | `{"result":"repeated"}` | the same event was handled before |
/// | 200 | `{"result":"ignored"}` | the event concerns no key |
/// | 400 | code `INVALID_WEBHOOK` | the body is no webhook, or its event names nobody |
/// | 400 | code `WEBHOOK_EXPIRED` | the event is older than 48 hours, or more than 5 minutes ahead of this machine's clock |
/// | 401 | code `INVALID_SIGNATURE` | none of Kinde's keys made the signature |
/// | 413 | code `BODY_TOO_LARGE` | the body is longer than [`LONGEST_WEBHOOK`](super::LONGEST_WEBHOOK) |
/// | 503 | code `WEBHOOK_UNAVAILABLE` | Kinde's keys could not be fetched, or the fleet does not have the removal yet |
///
/// Kinde sends a webhook again unless the status is 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookAnswer {
    /// The keys that the event concerns were forgotten.
    Removed,
    /// The same event was handled before.
    Repeated,
    /// The event concerns no key.
    Ignored,
    /// The body is no webhook, or its event names nobody.
    Invalid,
    /// The event is too old, or comes from the future.
    Expired,
    /// None of Kinde's keys made the signature.
    Unsigned,
    /// The body is too long.
    TooLarge,
    /// Kinde's keys could not be fetched, or the fleet does not have the removal yet.
    Unavailable,
}

impl WebhookAnswer {
    /// The media type of every body.
    pub const CONTENT_TYPE: &'static str = "application/json";

    /// The status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Removed | Self::Repeated | Self::Ignored => 200,
            Self::Invalid | Self::Expired => 400,
            Self::Unsigned => 401,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
        }
    }

    /// The body. It repeats nothing of the webhook.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self {
            Self::Removed => r#"{"result":"removed"}"#,
            Self::Repeated => r#"{"result":"repeated"}"#,
            Self::Ignored => r#"{"result":"ignored"}"#,
            Self::Invalid => r#"{"error":"Request body is not a webhook","code":"INVALID_WEBHOOK"}"#,
            Self::Expired => r#"{"error":"Webhook is too old or from the future","code":"WEBHOOK_EXPIRED"}"#,
            Self::Unsigned => r#"{"error":"Webhook signature is not valid","code":"INVALID_SIGNATURE"}"#,
            Self::TooLarge => {
                r#"{"error":"Request body is larger than 262144 bytes","code":"BODY_TOO_LARGE"}"#
            }
            Self::Unavailable => {
                r#"{"error":"Webhooks are temporarily unavailable","code":"WEBHOOK_UNAVAILABLE"}"#
            }
        }
    }

    /// How it counts in the metrics.
    pub(super) const fn result(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Repeated => "repeated",
            Self::Ignored => "ignored",
            Self::Invalid | Self::Expired | Self::Unsigned | Self::TooLarge => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}
