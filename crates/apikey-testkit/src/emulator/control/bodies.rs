//! The bodies of requests to the control plane, without those of faults.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    super::{answer::NegativeAnswer, backends::Backends, overload::ConcurrencyLimit},
    fault_body::FaultBody,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusBody {
    pub(super) status: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiIdsBody {
    /// Any JSON, `null` included. `None` if it is not there.
    #[serde(default, deserialize_with = "present")]
    pub(super) api_ids: Option<Value>,
}

/// A member that is there. Without this, `null` would count as absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookBody {
    #[serde(rename = "type")]
    pub(super) event_type: String,
    pub(super) data: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFaultBody {
    pub(super) secret: Option<String>,
    pub(super) prefix: Option<String>,
    #[serde(default)]
    pub(super) unknown: bool,
    pub(super) fault: Option<FaultBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NegativeAnswerBody {
    pub(super) style: NegativeAnswer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackendsBody {
    count: usize,
    seed: Option<u64>,
}

impl From<BackendsBody> for Backends {
    fn from(body: BackendsBody) -> Backends {
        match body.seed {
            None => Backends::round_robin(body.count),
            Some(seed) => Backends::random(body.count, seed),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConcurrencyLimitBody {
    most: u64,
    milliseconds: u64,
    retry_after: Option<u64>,
    rate_limit_reset: Option<u64>,
}

impl From<ConcurrencyLimitBody> for ConcurrencyLimit {
    fn from(body: ConcurrencyLimitBody) -> ConcurrencyLimit {
        let ConcurrencyLimitBody { most, milliseconds, retry_after, rate_limit_reset } = body;
        let latency = Duration::from_millis(milliseconds);
        ConcurrencyLimit { most, latency, retry_after, rate_limit_reset }
    }
}
