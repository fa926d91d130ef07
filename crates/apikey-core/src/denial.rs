//! What a refused caller is told: one table, rendered once for every framework.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;

use crate::engine::Limited;
use crate::policy::{MissingOwner, Shortfall, is_scope_token};
use crate::verification::{Refusal, Verification};

/// How long a caller is asked to wait where nobody knows better, in seconds.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Whether an answer challenges the caller to present a key, and with which error (RFC 6750, section 3).
#[derive(Clone, Copy)]
enum Challenge {
    /// None: presenting the key again would not help.
    None,
    Bare,
    Error(&'static str),
    /// `insufficient_scope`, with the scopes that the policy names.
    Scope,
}

struct Row {
    status: u16,
    code: &'static str,
    message: &'static str,
    challenge: Challenge,
}

macro_rules! denial_table {
    ($($variant:ident: $status:literal $code:literal $message:literal $challenge:expr, $doc:literal;)*) => {
        /// Every reason for which a request is refused.
        ///
        /// The texts of [`as_str`](Self::as_str) are stable: programs may depend on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DenialCode {
            $(
                #[doc = concat!("`", $code, "`, status ", stringify!($status), ", “", $message, "”: ", $doc, ".")]
                $variant,
            )*
        }

        impl DenialCode {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        status: $status,
                        code: $code,
                        message: $message,
                        challenge: $challenge,
                    },)*
                }
            }

            /// When this is answered, in a few words.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

denial_table! {
    MissingKey: 401 "MISSING_KEY" "No authorization header" Challenge::Bare,
        "nothing was presented";
    InvalidFormat: 401 "INVALID_FORMAT" "Invalid authorization format" Challenge::Error("invalid_token"),
        "another scheme, or something that is no key by its form";
    MultipleKeys: 400 "MULTIPLE_KEYS" "More than one API key presented" Challenge::Error("invalid_request"),
        "the header is repeated, or keys stand in two places";
    InvalidKey: 401 "INVALID_KEY" "Invalid API key" Challenge::Error("invalid_token"),
        "Kinde says that the key is not valid";
    KeyRevoked: 401 "KEY_REVOKED" "API key is not active" Challenge::Error("invalid_token"),
        "the key has been revoked";
    KeyInactive: 401 "KEY_INACTIVE" "API key is not active" Challenge::Error("invalid_token"),
        "the key is not active";
    InsufficientScope: 403 "INSUFFICIENT_SCOPE" "Insufficient scope. Required: …" Challenge::Scope,
        "the key lacks scopes, which the message names";
    OrganizationKeyRequired: 403 "ORGANIZATION_KEY_REQUIRED" "An organization API key is required" Challenge::None,
        "the route is for keys of organizations";
    UserKeyRequired: 403 "USER_KEY_REQUIRED" "A user API key is required" Challenge::None,
        "the route is for keys of users";
    OrganizationMismatch: 403 "ORGANIZATION_MISMATCH" "API key belongs to another organization" Challenge::None,
        "the route is bound to another organization";
    RateLimited: 429 "RATE_LIMITED" "Too many verification attempts" Challenge::None,
        "too many keys of this client's had to be verified lately";
    VerificationUnavailable: 503 "VERIFICATION_UNAVAILABLE" "API key verification is temporarily unavailable" Challenge::None,
        "Kinde can't answer; the key may be good";
    InternalError: 500 "INTERNAL_ERROR" "Internal server error" Challenge::None,
        "this service is set up wrong; its log says what to mend";
}

impl DenialCode {
    /// The stable text in the body's `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// The message, without the particulars of one request.
    #[must_use]
    pub const fn message(self) -> &'static str {
        self.row().message
    }
}

impl fmt::Display for DenialCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A failure on this side of the wire. It can only become a 5xx, never an "invalid key".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerFault {
    Unavailable { retry_after: Duration },
    Internal,
}

impl ServerFault {
    /// Nobody knows when a retry makes sense.
    pub(crate) const UNAVAILABLE: Self = Self::Unavailable { retry_after: RETRY_AFTER };
}

/// How denials look: the same for all of one authenticator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DenialStyle {
    pub(crate) realm: String,
    pub(crate) scheme: String,
    pub(crate) missing_key_message: Cow<'static, str>,
    pub(crate) problem_details: bool,
    pub(crate) rendered: Rendered,
}

/// The answers that are the same each time, kept once they are rendered: under a flood, rendering would cost more than
/// finding out that the key is bad.
#[derive(Default)]
pub(crate) struct Rendered([OnceLock<DenialResponse>; DenialCode::ALL.len()]);

