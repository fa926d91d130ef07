//! The control plane, for tests in another process; the table of its routes is in the module docs of the emulator.

use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    answer::ScriptedAnswer,
    faults::{Endpoint, Fault},
    routes::{decoded, unknown_key, unknown_route, wrong_method},
    state::{State, locked},
    verify::NegativeAnswer,
};

/// Answers `/_emulator/...`, `segments` being what follows.
pub(crate) fn answer(state: &State, method: &Method, segments: &[&str], body: &[u8]) -> ScriptedAnswer {
    command(state, method, segments, body).unwrap_or_else(|refusal| refusal)
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
        (["counters"], &Method::DELETE) => state.counters.reset(),
        (["counters"], _) => return Err(wrong_method("GET, DELETE")),

        (["faults", endpoint], &Method::PUT) => set_faults(state, endpoint_named(endpoint)?, body)?,
        (["faults", endpoint], &Method::DELETE) => {
            let mut plan = locked(state.faults(endpoint_named(endpoint)?));
            plan.set_standing(None);
            plan.set_script(Vec::new());
        }
        (["faults", _], _) => return Err(wrong_method("PUT, DELETE")),

        (["negative_answer"], &Method::PUT) => {
            *locked(&state.negative_answer) = parsed::<NegativeAnswerBody>(body)?.style.into();
        }
        (["negative_answer"], _) => return Err(wrong_method("PUT")),

        (["keys"], &Method::GET) => return Ok(list_keys(state)),
        (["keys"], _) => return Err(wrong_method("GET")),
        (["keys", key_id, "status"], &Method::PUT) => {
            let status = parsed::<StatusBody>(body)?.status;
            if !locked(&state.keys).set_status(&decoded(key_id), &status) {
                return Err(unknown_key());
            }
        }
        (["keys", _, "status"], _) => return Err(wrong_method("PUT")),

        (["tokens", "revoke"], &Method::POST) => locked(&state.tokens).revoke_all(),
        (["tokens", "revoke"], _) => return Err(wrong_method("POST")),
        _ => return Err(unknown_route()),
    }
    Ok(ScriptedAnswer::new(204, ""))
}

fn endpoint_named(name: &str) -> Result<Endpoint, ScriptedAnswer> {
    match name {
        "verify" => Ok(Endpoint::Verify),
        "token" => Ok(Endpoint::Token),
        _ => Err(unknown_route()),
    }
}

/// An object is the standing fault, an array the script.
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

fn list_keys(state: &State) -> ScriptedAnswer {
    let keys = locked(&state.keys);
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusBody {
    status: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NegativeAnswerBody {
    style: Style,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Style {
    Ok200,
    Error400,
    Error401,
    Anonymous401,
}

impl From<Style> for NegativeAnswer {
    fn from(style: Style) -> NegativeAnswer {
        match style {
            Style::Ok200 => NegativeAnswer::Ok200,
            Style::Error400 => NegativeAnswer::Error400,
            Style::Error401 => NegativeAnswer::Error401,
            Style::Anonymous401 => NegativeAnswer::Anonymous401,
        }
    }
}

// Braces even where there is nothing in them: only so are unknown fields refused there, too.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum FaultBody {
    Latency {
        milliseconds: u64,
    },
    Hang {},
    Reset {},
    Close {},
    Status {
        status: u16,
        body: Option<String>,
    },
    TooManyRequests {
        rate_limit_reset: Option<u64>,
        retry_after: Option<u64>,
    },
    Garbage {},
    RawGarbage {},
    RawAnswer {
        bytes: String,
    },
    HugeBody {
        bytes: usize,
    },
    Empty {},
    SlowBody {
        milliseconds: u64,
    },
    Redirect {
        location: String,
    },
    Flap {},
    Answer {
        status: u16,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: String,
    },
}

impl From<FaultBody> for Fault {
    fn from(body: FaultBody) -> Fault {
        match body {
            FaultBody::Latency { milliseconds } => Fault::Latency(Duration::from_millis(milliseconds)),
            FaultBody::Hang {} => Fault::Hang,
            FaultBody::Reset {} => Fault::Reset,
            FaultBody::Close {} => Fault::Close,
            FaultBody::Status { status, body: Some(body) } => Fault::Status { status, body },
            FaultBody::Status { status, body: None } => Fault::status(status),
            FaultBody::TooManyRequests { rate_limit_reset, retry_after } => {
                Fault::TooManyRequests { rate_limit_reset, retry_after }
            }
            FaultBody::Garbage {} => Fault::Garbage,
            FaultBody::RawGarbage {} => Fault::RawGarbage,
            FaultBody::RawAnswer { bytes } => Fault::RawAnswer(bytes.into_bytes()),
            FaultBody::HugeBody { bytes } => Fault::HugeBody(bytes),
            FaultBody::Empty {} => Fault::Empty,
            FaultBody::SlowBody { milliseconds } => Fault::SlowBody(Duration::from_millis(milliseconds)),
            FaultBody::Redirect { location } => Fault::Redirect(location),
            FaultBody::Flap {} => Fault::Flap,
            FaultBody::Answer { status, headers, body } => {
                Fault::Answer(ScriptedAnswer { status, headers, body: body.into_bytes() })
            }
        }
    }
}
