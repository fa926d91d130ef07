//! Faults that tests script.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use hyper::StatusCode;
use tokio::sync::watch;

use super::answer::ScriptedAnswer;

/// An endpoint with faults of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /api/v1/api_keys/verify`
    Verify,
    /// `POST /oauth2/token`
    Token,
    /// `GET /.well-known/jwks`
    KeySet,
    /// `GET /api/v1/api_keys/{key_id}`
    ApiKey,
}

/// A way to misbehave. Except for the faults that mention the normal answer, a fault replaces it for every request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The normal answer after this time. It is decided when the request arrives, like an answer on a slow network: a
    /// key that is revoked during the delay is still answered as valid.
    Latency(Duration),
    /// The normal answer once a test opens the gate. It is decided when the request arrives, as with `Latency`.
    Hold(Gate),
    /// No answer at all.
    Hang,
    /// A TCP RST instead of an answer.
    Reset,
    /// The emulator closes the connection with a FIN and without an answer.
    Close,
    /// An error status with a body; see [`Fault::status`].
    Status {
        /// The status.
        status: u16,
        /// The body. Its content type is JSON.
        body: String,
    },
    /// A 429 with Kinde's errors body.
    TooManyRequests {
        /// Seconds for the header `RateLimit-Reset`.
        rate_limit_reset: Option<u64>,
        /// Seconds for the header `Retry-After`.
        retry_after: Option<u64>,
    },
    /// A 200 that claims to be JSON and is not.
    Garbage,
    /// Bytes that are not HTTP, then the end of the connection.
    RawGarbage,
    /// Exactly these bytes, then the end of the connection. Use it for answers that are not valid HTTP.
    RawAnswer(Vec<u8>),
    /// A 200 with this many bytes in chunks. They start like a valid JSON answer that never ends.
    HugeBody(usize),
    /// A 200 without a body.
    Empty,
    /// The headers of the normal answer at once, then its body byte by byte, with this pause between bytes.
    SlowBody(Duration),
    /// A 302 to this location.
    Redirect(String),
    /// Normal answers and 503s in turn, starting with a normal one. Within another fault: normal answers only.
    Flap,
    /// Any status, headers and body.
    Answer(ScriptedAnswer),
    /// This answer's headers and the first half of its body, and never the rest. With an empty body, the body never
    /// starts.
    StalledBody(ScriptedAnswer),
    /// Another fault after this time. The answer is decided when the request arrives.
    After(Duration, Box<Fault>),
}

impl Fault {
    /// A [`Fault::Status`] with the body that Kinde documents for the status: an array of errors, or one object for a
    /// 404.
    pub fn status(status: u16) -> Fault {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let message = reason.unwrap_or("Unknown error");
        let code = match status {
            404 => "ROUTE_NOT_FOUND".to_owned(),
            _ => message.to_ascii_uppercase().replace([' ', '-'], "_"),
        };
        let body = ScriptedAnswer::error(status, &code, message).body;
        Fault::Status { status, body: String::from_utf8_lossy(&body).into_owned() }
    }
}

/// Holds back the answers of [`Fault::Hold`] until a test opens it. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Releases all waiting answers and all later ones.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub(crate) async fn passed(&self) {
        // An error would mean that the sender is gone, but `self` holds it.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

/// The coming faults of one endpoint.
#[derive(Default)]
pub(crate) struct FaultPlan {
    script: VecDeque<Option<Fault>>,
    standing: Option<Fault>,
    flaps: u64,
}

impl FaultPlan {
    pub(crate) fn standing(fault: Fault) -> FaultPlan {
        FaultPlan { standing: Some(fault), ..FaultPlan::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.standing.is_none() && self.script.is_empty()
    }

    pub(crate) fn set_standing(&mut self, fault: Option<Fault>) {
        self.standing = fault;
        self.flaps = 0;
    }

    pub(crate) fn set_script(&mut self, faults: Vec<Option<Fault>>) {
        self.script = faults.into();
    }

    /// The fault of the next call.
    pub(crate) fn next(&mut self) -> Option<Fault> {
        let fault = self.script.pop_front().unwrap_or_else(|| self.standing.clone());
        if !matches!(fault, Some(Fault::Flap)) {
            return fault;
        }
        self.flaps += 1;
        (self.flaps % 2 == 0).then(|| Fault::status(503))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_comes_before_the_standing_fault() {
        let mut plan = FaultPlan::default();
        plan.set_standing(Some(Fault::Hang));
        plan.set_script(vec![None, Some(Fault::Empty)]);
        assert!(plan.next().is_none());
        assert!(matches!(plan.next(), Some(Fault::Empty)));
        assert!(matches!(plan.next(), Some(Fault::Hang)));
        assert!(matches!(plan.next(), Some(Fault::Hang)));
    }

    #[test]
    fn a_flap_starts_with_a_normal_answer_each_time_it_is_set() {
        let mut plan = FaultPlan::default();
        for _ in 0..2 {
            plan.set_standing(Some(Fault::Flap));
            let turns: Vec<bool> = (0..3).map(|_| plan.next().is_some()).collect();
            assert_eq!(turns, [false, true, false]);
        }
    }

    #[test]
    fn statuses_have_the_documented_shapes() {
        let body = |status| match Fault::status(status) {
            Fault::Status { body, .. } => body,
            other => panic!("{other:?}"),
        };
        let array = r#"{"errors":[{"code":"SERVICE_UNAVAILABLE","message":"Service Unavailable"}]}"#;
        assert_eq!(body(503), array);
        assert_eq!(body(404), r#"{"errors":{"code":"ROUTE_NOT_FOUND","message":"Not Found"}}"#);
    }
}
