//! What Kinde's answers mean. Pure functions of status and body; the rules stand in the order in which they apply.

use serde::Deserialize;
use serde_json::Value;

use super::secret::Secret;
use crate::verification::{Judgement, Refusal, Verification};

/// The meaning of an answer of the verify endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The key was judged.
    Judged(Judgement),
    /// The answer speaks first of the service's own token; `scope_missing` says that Kinde named the lack of
    /// `read:api_keys`.
    TokenRefused { scope_missing: bool },
    /// Nobody could judge the key; why.
    Unjudged(String),
    /// The same, but asking again soon may help.
    UnjudgedForNow(String),
    /// Kinde can't read the call, and what differs from call to call is the key; why.
    Unreadable(String),
    /// The service asks at the wrong place, or in the wrong way; why.
    SetUp(String),
}

/// The body of a 200. Members of any type are taken in, for one odd member must not hide the others; a member that
/// stands there twice makes the whole unreadable.
#[derive(Deserialize)]
struct VerifyAnswer {
    code: Option<Value>,
    message: Option<Value>,
    is_valid: Option<Value>,
    key_id: Option<Value>,
    status: Option<Value>,
    scopes: Option<Value>,
    org_code: Option<Value>,
    user_id: Option<Value>,
    last_verified_on: Option<Value>,
    verification_count: Option<Value>,
}

/// Reads an answer of the verify endpoint.
pub(crate) fn read_verify_answer(status: u16, body: &[u8]) -> Meaning {
    if status == 200 {
        return match object::<VerifyAnswer>(body) {
            Some(answer) => {
                answer.judge().map_or_else(|why| Meaning::Unjudged(why.to_owned()), Meaning::Judged)
            }
            None => Meaning::Unjudged("the answer is not the JSON that was expected".to_owned()),
        };
    }
    let codes = error_codes(body);
    if matches!(status, 400 | 401 | 403 | 404)
        && let Some(refusal) = refusal_named_by(&codes)
    {
        return Meaning::Judged(Judgement::Refused(refusal));
    }
    match status {
        401 | 403 => {
            Meaning::TokenRefused { scope_missing: codes.iter().any(|code| code == "SCOPE_MISSING") }
        }
        201..300 => Meaning::Unjudged(format!("Kinde answered with status {status}")),
        400 => Meaning::Unreadable("Kinde can't read it (status 400)".to_owned()),
        408 | 425 | 429 | 500.. => Meaning::UnjudgedForNow(format!("Kinde answered with status {status}")),
        404 => Meaning::SetUp(
            "Kinde knows no verify endpoint at this host (status 404): check KINDE_DOMAIN".to_owned(),
        ),
        300..400 => Meaning::SetUp(format!(
            "Kinde redirects elsewhere (status {status}): check KINDE_DOMAIN, which must be the host itself"
        )),
        _ => Meaning::SetUp(format!("Kinde refuses the verify call (status {status}): check KINDE_DOMAIN")),
    }
}

impl VerifyAnswer {
    fn judge(self) -> Result<Judgement, &'static str> {
        let Some(Value::Bool(is_valid)) = self.is_valid else { return Err("is_valid is not a boolean") };
        let scopes = match self.scopes {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(scopes)) => {
                let texts: Option<Vec<String>> = scopes.into_iter().map(text).collect();
                texts.ok_or("scopes holds something else than strings")?
            }
            Some(_) => return Err("scopes is not an array"),
        };
        match self.status.and_then(text).as_deref() {
            Some("revoked") => return Ok(Judgement::Refused(Refusal::Revoked)),
            Some("inactive") => return Ok(Judgement::Refused(Refusal::Inactive)),
            _ if !is_valid => return Ok(Judgement::Refused(Refusal::Invalid)),
            Some("active") => {}
            _ => return Ok(Judgement::Refused(Refusal::Inactive)),
        }
        let key_id = self.key_id.and_then(text).filter(|id| !id.is_empty());
        let mut verification =
            Verification::active(key_id.ok_or("key_id is missing on a valid key")?).with_scopes(scopes);
        // A handler may read "no owner" as "not bound to one", so an owner that can't be read is no owner at all.
        if let Some(code) = owner(self.org_code).ok_or("org_code is neither null nor a string")? {
            verification = verification.with_organization(code);
        }
        if let Some(id) = owner(self.user_id).ok_or("user_id is neither null nor a string")? {
            verification = verification.with_user(id);
        }
        if let Some(raw) = self.last_verified_on.and_then(text) {
            verification = verification.with_last_verified_on(raw);
        }
        if let Some(count) = self.verification_count.as_ref().and_then(Value::as_u64) {
            verification = verification.with_verification_count(count);
        }
        match self.code.and_then(text) {
            Some(code) if code == "API_KEY_VERIFIED" => {
                verification = verification.with_code("API_KEY_VERIFIED")
            }
            Some(code) => verification = verification.with_code(code),
            None => {}
        }
        match self.message.and_then(text) {
            Some(message) if message == "API key verified" => {
                verification = verification.with_message("API key verified");
            }
            Some(message) => verification = verification.with_message(message),
            None => {}
        }
        Ok(Judgement::Accepted(verification))
    }
}