impl fmt::Debug for Rendered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rendered(..)")
    }
}

/// It follows from all the rest.
impl PartialEq for Rendered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rendered {}

impl Default for DenialStyle {
    fn default() -> Self {
        Self {
            realm: "api".to_owned(),
            scheme: "Bearer".to_owned(),
            missing_key_message: Cow::Borrowed(DenialCode::MissingKey.message()),
            problem_details: false,
            rendered: Rendered::default(),
        }
    }
}

/// Why a request was refused, and the answer that says so.
///
/// The adapters turn it into their framework's response; [`response`](Self::response) is what they send. It holds
/// nothing of the server's side and nothing of the key, so its `Debug` is harmless.
#[derive(Clone, PartialEq, Eq)]
pub struct Denial(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    code: DenialCode,
    detail: Detail,
    style: Arc<DenialStyle>,
}

#[derive(Clone, PartialEq, Eq)]
enum Detail {
    None,
    Scopes { missing: String, required: Vec<String>, available: Vec<String> },
    RetryAfter(Duration),
    Limited(Limited),
}

impl Denial {
    fn new(code: DenialCode, style: &Arc<DenialStyle>) -> Self {
        Self::with_detail(code, Detail::None, style)
    }

    fn with_detail(code: DenialCode, detail: Detail, style: &Arc<DenialStyle>) -> Self {
        Self(Box::new(Inner { code, detail, style: Arc::clone(style) }))
    }

    pub(crate) fn missing_key(style: &Arc<DenialStyle>) -> Self {
        Self::new(DenialCode::MissingKey, style)
    }

    /// What is wrong with a request that presents no well-formed key, or more than one.
    pub(crate) fn malformed(code: DenialCode, style: &Arc<DenialStyle>) -> Self {
        Self::new(code, style)
    }

    pub(crate) fn refused(refusal: Refusal, style: &Arc<DenialStyle>) -> Self {
        let code = match refusal {
            Refusal::Invalid => DenialCode::InvalidKey,
            Refusal::Revoked => DenialCode::KeyRevoked,
            Refusal::Inactive => DenialCode::KeyInactive,
        };
        Self::new(code, style)
    }

    pub(crate) fn shortfall(shortfall: Shortfall, key: &Verification, style: &Arc<DenialStyle>) -> Self {
        match shortfall {
            Shortfall::Owner(owner) => {
                let code = match owner {
                    MissingOwner::AnyOrganization => DenialCode::OrganizationKeyRequired,
                    MissingOwner::AnyUser => DenialCode::UserKeyRequired,
                    MissingOwner::ThatOrganization => DenialCode::OrganizationMismatch,
                };
                Self::new(code, style)
            }
            Shortfall::Stale => Self::unavailable(RETRY_AFTER, style),
            Shortfall::Scopes { missing, required } => {
                let available = key.scopes().map(str::to_owned).collect();
                let detail = Detail::Scopes { missing, required, available };
                Self::with_detail(DenialCode::InsufficientScope, detail, style)
            }
        }
    }

    pub(crate) fn server_fault(fault: ServerFault, style: &Arc<DenialStyle>) -> Self {
        match fault {
            ServerFault::Unavailable { retry_after } => Self::unavailable(retry_after, style),
            ServerFault::Internal => Self::new(DenialCode::InternalError, style),
        }
    }

    pub(crate) fn unavailable(retry_after: Duration, style: &Arc<DenialStyle>) -> Self {
        Self::with_detail(DenialCode::VerificationUnavailable, Detail::RetryAfter(retry_after), style)
    }

    pub(crate) fn limited(limited: Limited, style: &Arc<DenialStyle>) -> Self {
        Self::with_detail(DenialCode::RateLimited, Detail::Limited(limited), style)
    }

