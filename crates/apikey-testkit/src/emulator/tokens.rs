//! The token endpoint.

use std::{collections::HashSet, time::Duration};

use serde_json::json;

use super::{
    answer::ScriptedAnswer,
    lock::locked,
    request::{is_media_type, pairs},
    state::State,
};

/// Answers `POST /oauth2/token`.
pub(crate) fn answer(state: &State, content_type: Option<&str>, body: &[u8]) -> ScriptedAnswer {
    let settings = &state.settings;
    if !content_type.is_some_and(|value| is_media_type(value, "application/x-www-form-urlencoded")) {
        return refusal(400, "invalid_request", "The body must be application/x-www-form-urlencoded");
    }
    let pairs = pairs(&String::from_utf8_lossy(body));
    let mut names = HashSet::new();
    if !pairs.iter().all(|(name, _)| names.insert(name)) {
        return refusal(400, "invalid_request", "A parameter is repeated");
    }
    let field = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str());

    match field("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return refusal(400, "unsupported_grant_type", "The grant type is not supported"),
        None => return refusal(400, "invalid_request", "The parameter grant_type is missing"),
    }
    let without_scope =
        settings.client_without_scope.as_ref().filter(|(id, _)| field("client_id") == Some(id));
    let secret = match without_scope {
        Some((_, secret)) => secret,
        None if field("client_id") == Some(&settings.client_id) => &settings.client_secret,
        None => return refusal(404, "invalid_client", "The requested OAuth 2.0 Client does not exist"),
    };
    if field("client_secret") != Some(secret) {
        return refusal(401, "invalid_client", "Client authentication failed");
    }
    if !field("audience").is_some_and(|audience| is_audience(state, audience)) {
        return refusal(403, "access_denied", "The client is not allowed to request this audience");
    }
    if field("scope").is_some() {
        return refusal(403, "invalid_scope", "Scopes come with the client and can't be requested");
    }

    let lifetime = settings.token_lifetime;
    let whole_seconds = lifetime.map(|lifetime| Duration::from_secs(lifetime.as_secs()));
    let token = locked(&state.business.tokens).issue(whole_seconds, without_scope.is_none());
    let mut answer = json!({"access_token": token, "token_type": "bearer"});
    if let Some(lifetime) = lifetime {
        answer["expires_in"] = lifetime.as_secs().into();
    }
    ScriptedAnswer::json(200, &answer).header("cache-control", "no-store")
}

fn is_audience(state: &State, audience: &str) -> bool {
    if audience == state.settings.audience {
        return true;
    }
    let Some(host) = audience
        .strip_prefix("http://")
        .or_else(|| audience.strip_prefix("https://"))
        .and_then(|rest| rest.strip_suffix("/api"))
    else {
        return false;
    };
    host == state.address.to_string() || host == format!("localhost:{}", state.address.port())
}

/// An OAuth error body in the format of the token endpoint.
fn refusal(status: u16, error: &str, description: &str) -> ScriptedAnswer {
    ScriptedAnswer::json(status, &json!({"error": error, "error_description": description}))
}
