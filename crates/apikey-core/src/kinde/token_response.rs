//! What the responses of Kinde's token endpoint mean.

use serde::Deserialize;

use super::json::{Member, object};
use super::secret::Secret;
use super::setting_names::SettingNames;
use super::status::{Head, failure_by_status, status_decides};
use crate::verifier::VerifierError;

/// A token, as Kinde granted it.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) token: Secret,
    /// In seconds.
    pub(crate) expires_in: Option<u64>,
}

/// Reads a response of the token endpoint. Kinde's statuses are odd, so the OAuth error in the body says why a token is
/// refused. `body` is `None` if it is too long. `names` are the names of settings for the advice in errors.
///
/// # Errors
/// [`VerifierError`] if the response grants no token.
pub(crate) fn read_token_response(
    head: Head,
    body: Option<&[u8]>,
    names: SettingNames,
) -> Result<Grant, VerifierError> {
    #[derive(Deserialize)]
    struct Granted<'a> {
        #[serde(borrow)]
        access_token: Option<Member<'a>>,
        #[serde(borrow)]
        expires_in: Option<Member<'a>>,
    }
    #[derive(Deserialize)]
    struct Refused<'a> {
        #[serde(borrow)]
        error: Member<'a>,
    }
    let status = head.status;
    if status_decides(status) {
        return Err(failure_by_status(head, "Kinde's token endpoint", names));
    }
    let body = body.unwrap_or_default();
    match status {
        200 => {
            let granted = object::<Granted<'_>>(body);
            let expires_in = granted.as_ref().and_then(|granted| seconds(granted.expires_in.as_ref()?));
            // This is the only copy of the token, unless it is written with escapes, which no token needs.
            let token = granted.and_then(|granted| granted.access_token?.text());
            let token = token.map(|token| Secret::new(token.into_owned()));
            match token.filter(|token| is_header_text(token.expose())) {
                Some(token) => Ok(Grant { token, expires_in }),
                None => Err(VerifierError::outage("Kinde's token endpoint answered 200 without a token")),
            }
        }
        404 => Err(VerifierError::set_up(format!(
            "Kinde knows no such client at this host (status 404): check {} and {}",
            names.domain, names.client_id
        ))),
        _ => {
            Err(match object::<Refused<'_>>(body).and_then(|refused| advice(&refused.error.text()?, names)) {
                Some(advice) => VerifierError::set_up(format!("Kinde grants no token: {advice}")),
                None => VerifierError::outage(format!(
                    "Kinde's token endpoint answered with status {status} and no known error"
                )),
            })
        }
    }
}

/// Advice about an OAuth error (RFC 6749, section 5.2, and Kinde's own). Only known names are repeated, because Kinde might
/// send a secret back.
fn advice(error: &str, names: SettingNames) -> Option<String> {
    let SettingNames { client_id, client_secret, audience, .. } = names;
    let known = KNOWN_ERRORS.iter().find(|known| **known == error);
    let audience =
        || format!("{audience}, and that the application is authorised for the Kinde Management API");
    let scope = || "that the application may use scope read:api_keys".to_owned();
    let grant = || format!("that {client_id} is a machine-to-machine application");
    let settings = match error {
        "invalid_client" if client_id == client_secret => client_id.to_owned(),
        "invalid_client" => format!("{client_id} and {client_secret}"),
        "unauthorized_client" => grant(),
        "access_denied" | "invalid_target" | "invalid_request" => audience(),
        other if other.contains("audience") => audience(),
        other if other.contains("scope") => scope(),
        other if other.contains("grant") => grant(),
        other if other.contains("client") => client_id.to_owned(),
        _ => return None,
    };
    Some(match known {
        Some(known) => format!("{known}; check {settings}"),
        None => format!("check {settings}"),
    })
}

const KNOWN_ERRORS: [&str; 8] = [
    "invalid_client",
    "unauthorized_client",
    "access_denied",
    "invalid_target",
    "invalid_request",
    "invalid_scope",
    "invalid_grant",
    "unsupported_grant_type",
];

/// Reads a number of seconds from a number or a text.
fn seconds(member: &Member<'_>) -> Option<u64> {
    match member {
        Member::Number(number) => Some(*number),
        Member::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Whether the text fits into a header: visible ASCII only.
fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
