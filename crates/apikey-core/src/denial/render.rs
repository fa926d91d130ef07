//! Renders the response to a refused request.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

use super::{
    Audience, Denial, DenialBody, DenialCode, DenialRenderer, DenialStyle, Detail, Inner, whole_seconds,
};
use crate::denial_code::Challenge;
use crate::policy::is_scope_token;

/// The responses that are always the same, kept once they are rendered. In a flood of bad keys, rendering would cost
/// more than refusing.
#[derive(Default)]
pub(crate) struct Rendered(pub(super) [OnceLock<DenialResponse>; DenialCode::ALL.len()]);

impl fmt::Debug for Rendered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rendered(..)")
    }
}

/// All of them are equal, because the style determines what is rendered.
impl PartialEq for Rendered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rendered {}

impl Denial {
    /// The whole response.
    ///
    /// ```
    /// # use apikey_core::{Authenticator, PlainRequest};
    /// # async fn example(authenticator: &Authenticator) {
    /// let nothing_presented = PlainRequest::new();
    /// let denial = authenticator.authenticate(&nothing_presented).await.unwrap_err();
    /// let response = denial.response();
    /// assert_eq!(response.status, 401);
    /// assert_eq!(response.body, br#"{"error":"No authorization header","code":"MISSING_KEY"}"#);
    /// # }
    /// ```
    #[must_use]
    pub fn response(&self) -> DenialResponse {
        let Inner { detail, style, audience, is_rendered, .. } = &*self.0;
        let grpc = audience.as_ref().and_then(|audience| audience.grpc.as_ref());
        let renderer = style.renderer.as_ref().filter(|_| *is_rendered);
        match (grpc, renderer) {
            (Some(content_type), _) => self.render_grpc(content_type),
            (None, Some(renderer)) => self.render(self.rendered_by(renderer)),
            (None, None) => {
                let kept = style.rendered.0.get(self.code() as usize).filter(|_| *detail == Detail::None);
                let render = || self.render(self.default_body());
                kept.map_or_else(render, |kept| kept.get_or_init(render).clone())
            }
        }
    }

    /// The body without a [`denial_renderer`](crate::AuthenticatorBuilder::denial_renderer): JSON. A renderer that
    /// rewords only some answers returns this for the others.
    #[must_use]
    pub fn default_body(&self) -> DenialBody {
        let content_type =
            if self.0.style.problem_details { "application/problem+json" } else { "application/json" };
        DenialBody::new(content_type, self.json())
    }

    fn rendered_by(&self, DenialRenderer(render): &DenialRenderer) -> DenialBody {
        let mut given = self.clone();
        given.0.is_rendered = false;
        let rendered = render(&given, self.0.audience.as_deref().unwrap_or(&Audience::default()));
        if rendered.can_be_sent() {
            return rendered;
        }
        tracing::error!(
            "denial_renderer: the content type that it returned can't be a header's value, so the default body was sent"
        );
        self.default_body()
    }

    fn render(&self, DenialBody { content_type, body }: DenialBody) -> DenialResponse {
        let mut headers = vec![("content-type", content_type.into_owned())];
        self.add_headers(&mut headers);
        DenialResponse { status: self.status(), headers, body }
    }

    /// A trailers-only response (gRPC over HTTP/2, section "Responses"). A body would be read as a message.
    fn render_grpc(&self, content_type: &str) -> DenialResponse {
        // All but visible ASCII characters and spaces is percent-encoded.
        const ENCODED: &AsciiSet = &CONTROLS.add(b'%');
        let message = utf8_percent_encode(&self.message(), ENCODED).to_string();
        let mut headers = vec![
            ("content-type", content_type.to_owned()),
            ("grpc-status", self.code().grpc_status().to_string()),
            ("grpc-message", message),
        ];
        self.add_headers(&mut headers);
        DenialResponse { status: 200, headers, body: Vec::new() }
    }

    fn add_headers(&self, headers: &mut Vec<(&'static str, String)>) {
        headers.push(("cache-control", "no-store".to_owned()));
        headers.extend(self.challenge().map(|challenge| ("www-authenticate", challenge)));
        headers.extend(self.retry_after_seconds().map(|seconds| ("retry-after", seconds.to_string())));
        if let Detail::Limited(limited) = &self.0.detail {
            // The fields of draft-ietf-httpapi-ratelimit-headers.
            let (quota, window) = (limited.limit.attempts, whole_seconds(limited.limit.window));
            let resets_in = whole_seconds(limited.resets_in);
            headers.push(("ratelimit-policy", format!("\"default\";q={quota};w={window}")));
            headers.push(("ratelimit", format!("\"default\";r=0;t={resets_in}")));
        }
    }

    fn json(&self) -> Vec<u8> {
        let (status, message, code) = (self.status(), self.message(), self.code().as_str());
        let (required_scopes, available_scopes) = (self.required_scopes(), self.available_scopes());
        let body = if self.0.style.problem_details {
            let documentation = self.0.style.problem_documentation.as_deref();
            serde_json::to_vec(&ProblemDetails {
                kind: documentation.map_or("about:blank".into(), |url| format!("{url}{code}").into()),
                title: documentation.map_or(reason_phrase(status), |_| self.code().title()),
                status,
                detail: &message,
                code,
                retryable: documentation.map(|_| self.code().is_retryable()),
                required_scopes,
                available_scopes,
            })
        } else {
            serde_json::to_vec(&Body { error: &message, code, required_scopes, available_scopes })
        };
        // Strings and numbers always serialize. If that ever changes, an empty body is harmless.
        body.unwrap_or_default()
    }

    fn challenge(&self) -> Option<String> {
        let DenialStyle { scheme, realm, .. } = &*self.0.style;
        let bare = || format!("{scheme} realm=\"{}\"", quoted(realm));
        let challenge = match self.code().row().challenge {
            Challenge::None => return None,
            Challenge::Bare => bare(),
            Challenge::Error(error) => format!("{}, error=\"{error}\"", bare()),
            Challenge::Scope => {
                let required = self.required_scopes().unwrap_or_default();
                // A scope that can't be part of a challenge is named only in the body.
                let tokens: Vec<&str> =
                    required.iter().map(String::as_str).filter(|scope| is_scope_token(scope)).collect();
                format!("{}, error=\"insufficient_scope\", scope=\"{}\"", bare(), tokens.join(" "))
            }
        };
        Some(match &self.0.style.resource_metadata {
            None => challenge,
            Some(url) => format!("{challenge}, resource_metadata=\"{url}\""),
        })
    }
}

/// A rendered denial: what every adapter sends, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DenialResponse {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case, with values of visible ASCII characters and spaces.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON, unless a [`denial_renderer`](crate::AuthenticatorBuilder::denial_renderer) words it. Empty in an
    /// answer to a gRPC request.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scopes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_scopes: Option<&'a [String]>,
}

/// RFC 9457.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scopes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_scopes: Option<&'a [String]>,
}

/// With the type `about:blank`, the title is the status's own phrase (RFC 9457, section 4.2.1).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// The text as the content of a quoted-string (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
