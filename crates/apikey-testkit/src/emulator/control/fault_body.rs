//! Faults as the control plane reads them.

use std::time::Duration;

use serde::Deserialize;

use super::super::{answer::ScriptedAnswer, faults::Fault};

/// A fault by its name.
// Every variant has braces, because only then are unknown fields refused.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FaultBody {
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
    StalledBody {
        status: u16,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: String,
    },
    After {
        milliseconds: u64,
        fault: Box<FaultBody>,
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
            FaultBody::StalledBody { status, headers, body } => {
                Fault::StalledBody(ScriptedAnswer { status, headers, body: body.into_bytes() })
            }
            FaultBody::After { milliseconds, fault } => {
                Fault::After(Duration::from_millis(milliseconds), Box::new(Fault::from(*fault)))
            }
        }
    }
}
