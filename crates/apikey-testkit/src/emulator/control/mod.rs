//! The control plane, for tests in another process. The module docs of the emulator list its routes.

mod bodies;
mod connections;
mod fault_body;

use std::sync::Arc;

use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use bodies::{
    ApiIdsBody, BackendsBody, ConcurrencyLimitBody, KeyFaultBody, NegativeAnswerBody, StatusBody, WebhookBody,
};
use fault_body::FaultBody;

use super::{
    answer::ScriptedAnswer,
    faults::{Endpoint, Fault},
    key_faults::KeyFaults,
    link::Link,
    lock::locked,
    request::{decoded, unknown_key, unknown_route, wrong_method},
    state::State,
};

/// Answers `/_emulator/...`. `segments` is what follows.
pub(crate) async fn answer(
    state: &Arc<State>,
    link: &Link,
    method: &Method,
    segments: &[&str],
    body: &[u8],
) -> ScriptedAnswer {
    let answer = match segments {
        ["connections", rest @ ..] => connections::command(state, link, method, rest, body).await,
        _ => command(state, method, segments, body),
    };
    answer.unwrap_or_else(|refusal| refusal)
}

fn command(
    state: &State,
    method: &Method,
    segments: &[&str],
    body: &[u8],
) -> Result<ScriptedAnswer, ScriptedAnswer> {
    match (segments, method) {
        (["counters"], &Method::GET) => {
            return Ok(ScriptedAnswer::json(200, &json!(state.counters.snapshot())));
        }
        (["counters"], &Method::DELETE) => state.reset_counters(),
        (["counters"], _) => return Err(wrong_method("GET, DELETE")),

        (["faults", "keys"], &Method::PUT) => set_key_fault(state, parsed(body)?)?,
        (["faults", "keys"], &Method::DELETE) => *locked(&state.key_faults) = KeyFaults::default(),
        (["faults", endpoint], &Method::PUT) => set_faults(state, endpoint_named(endpoint)?, body)?,
        (["faults", endpoint], &Method::DELETE) => {
            let mut plan = locked(state.faults(endpoint_named(endpoint)?));
            plan.set_standing(None);
            plan.set_script(Vec::new());
        }
        (["faults", _], _) => return Err(wrong_method("PUT, DELETE")),

        (["negative_answer"], &Method::PUT) => {
            *locked(&state.business.negative_answer) = parsed::<NegativeAnswerBody>(body)?.style;
        }
        (["negative_answer"], _) => return Err(wrong_method("PUT")),
        (["unknown_key_answer"], &Method::PUT) => {
            *locked(&state.business.unknown_key_answer) = Some(parsed::<NegativeAnswerBody>(body)?.style);
        }
        (["unknown_key_answer"], &Method::DELETE) => *locked(&state.business.unknown_key_answer) = None,
        (["unknown_key_answer"], _) => return Err(wrong_method("PUT, DELETE")),
        (["malformed_key_answer"], &Method::PUT) => {
            *locked(&state.business.malformed_key_answer) = Some(parsed::<NegativeAnswerBody>(body)?.style);
        }
        (["malformed_key_answer"], &Method::DELETE) => *locked(&state.business.malformed_key_answer) = None,
        (["malformed_key_answer"], _) => return Err(wrong_method("PUT, DELETE")),

        (["backends"], &Method::GET) => {
            return Ok(ScriptedAnswer::json(200, &json!({"backends": state.backends.counters()})));
        }
        (["backends"], &Method::PUT) => {
            if !state.backends.set(parsed::<BackendsBody>(body)?.into()) {
                let message = "there must be 1 to 1000 backends";
                return Err(ScriptedAnswer::error(400, "REQUEST_INVALID", message));
            }
        }
        (["backends"], _) => return Err(wrong_method("GET, PUT")),
        (["backends", index, "fault"], &Method::PUT | &Method::DELETE) => {
            let fault = match *method {
                Method::PUT => Some(parsed::<FaultBody>(body)?.into()),
                _ => None,
            };
            if !index.parse().is_ok_and(|index| state.backends.set_fault(index, fault)) {
                return Err(unknown_route());
            }
        }
        (["backends", _, "fault"], _) => return Err(wrong_method("PUT, DELETE")),

        (["concurrency_limit"], &Method::PUT) => {
            *locked(&state.concurrency_limit) = Some(parsed::<ConcurrencyLimitBody>(body)?.into());
        }
        (["concurrency_limit"], &Method::DELETE) => *locked(&state.concurrency_limit) = None,
        (["concurrency_limit"], _) => return Err(wrong_method("PUT, DELETE")),

        (["keys"], &Method::GET) => return Ok(list_keys(state)),
        (["keys"], _) => return Err(wrong_method("GET")),
        (["keys", key_id, "status"], &Method::PUT) => {
            let status = parsed::<StatusBody>(body)?.status;
            if !locked(&state.business.keys).set_status(&decoded(key_id), &status) {
                return Err(unknown_key());
            }
        }
        (["keys", key_id, "api_ids"], &Method::PUT) => {
            let api_ids = parsed::<ApiIdsBody>(body)?.api_ids;
            if !locked(&state.business.keys).set_api_ids(&decoded(key_id), api_ids) {
                return Err(unknown_key());
            }
        }
        (["keys", _, "status" | "api_ids"], _) => return Err(wrong_method("PUT")),

        (["webhooks"], &Method::POST) => {
            let WebhookBody { event_type, data } = parsed(body)?;
            let webhook = locked(&state.business.signing_key).event(&event_type, &data);
            return Ok(ScriptedAnswer::new(200, webhook).header("content-type", "application/jwt"));
        }
        (["webhooks", "rotate"], &Method::POST) => locked(&state.business.signing_key).rotate(),
        (["webhooks"] | ["webhooks", "rotate"], _) => return Err(wrong_method("POST")),

        (["tokens", "revoke"], &Method::POST) => locked(&state.business.tokens).revoke_all(),
        (["tokens", "revoke"], _) => return Err(wrong_method("POST")),
        _ => return Err(unknown_route()),
    }
    Ok(ScriptedAnswer::new(204, ""))
}

