//! Machine-to-machine tokens: the token endpoint and what has been issued.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{
    answer::ScriptedAnswer,
    random,
    state::{State, locked},
};

/// All tokens that were issued, and until when each is accepted.
#[derive(Default)]
pub(crate) struct TokenStore {
    issued: Vec<String>,
    accepted: HashMap<String, Option<Instant>>,
}

impl TokenStore {
    /// Issues a token. It has the shape of a JWT, but clients must not look inside, so nothing is in there.
    fn issue(&mut self, lifetime: Option<Duration>) -> String {
        let token = format!(
            "eyJ{}.eyJ{}.{}",
            random::alphanumeric(61),
            random::alphanumeric(157),
            random::alphanumeric(86)
        );
        // A lifetime past what an instant can hold never ends.
        let end = lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime));
        self.accepted.insert(token.clone(), end);
        self.issued.push(token.clone());
        token
    }

    pub(crate) fn is_accepted(&self, token: &str) -> bool {
        self.accepted.get(token).is_some_and(|end| end.is_none_or(|end| Instant::now() < end))
    }

    pub(crate) fn revoke_all(&mut self) {
        self.accepted.clear();
    }

    pub(crate) fn issued(&self) -> Vec<String> {
        self.issued.clone()
    }
}

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
    if field("client_id") != Some(&settings.client_id) {
        return refusal(404, "invalid_client", "The requested OAuth 2.0 Client does not exist");
    }
    if field("client_secret") != Some(&settings.client_secret) {
        return refusal(401, "invalid_client", "Client authentication failed");
    }
    if !field("audience").is_some_and(|audience| is_audience(state, audience)) {
        return refusal(403, "access_denied", "The client is not allowed to request this audience");
    }
    if field("scope").is_some() {
        return refusal(403, "invalid_scope", "Scopes come with the client and can't be requested");
    }

    let lifetime = settings.token_lifetime;
    let token = locked(&state.business.tokens)
        .issue(lifetime.map(|lifetime| Duration::from_secs(lifetime.as_secs())));
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

/// An OAuth error body, as the token endpoint answers it.
fn refusal(status: u16, error: &str, description: &str) -> ScriptedAnswer {
    ScriptedAnswer::json(status, &json!({"error": error, "error_description": description}))
}

/// Whether a `Content-Type` names this media type, whatever its case and parameters.
pub(crate) fn is_media_type(content_type: &str, expected: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

/// The pairs of a form body or a query string, decoded.
pub(crate) fn pairs(encoded: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    encoded
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded() {
        let expected = [("a", "x y"), ("b", "https://h/api?+"), ("c", ""), ("d", "1=2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs("a=x+y&b=https%3A%2F%2Fh%2Fapi%3F%2B&&c&d=1=2"), expected);
    }

    #[test]
    fn a_token_is_accepted_until_it_expires_or_is_revoked() {
        let mut store = TokenStore::default();
        let (lasting, expired) = (store.issue(None), store.issue(Some(Duration::ZERO)));
        assert!(store.is_accepted(&lasting));
        assert!(!store.is_accepted(&expired));
        store.revoke_all();
        assert!(!store.is_accepted(&lasting));
        assert_eq!(store.issued(), [lasting, expired]);
    }

    #[test]
    fn parameters_and_case_of_a_media_type_do_not_matter() {
        assert!(is_media_type("Application/JSON ; charset=utf-8", "application/json"));
        assert!(!is_media_type("application/jsonp", "application/json"));
    }
}
