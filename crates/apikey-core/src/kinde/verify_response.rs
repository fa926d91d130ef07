//! What the responses of Kinde's verify endpoint mean. Pure.

use std::borrow::Cow;

use serde::Deserialize;

use super::json::{Member, NOT_THE_JSON, object};
use super::meaning::{Meaning, read_response};
use super::setting_names::SettingNames;
use super::status::Head;
use crate::verification::{Judgement, Refusal, Verification};

/// Reads a response of the verify endpoint. `body` is `None` if it is too long. `names` are the names of settings for the
/// advice in errors.
pub(crate) fn read_verify_response(head: Head, body: Option<&[u8]>, names: SettingNames) -> Meaning {
    read_response(head, body, "verify endpoint", names, |body| {
        object::<VerifyBody<'_>>(body).ok_or(NOT_THE_JSON)?.judge()
    })
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
