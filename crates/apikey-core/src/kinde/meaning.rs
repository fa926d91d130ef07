//! What a response about a key means. Pure: status, headers and body go in. The rules are in the order in which they apply.

use std::borrow::Cow;

use super::errors::Errors;
use super::setting_names::SettingNames;
use super::status::{Head, LONGEST_BODY, failure_by_status, status_decides};
use crate::verification::Judgement;
use crate::verifier::VerifierError;

/// What a response about a key means.
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

/// Reads a response about a key. `body` is `None` if it is too long. `endpoint` says in words who answers. `names` are the names
/// of settings for the advice in errors. `judge` reads the body of a 200, and says why if it can't.
pub(super) fn read_response<'b>(
    head: Head,
    body: Option<&'b [u8]>,
    endpoint: &str,
    names: SettingNames,
    judge: impl FnOnce(&'b [u8]) -> Result<Judgement, &'static str>,
) -> Meaning {
    let unjudged = |why: Cow<'static, str>| Meaning::NotJudged(VerifierError::unjudged(why));
    let status = head.status;
    if status_decides(status) {
        return Meaning::NotJudged(failure_by_status(head, "Kinde", names));
    }
    if status == 200 {
        let Some(body) = body else {
            return unjudged(format!("the response is longer than {LONGEST_BODY} bytes").into());
        };
        return judge(body).map_or_else(|why| unjudged(why.into()), Meaning::Judged);
    }
    if status < 300 {
        return unjudged(format!("Kinde answered with status {status}").into());
    }
    let errors = Errors::read(body.unwrap_or_default());
    if errors.has("ROUTE_NOT_FOUND") {
        return Meaning::NotJudged(VerifierError::set_up(format!(
            "Kinde knows no {endpoint} at this host (status {status}): check {}",
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
