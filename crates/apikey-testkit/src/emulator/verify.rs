//! The verify endpoint.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{
    answer::{NegativeAnswer, ScriptedAnswer},
    keys::{Judgement, KeyRecord},
    lock::locked,
    request::{RequestHead, is_media_type},
    state::State,
};

/// The secret in the body, if there is one.
pub(crate) fn presented_secret(body: &[u8]) -> Option<String> {
    match serde_json::from_slice(body).ok()? {
        Value::Object(mut object) => match object.remove("api_key") {
            Some(Value::String(secret)) => Some(secret),
            _ => None,
        },
        _ => None,
    }
}

/// Answers `POST /api/v1/api_keys/verify`.
pub(crate) fn answer(
    state: &State,
    head: &RequestHead,
    peer: IpAddr,
    secret: Option<&str>,
) -> ScriptedAnswer {
    if state.settings.authentication {
        if let Err(refusal) = authorize(state, head).and_then(|()| check_scope(state, head)) {
            return refusal;
        }
    }
    if !head.content_type().is_some_and(|value| is_media_type(value, "application/json")) {
        return ScriptedAnswer::error(400, "CONTENT_TYPE_INVALID", "The body must be application/json");
    }
    let Some(secret) = secret else {
        return ScriptedAnswer::error(400, "REQUEST_INVALID", "The body must be {\"api_key\": \"...\"}");
    };
    let judgement = locked(&state.business.keys).verify(secret, peer);
    match judgement {
        Judgement::Valid(key) => {
            ScriptedAnswer::json(200, &verification("API_KEY_VERIFIED", "API key verified", true, &key))
        }
        Judgement::Scripted(answer) => answer,
        Judgement::NotActive(key) => negative(*locked(&state.business.negative_answer), Some(&key)),
        Judgement::Unknown => {
            let malformed =
                locked(&state.business.malformed_key_answer).filter(|_| !secret.starts_with("k_"));
            let style = malformed.or(*locked(&state.business.unknown_key_answer));
            negative(style.unwrap_or_else(|| *locked(&state.business.negative_answer)), None)
        }
    }
}

/// Checks the token of the calling service.
pub(crate) fn authorize(state: &State, head: &RequestHead) -> Result<(), ScriptedAnswer> {
    match head.bearer() {
        None => Err(ScriptedAnswer::error(401, "TOKEN_MISSING", "An access token is required")),
        Some(token) if locked(&state.business.tokens).is_accepted(token) => Ok(()),
        Some(_) => Err(ScriptedAnswer::error(401, "TOKEN_INVALID", "The access token is invalid or expired")),
    }
}

/// Checks that the token has the scope to read API keys.
pub(crate) fn check_scope(state: &State, head: &RequestHead) -> Result<(), ScriptedAnswer> {
    let has_scope = head.bearer().is_none_or(|token| locked(&state.business.tokens).has_scope(token));
    if state.business.scope_denied() || !has_scope {
        let message = "The access token lacks the scope read:api_keys";
        return Err(ScriptedAnswer::error(403, "SCOPE_MISSING", message));
    }
    Ok(())
}

fn negative(style: NegativeAnswer, key: Option<&KeyRecord>) -> ScriptedAnswer {
    let (code, message) = match key {
        Some(key) => {
            (format!("API_KEY_{}", key.status.to_uppercase()), format!("The API key is {}", key.status))
        }
        None => ("INVALID_API_KEY".to_owned(), "The API key is invalid".to_owned()),
    };
    match (style, key) {
        (NegativeAnswer::Ok200, Some(key)) => {
            ScriptedAnswer::json(200, &verification(&code, &message, false, key))
        }
        (NegativeAnswer::Status200, Some(key)) => {
            ScriptedAnswer::json(200, &verification("API_KEY_VERIFIED", "API key verified", true, key))
        }
        (NegativeAnswer::Ok200 | NegativeAnswer::Status200, None) => {
            ScriptedAnswer::json(200, &json!({"code": code, "message": message, "is_valid": false}))
        }
        (NegativeAnswer::Error400, _) => ScriptedAnswer::error(400, &code, &message),
        (NegativeAnswer::Error401, _) => ScriptedAnswer::error(401, &code, &message),
        (NegativeAnswer::Error403, _) => ScriptedAnswer::error(403, &code, &message),
        (NegativeAnswer::Error404, _) => ScriptedAnswer::error(404, &code, &message),
        (NegativeAnswer::Anonymous400, _) => ScriptedAnswer::error(400, "BAD_REQUEST", "Bad request"),
        (NegativeAnswer::Anonymous401, _) => ScriptedAnswer::error(401, "UNAUTHORIZED", "Unauthorized"),
        (NegativeAnswer::Anonymous403, _) => ScriptedAnswer::error(403, "FORBIDDEN", "Forbidden"),
        (NegativeAnswer::Anonymous404, _) => ScriptedAnswer::error(404, "NOT_FOUND", "Not found"),
        (NegativeAnswer::Bare400, _) => ScriptedAnswer::new(400, ""),
        (NegativeAnswer::Bare401, _) => ScriptedAnswer::new(401, ""),
        (NegativeAnswer::Bare403, _) => ScriptedAnswer::new(403, ""),
        (NegativeAnswer::Bare404, _) => ScriptedAnswer::new(404, ""),
        (NegativeAnswer::Unreadable200, _) => ScriptedAnswer::json(200, &json!({})),
        (NegativeAnswer::Garbage200, _) => {
            ScriptedAnswer::new(200, "Everything is fine.").header("content-type", "text/plain")
        }
    }
}

fn verification(code: &str, message: &str, is_valid: bool, key: &KeyRecord) -> Value {
    json!({
        "code": code,
        "message": message,
        "is_valid": is_valid,
        "key_id": key.key_id,
        "status": key.status,
        "scopes": key.scopes,
        "org_code": key.organization,
        "user_id": key.user,
        "last_verified_on": key.last_verified_on,
        "verification_count": key.verification_count,
    })
}