fn endpoint_named(name: &str) -> Result<Endpoint, ScriptedAnswer> {
    match name {
        "verify" => Ok(Endpoint::Verify),
        "token" => Ok(Endpoint::Token),
        "jwks" => Ok(Endpoint::KeySet),
        "api_key" => Ok(Endpoint::ApiKey),
        _ => Err(unknown_route()),
    }
}

/// An object is the standing fault, an array is the script.
fn set_faults(state: &State, endpoint: Endpoint, body: &[u8]) -> Result<(), ScriptedAnswer> {
    if let Value::Array(_) = parsed(body)? {
        let script = parsed::<Vec<Option<FaultBody>>>(body)?;
        locked(state.faults(endpoint))
            .set_script(script.into_iter().map(|step| step.map(Fault::from)).collect());
    } else {
        let fault = Fault::from(parsed::<FaultBody>(body)?);
        locked(state.faults(endpoint)).set_standing(Some(fault));
    }
    Ok(())
}

fn set_key_fault(state: &State, body: KeyFaultBody) -> Result<(), ScriptedAnswer> {
    let mut faults = locked(&state.key_faults);
    let fault = body.fault.map(Fault::from);
    match (body.secret, body.prefix, body.unknown) {
        (Some(secret), None, false) => faults.set_by_secret(&secret, fault),
        (None, Some(prefix), false) => faults.set_by_prefix(&prefix, fault),
        (None, None, true) => faults.set_of_unknown(fault),
        _ => {
            let message = "the body must have one of secret, prefix and \"unknown\": true";
            return Err(ScriptedAnswer::error(400, "REQUEST_INVALID", message));
        }
    }
    Ok(())
}

fn list_keys(state: &State) -> ScriptedAnswer {
    let keys = locked(&state.business.keys);
    let keys: Vec<Value> = keys
        .all()
        .iter()
        .map(|key| {
            json!({
                "key_id": key.key_id,
                "secret": key.secret,
                "name": key.name,
                "status": key.status,
                "scopes": key.scopes,
                "organization": key.organization,
                "user": key.user,
                "api_ids": key.api_ids,
                "verification_count": key.verification_count,
            })
        })
        .collect();
    ScriptedAnswer::json(200, &json!({"keys": keys}))
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, ScriptedAnswer> {
    serde_json::from_slice(body)
        .map_err(|error| ScriptedAnswer::error(400, "REQUEST_INVALID", &error.to_string()))
}
