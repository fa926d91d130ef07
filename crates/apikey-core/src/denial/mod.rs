//! The responses to refused requests: one table, rendered in one way for every framework.

mod audience;
mod render;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::denial_code::DenialCode;
use crate::engine::{AttemptLimit, Limited};
use crate::extract::Malformed;
use crate::policy::{MissingOwner, Shortfall};
use crate::request::RequestHead;
use crate::telemetry::AnswerSource;
use crate::verification::{Refusal, Verification};
use crate::verifier::ServerFault;

pub(crate) use audience::DenialRenderer;
pub use audience::{Audience, DenialBody};
pub use render::DenialResponse;
use render::Rendered;

/// How the denials of one authenticator look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DenialStyle {
    pub(crate) realm: String,
    pub(crate) scheme: String,
    pub(crate) missing_key_message: Cow<'static, str>,
    pub(crate) problem_details: bool,
    /// What a problem's `type` begins with. `None`: problems are `about:blank`.
    pub(crate) problem_documentation: Option<String>,
    pub(crate) resource_metadata: Option<String>,
    pub(crate) renderer: Option<DenialRenderer>,
    pub(crate) rendered: Rendered,
}

impl Default for DenialStyle {
    fn default() -> Self {
        Self {
            realm: "api".to_owned(),
            scheme: "Bearer".to_owned(),
            missing_key_message: Cow::Borrowed(DenialCode::MissingKey.message()),
            problem_details: false,
            problem_documentation: None,
            resource_metadata: None,
            renderer: None,
            rendered: Rendered::default(),
        }
    }
}

