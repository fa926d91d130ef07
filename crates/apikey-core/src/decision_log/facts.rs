//! What an observer learns of a request beside the decision about it.

use crate::request::RequestHead;
use crate::view::View;

/// How long a request's id may be, in characters. A caller chooses it.
const LONGEST_ID: usize = 128;

/// What an observer learns of a request beside the decision about it.
pub(crate) struct Facts {
    pub(super) route: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) client: Option<String>,
}

impl Facts {
    /// What the observer will want to know, if there is one.
    pub(crate) fn of(view: &View, request: &impl RequestHead) -> Option<Box<Self>> {
        view.telemetry.has_observer().then(|| Box::new(Self::read(view, request)))
    }

    #[cold]
    fn read(view: &View, request: &impl RequestHead) -> Self {
        Self {
            route: request.route().map(|route| route.into_owned()),
            request_id: trace_id(request).or_else(|| request_id(request)),
            client: view.clients.client_of(request).map(|client| client.to_string()),
        }
    }
}

/// The trace id of the one `traceparent` header: 32 hexadecimal digits, not all zero (W3C Trace Context, section 3.2.2).
fn trace_id(request: &impl RequestHead) -> Option<String> {
    let id = only(request, "traceparent")?.split(|byte| *byte == b'-').nth(1)?;
    let is_id = id.len() == 32 && id.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    (is_id && id.iter().any(|digit| *digit != b'0')).then(|| String::from_utf8_lossy(id).into_owned())
}

fn request_id(request: &impl RequestHead) -> Option<String> {
    let id = only(request, "x-request-id")?;
    let is_id = (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
    is_id.then(|| String::from_utf8_lossy(id).into_owned())
}

/// The value of the header, if it is there once.
fn only<'r>(request: &'r impl RequestHead, name: &'r str) -> Option<&'r [u8]> {
    let mut values = request.header_values(name);
    values.next().filter(|_| values.next().is_none())
}
