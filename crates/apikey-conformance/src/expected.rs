//! The contract's table of denials, written a second time: nothing here comes from the core.

use std::ops::RangeInclusive;

use serde_json::json;

pub(crate) const INVALID_TOKEN: &str = r#"Bearer realm="api", error="invalid_token""#;

/// A denial in the words of the contract.
#[derive(Clone, Debug)]
pub(crate) struct Denied {
    pub(crate) status: u16,
    code: &'static str,
    error: String,
    scopes: Option<(Vec<String>, Vec<String>)>,
    challenge: Option<String>,
    /// The allowed values of `Retry-After`, in seconds.
    pub(crate) retry_after: Option<RangeInclusive<u64>>,
    /// The values of `Retry-After`, `RateLimit-Policy` and `RateLimit`.
    rate_limit: Option<[String; 3]>,
    form: Form,
}

/// The form of a denial.
#[derive(Clone, Debug)]
enum Form {
    Json,
    ProblemDetails,
    /// Problem details that point to documentation, with their `title` and `retryable`.
    DocumentedProblem(&'static str, &'static str, bool),
    /// Trailers alone, with this content type.
    Grpc(&'static str),
    /// The user's own: content type and body.
    Own(&'static str, String),
}

pub(crate) fn denied(status: u16, code: &'static str, error: &str, challenge: Option<&str>) -> Denied {
    Denied {
        status,
        code,
        error: error.to_owned(),
        scopes: None,
        challenge: challenge.map(str::to_owned),
        retry_after: None,
        rate_limit: None,
        form: Form::Json,
    }
}

pub(crate) fn missing_key() -> Denied {
    denied(401, "MISSING_KEY", "No authorization header", Some(r#"Bearer realm="api""#))
}

pub(crate) fn invalid_format() -> Denied {
    denied(401, "INVALID_FORMAT", "Invalid authorization format", Some(INVALID_TOKEN))
}

pub(crate) fn multiple_keys() -> Denied {
    let challenge = r#"Bearer realm="api", error="invalid_request""#;
    denied(400, "MULTIPLE_KEYS", "More than one API key presented", Some(challenge))
}

pub(crate) fn invalid_key() -> Denied {
    denied(401, "INVALID_KEY", "Invalid API key", Some(INVALID_TOKEN))
}

pub(crate) fn key_revoked() -> Denied {
    denied(401, "KEY_REVOKED", "API key is not active", Some(INVALID_TOKEN))
}

pub(crate) fn key_inactive() -> Denied {
    denied(401, "KEY_INACTIVE", "API key is not active", Some(INVALID_TOKEN))
}

/// `missing` is the scope in the message; then the scopes of the route and of the key.
pub(crate) fn insufficient_scope(missing: &str, required: &[&str], available: &[&str]) -> Denied {
    let scopes = required.join(" ");
    let challenge = format!(r#"Bearer realm="api", error="insufficient_scope", scope="{scopes}""#);
    let error = format!("Insufficient scope. Required: {missing}");
    let owned = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
    Denied {
        scopes: Some((owned(required), owned(available))),
        ..denied(403, "INSUFFICIENT_SCOPE", &error, Some(&challenge))
    }
}

pub(crate) fn organization_key_required() -> Denied {
    denied(403, "ORGANIZATION_KEY_REQUIRED", "An organization API key is required", None)
}

pub(crate) fn user_key_required() -> Denied {
    denied(403, "USER_KEY_REQUIRED", "A user API key is required", None)
}

pub(crate) fn organization_mismatch() -> Denied {
    denied(403, "ORGANIZATION_MISMATCH", "API key belongs to another organization", None)
}

pub(crate) fn api_mismatch() -> Denied {
    denied(403, "API_MISMATCH", "API key is not for this API", None)
}

pub(crate) fn unavailable() -> Denied {
    let error = "API key verification is temporarily unavailable";
    Denied { retry_after: Some(1..=u64::MAX), ..denied(503, "VERIFICATION_UNAVAILABLE", error, None) }
}

/// The limit allows `attempts` per window of `window` seconds, which ends in `resets_in` seconds, rounded up.
pub(crate) fn rate_limited(attempts: u32, window: u64, resets_in: u64) -> Denied {
    let policy = format!(r#""default";q={attempts};w={window}"#);
    let rate_limit = [resets_in.to_string(), policy, format!(r#""default";r=0;t={resets_in}"#)];
    let denied = denied(429, "RATE_LIMITED", "Too many verification attempts", None);
    Denied { rate_limit: Some(rate_limit), ..denied }
}

pub(crate) fn internal_error() -> Denied {
    denied(500, "INTERNAL_ERROR", "Internal server error", None)
}

impl Denied {
    /// With this many seconds in `Retry-After`.
    pub(crate) fn retry_after(self, seconds: impl Into<Seconds>) -> Self {
        Self { retry_after: Some(seconds.into().0), ..self }
    }

    /// With another message.
    pub(crate) fn saying(self, error: &str) -> Self {
        Self { error: error.to_owned(), ..self }
    }

    /// With this scheme and realm in the challenge. The realm is escaped already.
    pub(crate) fn challenging(self, scheme: &str, realm: &str) -> Self {
        let ours = format!("{scheme} realm=\"{realm}\"");
        let challenge = self.challenge.as_ref().map(|usual| usual.replace("Bearer realm=\"api\"", &ours));
        Self { challenge, ..self }
    }

    /// As `application/problem+json`.
    pub(crate) fn in_problem_details(self) -> Self {
        Self { form: Form::ProblemDetails, ..self }
    }

    /// As a problem that points to a page below this URL.
    pub(crate) fn documented(self, url: &'static str, title: &'static str, retryable: bool) -> Self {
        Self { form: Form::DocumentedProblem(url, title, retryable), ..self }
    }

    /// With this `resource_metadata` in the challenge, if there is one.
    pub(crate) fn naming_metadata(self, url: &str) -> Self {
        let challenge = self.challenge.as_ref().map(|usual| format!("{usual}, resource_metadata=\"{url}\""));
        Self { challenge, ..self }
    }

    /// As a trailers-only answer to a gRPC request.
    pub(crate) fn in_grpc(self, content_type: &'static str) -> Self {
        Self { form: Form::Grpc(content_type), ..self }
    }

    /// In the words of a `denial_renderer`.
    pub(crate) fn worded(self, content_type: &'static str, body: impl Into<String>) -> Self {
        Self { form: Form::Own(content_type, body.into()), ..self }
    }

    /// The HTTP status of the answer.
    pub(crate) fn http_status(&self) -> u16 {
        if matches!(self.form, Form::Grpc(_)) { 200 } else { self.status }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let (code, error) = (json!(self.code), json!(self.error));
        let scopes = self.scopes.as_ref().map_or_else(String::new, |(required, available)| {
            format!(r#","required_scopes":{},"available_scopes":{}"#, json!(required), json!(available))
        });
        let body = match &self.form {
            Form::ProblemDetails => {
                let (title, status) = (json!(title(self.status)), self.status);
                format!(
                    r#"{{"type":"about:blank","title":{title},"status":{status},"detail":{error},"code":{code}{scopes}}}"#
                )
            }
            Form::DocumentedProblem(url, title, retryable) => {
                let (page, status) = (format!("{url}{}", self.code), self.status);
                format!(
                    r#"{{"type":"{page}","title":"{title}","status":{status},"detail":{error},"code":{code},"retryable":{retryable}{scopes}}}"#
                )
            }
            Form::Json => format!(r#"{{"error":{error},"code":{code}{scopes}}}"#),
            Form::Grpc(_) => String::new(),
            Form::Own(_, body) => body.clone(),
        };
        body.into_bytes()
    }

    /// The headers that the contract names with their expected values. The other headers that it names must be
    /// absent.
    pub(crate) fn headers(&self) -> Vec<(&'static str, &str)> {
        let content_type = match self.form {
            Form::Json => "application/json",
            Form::ProblemDetails | Form::DocumentedProblem(..) => "application/problem+json",
            Form::Grpc(content_type) | Form::Own(content_type, _) => content_type,
        };
        let mut headers = vec![("content-type", content_type), ("cache-control", "no-store")];
        if matches!(self.form, Form::Grpc(_)) {
            headers.extend([("grpc-status", grpc_status(self.status)), ("grpc-message", &self.error)]);
        }
        headers.extend(self.challenge.as_deref().map(|challenge| ("www-authenticate", challenge)));
        let names = ["retry-after", "ratelimit-policy", "ratelimit"];
        headers.extend(names.into_iter().zip(self.rate_limit.iter().flatten().map(String::as_str)));
        headers
    }
}

/// A number of seconds, or a range of them.
pub(crate) struct Seconds(RangeInclusive<u64>);

impl From<u64> for Seconds {
    fn from(seconds: u64) -> Self {
        Self(seconds..=seconds)
    }
}

impl From<RangeInclusive<u64>> for Seconds {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self(range)
    }
}

fn grpc_status(status: u16) -> &'static str {
    match status {
        400 => "3",
        401 => "16",
        403 => "7",
        429 => "8",
        500 => "13",
        503 => "14",
        other => panic!("the contract has no denial with status {other}"),
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        other => panic!("the contract has no denial with status {other}"),
    }
}
