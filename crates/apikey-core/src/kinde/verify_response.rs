//! What the responses of Kinde's verify endpoint mean. Pure: status, headers and body go in. The rules are in the order in
//! which they apply.

use std::borrow::Cow;

use serde::Deserialize;

use super::errors::Errors;
use super::json::{Member, object};
use super::setting_names::SettingNames;
use super::status::{Head, LONGEST_BODY, failure_by_status, status_decides};
use crate::verification::{Judgement, Refusal, Verification};
use crate::verifier::VerifierError;

/// What a response of the verify endpoint means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Kinde judged the key.
    Judged(Judgement),
    /// A 401 or 403 that is not about the key. It may be about the service's token; the response alone does not say.
    TokenDoubted(Doubt),
    /// Kinde did not judge the key.
    NotJudged(VerifierError),
}

/// What a 401 or 403 says that is not about the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// A 401 without `errors`. The reason may be the key, or a firewall.
    Bare401,
    /// A 403 without `errors`, as firewalls send it.
    Bare403,
    /// Its `errors` are not about the key.
    Refused,
    /// It says that the token lacks the scope `read:api_keys`.
    ScopeMissing,
}

/// Reads a response of the verify endpoint. `body` is `None` if it is too long. `names` are the names of settings for the
/// advice in errors.
pub(crate) fn read_verify_response(head: Head, body: Option<&[u8]>, names: SettingNames) -> Meaning {
    let unjudged = |why: Cow<'static, str>| Meaning::NotJudged(VerifierError::unjudged(why));
    let status = head.status;
    if status_decides(status) {
        return Meaning::NotJudged(failure_by_status(head, "Kinde", names));
    }
    if status == 200 {
        let Some(body) = body else {
            return unjudged(format!("the response is longer than {LONGEST_BODY} bytes").into());
        };
        return match object::<VerifyBody<'_>>(body).map(VerifyBody::judge) {
            Some(Ok(judgement)) => Meaning::Judged(judgement),
            Some(Err(why)) => unjudged(why.into()),
            None => unjudged("the response is not the JSON that was expected".into()),
        };
    }
    if status < 300 {
        return unjudged(format!("Kinde answered with status {status}").into());
    }
    let errors = Errors::read(body.unwrap_or_default());
    if errors.has("ROUTE_NOT_FOUND") {
        return Meaning::NotJudged(VerifierError::set_up(format!(
            "Kinde knows no verify endpoint at this host (status {status}): check {}",
            names.domain
        )));
    }
    let scope_missing = errors.has("SCOPE_MISSING");
    match (status, errors.refusal()) {
        (401 | 403, _) if scope_missing => Meaning::TokenDoubted(Doubt::ScopeMissing),
        _ if scope_missing => Meaning::NotJudged(VerifierError::set_up(scope_advice(names))),
        (400 | 401 | 403 | 404, Some(refusal)) => Meaning::Judged(Judgement::refused(refusal)),
        (401, None) if errors.is_empty() => Meaning::TokenDoubted(Doubt::Bare401),
        (403, None) if errors.is_empty() => Meaning::TokenDoubted(Doubt::Bare403),
        (401 | 403, None) => Meaning::TokenDoubted(Doubt::Refused),
        _ => unjudged(format!("Kinde answered with status {status}").into()),
    }
}

/// Advice for a token that lacks the scope.
pub(super) fn scope_advice(names: SettingNames) -> String {
    format!(
        "Kinde says that the token lacks a scope: grant read:api_keys to the application that {} names, on the \
         Kinde Management API",
        names.client_id
    )
}

/// The body of a 200. If a member is there twice, the whole body is unreadable.
#[derive(Deserialize)]
struct VerifyBody<'a> {
    #[serde(borrow)]
    code: Option<Member<'a>>,
    #[serde(borrow)]
    message: Option<Member<'a>>,
    #[serde(borrow)]
    is_valid: Option<Member<'a>>,
    #[serde(borrow)]
    key_id: Option<Member<'a>>,
    #[serde(borrow)]
    status: Option<Member<'a>>,
    #[serde(borrow)]
    scopes: Option<Member<'a>>,
    #[serde(borrow)]
    org_code: Option<Member<'a>>,
    #[serde(borrow)]
    user_id: Option<Member<'a>>,
    #[serde(borrow)]
    last_verified_on: Option<Member<'a>>,
    #[serde(borrow)]
    verification_count: Option<Member<'a>>,
}

impl VerifyBody<'_> {
    fn judge(self) -> Result<Judgement, &'static str> {
        let Some(Member::Boolean(is_valid)) = self.is_valid else { return Err("is_valid is not a boolean") };
        let scopes = match self.scopes {
            None => Vec::new(),
            Some(Member::List(scopes)) => {
                let texts: Option<Vec<_>> = scopes.into_iter().map(Member::text).collect();
                texts.ok_or("scopes holds something other than strings")?
            }
            Some(_) => return Err("scopes is not an array"),
        };
        match text(self.status).as_deref() {
            Some("revoked") => return Ok(Judgement::refused(Refusal::Revoked)),
            Some("inactive") => return Ok(Judgement::refused(Refusal::Inactive)),
            _ if !is_valid => return Ok(Judgement::refused(Refusal::Invalid)),
            Some("active") => {}
            _ => return Ok(Judgement::refused(Refusal::Inactive)),
        }
        let key_id =
            text(self.key_id).filter(|id| !id.is_empty()).ok_or("key_id is missing on a valid key")?;
        let mut verification = Verification::active(key_id).with_scopes(scopes);
        // A handler may read "no owner" as "not bound to an owner". So an owner that can't be read is an error.
        if let Some(code) = owner(self.org_code).ok_or("org_code is neither null nor a string")? {
            verification = verification.with_organization(code);
        }
        if let Some(id) = owner(self.user_id).ok_or("user_id is neither null nor a string")? {
            verification = verification.with_user(id);
        }
        if let Some(raw) = text(self.last_verified_on) {
            verification = verification.with_last_verified_on(raw);
        }
        if let Some(Member::Number(count)) = self.verification_count {
            verification = verification.with_verification_count(count);
        }
        if let Some(code) = text(self.code) {
            verification = verification.with_code(shared(code, "API_KEY_VERIFIED"));
        }
        if let Some(message) = text(self.message) {
            verification = verification.with_message(shared(message, "API key verified"));
        }
        Ok(Judgement::accepted(verification))
    }
}

fn text(member: Option<Member<'_>>) -> Option<Cow<'_, str>> {
    member.and_then(Member::text)
}

/// Returns the text, without an allocation if it is the usual one.
fn shared(text: Cow<'_, str>, usual: &'static str) -> Cow<'static, str> {
    if text == usual { Cow::Borrowed(usual) } else { Cow::Owned(text.into_owned()) }
}

/// Returns `Some(None)` if there is no owner, and `None` if the member is not the name of an owner.
fn owner(member: Option<Member<'_>>) -> Option<Option<Cow<'_, str>>> {
    match member {
        None => Some(None),
        Some(Member::Text(text)) => Some(Some(text)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