/// Reads a JSON object in UTF-8, and nothing else: serde would take an array for a struct, too, member by member, and
/// other bytes within the members that it passes over.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let body = std::str::from_utf8(body).ok()?;
    if !body.trim_ascii_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(body).ok()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// `Some(None)` where there is no owner, `None` where there is something that is no owner.
fn owner(value: Option<Value>) -> Option<Option<String>> {
    match value {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text)),
        Some(_) => None,
    }
}

/// The codes of an `errors` body, an array or (for 404) a single object, in upper case.
fn error_codes(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Value,
    }
    let Some(Errors { errors }) = object(body) else { return Vec::new() };
    let errors = match errors {
        Value::Array(errors) => errors,
        single => vec![single],
    };
    let code = |error: &Value| error.get("code").and_then(Value::as_str).map(str::to_ascii_uppercase);
    errors.iter().filter_map(code).collect()
}

fn refusal_named_by(codes: &[String]) -> Option<Refusal> {
    let about_the_key = || codes.iter().filter(|code| code.contains("API_KEY"));
    let names = |status| about_the_key().any(|code| code.contains(status));
    about_the_key().next()?;
    Some(if names("REVOKED") {
        Refusal::Revoked
    } else if names("INACTIVE") {
        Refusal::Inactive
    } else {
        Refusal::Invalid
    })
}

/// The meaning of an answer of the token endpoint.
#[derive(Debug)]
pub(crate) enum TokenMeaning {
    Granted {
        token: Secret,
        expires_in: Option<u64>,
    },
    Unavailable(String),
    /// The same, but asking again soon may help.
    UnavailableForNow(String),
    SetUp(String),
}

/// Reads an answer of the token endpoint. Kinde's statuses are odd, so a refusal is told by its OAuth error.
pub(crate) fn read_token_answer(status: u16, body: &[u8]) -> TokenMeaning {
    #[derive(Deserialize)]
    struct Grant {
        access_token: Option<Value>,
        expires_in: Option<Value>,
    }
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    match status {
        200 => {
            let grant = object::<Grant>(body);
            let expires_in = grant.as_ref().and_then(|grant| grant.expires_in.as_ref()).and_then(seconds);
            let token = grant.and_then(|grant| grant.access_token).and_then(text);
            match token.filter(|token| is_header_text(token)) {
                Some(token) => TokenMeaning::Granted { token: Secret::new(token), expires_in },
                None => TokenMeaning::Unavailable("Kinde's token endpoint answered 200 without a token".to_owned()),
            }
        }
        404 => TokenMeaning::SetUp(
            "Kinde knows no such client at this host (status 404): check KINDE_DOMAIN and KINDE_MANAGEMENT_CLIENT_ID"
                .to_owned(),
        ),
        429 | 500.. => TokenMeaning::UnavailableForNow(format!("Kinde's token endpoint answered with status {status}")),
        300..400 | 405 => TokenMeaning::SetUp(format!(
            "there is no token endpoint at this host (status {status}): check KINDE_DOMAIN"
        )),
        _ => match object::<Refused>(body).and_then(|refused| advice(&refused.error)) {
            Some(advice) => TokenMeaning::SetUp(format!("Kinde grants no token: {advice}")),
            None => TokenMeaning::Unavailable(format!(
                "Kinde's token endpoint answered with status {status} and no error that is known"
            )),
        },
    }
}

/// What to do about an OAuth error (RFC 6749, section 5.2, and Kinde's own). Only known names are repeated, so that no
/// echo of a secret reaches the log.
fn advice(error: &str) -> Option<String> {
    let (known, settings) = match error {
        "invalid_client" => {
            ("invalid_client", "KINDE_MANAGEMENT_CLIENT_ID and KINDE_MANAGEMENT_CLIENT_SECRET")
        }
        "unauthorized_client" => {
            ("unauthorized_client", "that KINDE_MANAGEMENT_CLIENT_ID is a machine-to-machine application")
        }
        "access_denied" => ("access_denied", AUDIENCE_ADVICE),
        "invalid_target" => ("invalid_target", AUDIENCE_ADVICE),
        "invalid_request" => ("invalid_request", AUDIENCE_ADVICE),
        "invalid_scope" => ("invalid_scope", "that the application may use scope read:api_keys"),
        "invalid_grant" => ("invalid_grant", GRANT_ADVICE),
        "unsupported_grant_type" => ("unsupported_grant_type", GRANT_ADVICE),
        other if other.contains("audience") => ("an error about the audience", AUDIENCE_ADVICE),
        other if other.contains("scope") => {
            ("an error about the scope", "that the application may use scope read:api_keys")
        }
        other if other.contains("grant") => ("an error about the grant", GRANT_ADVICE),
        other if other.contains("client") => ("an error about the client", "KINDE_MANAGEMENT_CLIENT_ID"),
        _ => return None,
    };
    Some(format!("{known}; check {settings}"))
}

const AUDIENCE_ADVICE: &str =
    "KINDE_MANAGEMENT_AUDIENCE, and that the application is authorised for the Kinde Management API";
const GRANT_ADVICE: &str = "that KINDE_MANAGEMENT_CLIENT_ID is a machine-to-machine application";

/// A number of seconds, written as a number or as text.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

/// Whether the text can stand in a header: visible ASCII.
fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