/// Why a request was refused, and the response that says so.
///
/// The adapters turn it into their framework's response. [`response`](Self::response) is what they send. It holds
/// nothing about the server and nothing about the key, so its `Debug` is harmless.
#[derive(Clone, PartialEq, Eq)]
pub struct Denial(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    code: DenialCode,
    detail: Detail,
    style: Arc<DenialStyle>,
    /// `None` if nothing that the request says changes the answer.
    audience: Option<Box<Audience>>,
    /// Where the answer comes from that it is about. `None` if there was none.
    source: Option<AnswerSource>,
    /// Whether the renderer words it. It does not word what it is given itself, so it can't call itself.
    is_rendered: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Detail {
    None,
    Scopes { missing: String, required: Vec<String>, available: Vec<String> },
    RetryAfter(Duration),
    Limited(Limited),
}

/// Each denial, worded in this style.
impl DenialStyle {
    fn denial(self: &Arc<Self>, code: DenialCode) -> Denial {
        self.denial_with(code, Detail::None)
    }

    fn denial_with(self: &Arc<Self>, code: DenialCode, detail: Detail) -> Denial {
        let style = Arc::clone(self);
        Denial(Box::new(Inner { code, detail, style, audience: None, source: None, is_rendered: true }))
    }

    /// What the request says about the answers that it understands, if that changes the answer.
    pub(crate) fn audience(&self, request: &impl RequestHead) -> Option<Box<Audience>> {
        Audience::of(request, self.renderer.is_some())
    }

    pub(crate) fn missing_key(self: &Arc<Self>) -> Denial {
        self.denial(DenialCode::MissingKey)
    }

    /// The denial of a request that presents no well-formed key, or more than one key.
    pub(crate) fn malformed(self: &Arc<Self>, malformed: Malformed) -> Denial {
        self.denial(match malformed {
            Malformed::Format => DenialCode::InvalidFormat,
            Malformed::SeveralKeys => DenialCode::MultipleKeys,
        })
    }

    pub(crate) fn refused(self: &Arc<Self>, refusal: Refusal) -> Denial {
        self.denial(match refusal {
            Refusal::Invalid => DenialCode::InvalidKey,
            Refusal::Revoked => DenialCode::KeyRevoked,
            Refusal::Inactive => DenialCode::KeyInactive,
            Refusal::OtherApi => DenialCode::ApiMismatch,
        })
    }

    pub(crate) fn shortfall(self: &Arc<Self>, shortfall: Shortfall, key: &Verification) -> Denial {
        match shortfall {
            Shortfall::Owner(MissingOwner::AnyOrganization) => {
                self.denial(DenialCode::OrganizationKeyRequired)
            }
            Shortfall::Owner(MissingOwner::AnyUser) => self.denial(DenialCode::UserKeyRequired),
            Shortfall::Owner(MissingOwner::ThatOrganization) => self.denial(DenialCode::OrganizationMismatch),
            Shortfall::Stale => self.server_fault(ServerFault::UNAVAILABLE),
            Shortfall::UnknownOperation => {
                tracing::error!(
                    "Policy::kinde_operation() needs the matched route: name it with Policy::for_operation()"
                );
                self.denial(DenialCode::InternalError)
            }
            Shortfall::Scopes { missing, required } => {
                let available = key.scopes().map(str::to_owned).collect();
                let detail = Detail::Scopes { missing, required, available };
                self.denial_with(DenialCode::InsufficientScope, detail)
            }
        }
    }

    pub(crate) fn server_fault(self: &Arc<Self>, fault: ServerFault) -> Denial {
        match fault {
            ServerFault::Unavailable { retry_after } => self.unavailable(retry_after),
            ServerFault::Internal => self.denial(DenialCode::InternalError),
        }
    }

    pub(crate) fn unavailable(self: &Arc<Self>, retry_after: Duration) -> Denial {
        self.denial_with(DenialCode::VerificationUnavailable, Detail::RetryAfter(retry_after))
    }

    /// A denial with this code for the documentation of an API.
    pub(crate) fn sample(self: &Arc<Self>, code: DenialCode, limit: AttemptLimit) -> Denial {
        match code {
            DenialCode::VerificationUnavailable => self.unavailable(Duration::from_secs(1)),
            DenialCode::RateLimited => self.limited(Limited { limit, resets_in: limit.window }),
            DenialCode::InsufficientScope => {
                let scope = "read:users".to_owned();
                let (missing, required) = (scope.clone(), vec![scope]);
                self.denial_with(code, Detail::Scopes { missing, required, available: Vec::new() })
            }
            _ => self.denial(code),
        }
    }

    pub(crate) fn limited(self: &Arc<Self>, limited: Limited) -> Denial {
        self.denial_with(DenialCode::RateLimited, Detail::Limited(limited))
    }
}

/// # For adapters
impl Denial {
    /// This denial as the answer to this request: in its protocol, which may be gRPC, and in the words that it
    /// understands. A [`gate`](crate::Authenticator::gate) calls this. An adapter calls it for a denial that passes no gate.
    #[must_use]
    pub fn answering(mut self, request: &impl RequestHead) -> Self {
        self.0.audience = self.0.style.audience(request);
        self
    }
}

impl Denial {
    /// The same denial, about an answer from this source.
    pub(crate) fn about(mut self, source: AnswerSource) -> Self {
        self.0.source = Some(source);
        self
    }

    pub(crate) fn source(&self) -> Option<AnswerSource> {
        self.0.source
    }

    /// The same denial in this style, for this audience.
    pub(crate) fn presented_as(mut self, style: &Arc<DenialStyle>, audience: Option<Box<Audience>>) -> Self {
        self.0.style = Arc::clone(style);
        self.0.audience = audience;
        self
    }

    /// The denial for a server that is wired wrong, for example an extractor without its authenticator. The caller
    /// gets `INTERNAL_ERROR`. `mistake` is logged at level `ERROR`; it should say what to change.
    #[must_use]
    pub fn wiring_mistake(mistake: &str) -> Self {
        tracing::error!(mistake, "API key protection is wired wrong");
        Arc::<DenialStyle>::default().denial(DenialCode::InternalError)
    }

    /// A denial with this code, in the default words, for tests of handlers and catchers. One that names scopes names none.
    ///
    /// ```
    /// use apikey_core::{Denial, DenialCode};
    ///
    /// let denial = Denial::assume(DenialCode::KeyRevoked);
    /// assert_eq!(denial.status(), 401);
    /// ```
    #[must_use]
    pub fn assume(code: DenialCode) -> Self {
        let style = Arc::<DenialStyle>::default();
        match code {
            DenialCode::VerificationUnavailable => style.server_fault(ServerFault::UNAVAILABLE),
            _ => style.denial(code),
        }
    }

    /// The reason.
    #[must_use]
    pub fn code(&self) -> DenialCode {
        self.0.code
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.code().status()
    }

    /// The message that the caller reads.
    #[must_use]
    pub fn message(&self) -> Cow<'_, str> {
        match (&self.0.detail, self.code()) {
            (Detail::Scopes { missing, .. }, _) => {
                Cow::Owned(format!("Insufficient scope. Required: {missing}"))
            }
            (_, DenialCode::MissingKey) => Cow::Borrowed(&self.0.style.missing_key_message),
            (_, code) => Cow::Borrowed(code.message()),
        }
    }

    /// All the scopes that the route asks for, if the key lacks scopes.
    #[must_use]
    pub fn required_scopes(&self) -> Option<&[String]> {
        match &self.0.detail {
            Detail::Scopes { required, .. } => Some(required),
            _ => None,
        }
    }

    /// The scopes that the key carries, if it lacks others.
    #[must_use]
    pub fn available_scopes(&self) -> Option<&[String]> {
        match &self.0.detail {
            Detail::Scopes { available, .. } => Some(available),
            _ => None,
        }
    }

    /// After how many whole seconds a retry makes sense, at least 1. `None` if the response doesn't say.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self.0.detail {
            Detail::RetryAfter(after) => Some(whole_seconds(after)),
            Detail::Limited(limited) => Some(whole_seconds(limited.resets_in)),
            _ => None,
        }
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Denial({} {})", self.status(), self.code())
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message())
    }
}

impl std::error::Error for Denial {}

/// The whole seconds of a duration, rounded up, and at least 1.
fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests;