    /// The answer for a server that is wired wrong, for example an extractor without its authenticator. It is
    /// logged at level `ERROR` with `mistake`, which should say what to change; the caller sees `INTERNAL_ERROR`.
    #[must_use]
    pub fn wiring_mistake(mistake: &str) -> Self {
        tracing::error!(mistake, "API key protection is wired wrong");
        Self::new(DenialCode::InternalError, &Arc::default())
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

    /// All the scopes that the route asks for, where scopes are what is missing.
    #[must_use]
    pub fn required_scopes(&self) -> Option<&[String]> {
        match &self.0.detail {
            Detail::Scopes { required, .. } => Some(required),
            _ => None,
        }
    }

    /// The scopes that the key carries, where scopes are what is missing.
    #[must_use]
    pub fn available_scopes(&self) -> Option<&[String]> {
        match &self.0.detail {
            Detail::Scopes { available, .. } => Some(available),
            _ => None,
        }
    }

    /// After how many whole seconds a retry makes sense, where the answer says so; at least 1.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self.0.detail {
            Detail::RetryAfter(after) => Some(whole_seconds(after)),
            Detail::Limited(limited) => Some(whole_seconds(limited.resets_in)),
            _ => None,
        }
    }

    /// The whole answer.
    ///
    /// ```
    /// # use apikey_core::{Authenticator, PlainRequest};
    /// # async fn example(authenticator: &Authenticator) {
    /// let nothing_presented = PlainRequest::new();
    /// let denial = authenticator.authenticate(&nothing_presented).await.unwrap_err();
    /// let response = denial.response();
    /// assert_eq!(response.status, 401);
    /// assert_eq!(response.body, br#"{"error":"No authorization header","code":"MISSING_KEY"}"#);
    /// # }
    /// ```
    #[must_use]
    pub fn response(&self) -> DenialResponse {
        let kept = match &self.0.detail {
            Detail::None => self.0.style.rendered.0.get(self.code() as usize),
            _ => None,
        };
        kept.map_or_else(|| self.render(), |kept| kept.get_or_init(|| self.render()).clone())
    }

    fn render(&self) -> DenialResponse {
        let content_type =
            if self.0.style.problem_details { "application/problem+json" } else { "application/json" };
        let mut headers =
            vec![("content-type", content_type.to_owned()), ("cache-control", "no-store".to_owned())];
        headers.extend(self.challenge().map(|challenge| ("www-authenticate", challenge)));
        headers.extend(self.retry_after_seconds().map(|seconds| ("retry-after", seconds.to_string())));
        if let Detail::Limited(limited) = &self.0.detail {
            // The fields of draft-ietf-httpapi-ratelimit-headers.
            let (quota, window) = (limited.limit.attempts, whole_seconds(limited.limit.window));
            let resets_in = whole_seconds(limited.resets_in);
            headers.push(("ratelimit-policy", format!("\"default\";q={quota};w={window}")));
            headers.push(("ratelimit", format!("\"default\";r=0;t={resets_in}")));
        }
        DenialResponse { status: self.status(), headers, body: self.body() }
    }

    fn body(&self) -> Vec<u8> {
        let (status, message, code) = (self.status(), self.message(), self.code().as_str());
        let (required_scopes, available_scopes) = (self.required_scopes(), self.available_scopes());
        let body = if self.0.style.problem_details {
            serde_json::to_vec(&ProblemDetails {
                kind: "about:blank",
                title: reason_phrase(status),
                status,
                detail: &message,
                code,
                required_scopes,
                available_scopes,
            })
        } else {
            serde_json::to_vec(&Body { error: &message, code, required_scopes, available_scopes })
        };
        // Strings and numbers always serialise; an empty body is the harmless answer if that ever changes.
        body.unwrap_or_default()
    }

    fn challenge(&self) -> Option<String> {
        let DenialStyle { scheme, realm, .. } = &*self.0.style;
        let bare = || format!("{scheme} realm=\"{}\"", quoted(realm));
        match self.code().row().challenge {
            Challenge::None => None,
            Challenge::Bare => Some(bare()),
            Challenge::Error(error) => Some(format!("{}, error=\"{error}\"", bare())),
            Challenge::Scope => {
                let required = self.required_scopes().unwrap_or_default();
                // A scope that can't stand in a challenge is named in the body alone.
                let tokens: Vec<&str> =
                    required.iter().map(String::as_str).filter(|scope| is_scope_token(scope)).collect();
                Some(format!("{}, error=\"insufficient_scope\", scope=\"{}\"", bare(), tokens.join(" ")))
            }
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

/// A rendered denial: what every adapter sends, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialResponse {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case, with values of visible ASCII characters and spaces.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scopes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_scopes: Option<&'a [String]>,
}

/// RFC 9457.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scopes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_scopes: Option<&'a [String]>,
}

/// With the type `about:blank`, the title is the status's own phrase (RFC 9457, section 4.2.1).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// Rounded up, and at least 1.
fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// The inside of a quoted-string (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
#[path = "denial_tests.rs"]
mod tests;
