//! The management endpoints, which create, list, rotate and revoke keys like Kinde's API.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::ScriptedAnswer,
    keys::{IssuedKey, KeyRecord, KeySpecification},
    lock::locked,
    request::{RequestHead, decoded, pairs, unknown_key, unknown_route, wrong_method},
    state::State,
    verify::{authorize, check_scope},
};

/// The page size of a request without one.
const PAGE_SIZE: usize = 50;

/// Answers `/api/v1/api_keys` and the paths below it. `rest` is the segments that follow.
pub(crate) fn answer(state: &State, head: &RequestHead, rest: &[&str], body: &[u8]) -> ScriptedAnswer {
    let is_read = head.method() == Method::GET;
    let authorized = authorize(state, head);
    if let Err(refusal) = authorized.and_then(|()| if is_read { check_scope(state, head) } else { Ok(()) }) {
        return refusal;
    }
    match (rest, head.method()) {
        ([], &Method::GET) => list(state, head.query()),
        ([], &Method::POST) => create(state, body),
        ([], _) => wrong_method("GET, POST"),
        ([key_id], &Method::GET) => show(state, &decoded(key_id)),
        ([key_id], &Method::PUT) => rotate(state, &decoded(key_id)),
        ([key_id], &Method::DELETE) => revoke(state, &decoded(key_id)),
        ([_], _) => wrong_method("GET, PUT, DELETE"),
        _ => unknown_route(),
    }
}

#[derive(Deserialize)]
struct CreateRequest {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    api_id: String,
    scope_ids: Option<Vec<String>>,
    user_id: Option<String>,
    org_code: Option<String>,
}

fn create(state: &State, body: &[u8]) -> ScriptedAnswer {
    let request: CreateRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return invalid(&error.to_string()),
    };
    match (request.kind.as_str(), &request.org_code, &request.user_id) {
        ("environment", None, None) | ("organization", Some(_), None) | ("user", _, Some(_)) => {}
        ("environment" | "organization" | "user", _, _) => {
            return invalid("type does not go with org_code and user_id");
        }
        _ => return invalid("type must be user, organization or environment"),
    }
    let specification = KeySpecification {
        scopes: request.scope_ids,
        organization: request.org_code,
        user: request.user_id,
        api_ids: Some(vec![request.api_id]),
        ..KeySpecification::new(request.name)
    };
    let key = locked(&state.business.keys).create(specification);
    issued("API_KEY_CREATED", "API key created", key)
}

fn rotate(state: &State, key_id: &str) -> ScriptedAnswer {
    match locked(&state.business.keys).rotate(key_id) {
        Some(key) => issued("API_KEY_ROTATED", "API key rotated", key),
        None => unknown_key(),
    }
}

fn revoke(state: &State, key_id: &str) -> ScriptedAnswer {
    if !locked(&state.business.keys).set_status(key_id, "revoked") {
        return unknown_key();
    }
    ScriptedAnswer::json(200, &json!({"code": "API_KEY_REVOKED", "message": "API key revoked"}))
}

fn show(state: &State, key_id: &str) -> ScriptedAnswer {
    let keys = locked(&state.business.keys);
    let Some(key) = keys.find(key_id) else {
        return unknown_key();
    };
    let mut description = describe(key);
    description["verification_count"] = key.verification_count.into();
    description["organization_id"] = json!(key.organization);
    description["user_id"] = json!(key.user);
    ScriptedAnswer::json(200, &json!({"code": "OK", "message": "API key retrieved", "api_key": description}))
}

fn list(state: &State, query: &str) -> ScriptedAnswer {
    let mut page_size = PAGE_SIZE;
    let mut starting_after = None;
    let mut filters = Vec::new();
    for (name, value) in pairs(query) {
        match name.as_str() {
            "page_size" => match value.parse() {
                Ok(size) if size > 0 => page_size = size,
                _ => return invalid("page_size must be a positive number"),
            },
            "starting_after" => starting_after = Some(value),
            _ => filters.push((name, value)),
        }
    }
    let keys = locked(&state.business.keys);
    let keys = keys.all();
    let start = match starting_after {
        None => 0,
        Some(key_id) => match keys.iter().position(|key| key.key_id == key_id) {
            Some(position) => position + 1,
            None => return invalid("starting_after is not the id of an API key"),
        },
    };
    let mut matching =
        keys[start..].iter().filter(|key| filters.iter().all(|(name, value)| matches(key, name, value)));
    let page: Vec<Value> = matching.by_ref().take(page_size).map(describe).collect();
    let has_more = matching.next().is_some();
    ScriptedAnswer::json(
        200,
        &json!({"code": "OK", "message": "API keys retrieved", "has_more": has_more, "api_keys": page}),
    )
}

/// Whether a key passes one filter of a listing. An unknown parameter filters nothing.
fn matches(key: &KeyRecord, name: &str, value: &str) -> bool {
    match name {
        "key_type" => key.kind == value,
        "status" => key.status == value,
        "user_id" => key.user.as_deref() == Some(value),
        "org_code" => key.organization.as_deref() == Some(value),
        "api_id" => {
            let api_ids = key.api_ids.as_ref().and_then(Value::as_array);
            api_ids.is_some_and(|api_ids| api_ids.iter().any(|api_id| api_id == value))
        }
        _ => true,
    }
}

fn describe(key: &KeyRecord) -> Value {
    let letters: Vec<char> = key.secret.chars().collect();
    let mut description = json!({
        "id": key.key_id,
        "name": key.name,
        "type": key.kind,
        "status": key.status,
        "key_prefix": letters.iter().take(6).collect::<String>(),
        "key_suffix": letters[letters.len().saturating_sub(4)..].iter().collect::<String>(),
        "created_on": key.created_on,
        "last_verified_on": key.last_verified_on,
        "last_verified_ip": key.last_verified_ip,
        "created_by": "Emulator",
        "scopes": key.scopes,
    });
    if let Some(api_ids) = &key.api_ids {
        description["api_ids"] = api_ids.clone();
    }
    description
}

fn issued(code: &str, message: &str, key: IssuedKey) -> ScriptedAnswer {
    let key = json!({"id": key.key_id, "key": key.secret});
    ScriptedAnswer::json(201, &json!({"code": code, "message": message, "api_key": key}))
}

fn invalid(message: &str) -> ScriptedAnswer {
    ScriptedAnswer::error(400, "REQUEST_INVALID", message)
}
