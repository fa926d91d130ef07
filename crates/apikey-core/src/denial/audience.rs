//! Whom a denial answers: the protocol of the refused request, and what it says that it understands.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Denial;
use crate::request::RequestHead;

/// What a refused request says about the answers that it understands. A
/// [`denial_renderer`](crate::AuthenticatorBuilder::denial_renderer) reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// The content type of a gRPC answer, if the request is a gRPC request.
    pub(super) grpc: Option<String>,
    accept: Option<String>,
    accept_language: Option<String>,
}

impl Audience {
    /// The request's `Accept`, as the caller wrote it. Several lines are joined by `, `.
    #[must_use]
    pub fn accept(&self) -> Option<&str> {
        self.accept.as_deref()
    }

    /// The request's `Accept-Language`, as the caller wrote it. Several lines are joined by `, `.
    #[must_use]
    pub fn accept_language(&self) -> Option<&str> {
        self.accept_language.as_deref()
    }

    /// `None` if it makes no difference to the answer. If nothing renders denials, nobody asks for the caller's
    /// preferences.
    pub(super) fn of(request: &impl RequestHead, reads_preferences: bool) -> Option<Box<Self>> {
        let grpc = request.header_values("content-type").next().and_then(grpc_answer);
        if grpc.is_none() && !reads_preferences {
            return None;
        }
        let (accept, accept_language) = (lines(request, "accept"), lines(request, "accept-language"));
        Some(Box::new(Self { grpc, accept, accept_language }))
    }
}

/// The content type of the answer to a gRPC request: the request's own, without its parameters.
fn grpc_answer(content_type: &[u8]) -> Option<String> {
    const GRPC: &str = "application/grpc";
    content_type.get(..GRPC.len()).filter(|start| start.eq_ignore_ascii_case(GRPC.as_bytes()))?;
    let media_type = content_type.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next()?;
    let is_plain = media_type.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/+-.".contains(byte));
    let media_type = if is_plain { std::str::from_utf8(media_type).ok()? } else { GRPC };
    Some(media_type.to_ascii_lowercase())
}

/// A header that is a list. Lines that are not UTF-8 are left out.
fn lines(request: &impl RequestHead, name: &str) -> Option<String> {
    let lines: Vec<&str> =
        request.header_values(name).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The content type and the body of a denial's response. A
/// [`denial_renderer`](crate::AuthenticatorBuilder::denial_renderer) returns one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialBody {
    pub(super) content_type: Cow<'static, str>,
    pub(super) body: Vec<u8>,
}

impl DenialBody {
    /// A body with its content type, for example `text/html; charset=utf-8`. If the content type can't be a header's
    /// value, the default body is sent, and the log says so.
    #[must_use]
    pub fn new(content_type: impl Into<Cow<'static, str>>, body: impl Into<Vec<u8>>) -> Self {
        Self { content_type: content_type.into(), body: body.into() }
    }

    pub(super) fn can_be_sent(&self) -> bool {
        !self.content_type.is_empty() && self.content_type.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    }
}

/// Words the bodies of denials.
#[derive(Clone)]
pub(crate) struct DenialRenderer(pub(super) Arc<RenderDenial>);

type RenderDenial = dyn Fn(&Denial, &Audience) -> DenialBody + Send + Sync;

impl DenialRenderer {
    pub(crate) fn new(render: impl Fn(&Denial, &Audience) -> DenialBody + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }
}

impl PartialEq for DenialRenderer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DenialRenderer {}

impl fmt::Debug for DenialRenderer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DenialRenderer(..)")
    }
}
