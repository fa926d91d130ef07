//! One request to the server, and what counts of its answer.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, COOKIE, HOST, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ProbeError;
use super::inputs::Inputs;
use super::security::Placement;
use super::template::encoded;

/// How much of a body is read. The refusals that the probe reads are much smaller.
const LARGEST_BODY: usize = 64 * 1024;
/// How many scopes of a refusal are read.
const MOST_SCOPES: usize = 1_000;

/// The server under test.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    authority: String,
    /// For one request, with its connection.
    pub(crate) patience: Duration,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The `code` of a refusal, if it looks like one of a table of codes.
    pub(crate) code: Option<String>,
    /// The `required_scopes` of a refusal.
    pub(crate) required_scopes: Option<BTreeSet<String>>,
}

impl Client {
    pub(crate) fn new(server: &str, patience: Duration) -> Result<Self, ProbeError> {
        let uri: Uri = server.parse().map_err(|_| ProbeError::server("is no URL"))?;
        let authority = uri.authority().filter(|_| uri.scheme() == Some(&Scheme::HTTP));
        let Some(authority) = authority else {
            return Err(ProbeError::server(
                "does not start with `http://`. The probe speaks plain HTTP: give it the address behind TLS",
            ));
        };
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(ProbeError::server("is more than scheme, host and port"));
        }
        Ok(Client { authority: authority.as_str().to_owned(), patience })
    }

    /// Sends a request with this key, on a connection of its own. The error says why there is no answer.
    pub(crate) async fn send(
        &self,
        method: &Method,
        inputs: &Inputs,
        key: Option<(&Placement, &str)>,
    ) -> Result<Reply, String> {
        let request = self.request(method, inputs, key).ok_or("such a request cannot be sent")?;
        // Dropping the set ends the connection.
        let mut connection = JoinSet::new();
        let head = timeout(self.patience, self.head(request, &mut connection)).await;
        let response = head.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.patience)))?;
        let status = response.status().as_u16();
        // Other answers say no more than their status.
        let body = if matches!(status, 401 | 403) { self.body(response.into_body()).await } else { None };
        let body = body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or(Value::Null);
        Ok(Reply { status, code: code(&body), required_scopes: required_scopes(&body) })
    }

    async fn head(
        &self,
        request: Request<Full<Bytes>>,
        connections: &mut JoinSet<()>,
    ) -> Result<Response<Incoming>, String> {
        let explain = |error: hyper::Error| format!("no answer in HTTP/1.1 ({error})");
        let default_port = if has_port(&self.authority) { "" } else { ":80" };
        let stream = TcpStream::connect(format!("{}{default_port}", self.authority)).await;
        let stream = stream.map_err(|error| format!("no connection to {} ({error})", self.authority))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(explain)?;
        connections.spawn(async {
            // Whoever waits for the answer hears of a failure.
            let _ = connection.await;
        });
        sender.send_request(request).await.map_err(explain)
    }

    /// The body, if it ends in time and within [`LARGEST_BODY`].
    async fn body(&self, body: Incoming) -> Option<Bytes> {
        let body = timeout(self.patience, Limited::new(body, LARGEST_BODY).collect()).await;
        Some(body.ok()?.ok()?.to_bytes())
    }

    fn request(
        &self,
        method: &Method,
        inputs: &Inputs,
        key: Option<(&Placement, &str)>,
    ) -> Option<Request<Full<Bytes>>> {
        let mut target = inputs.target.clone();
        let mut cookies = inputs.cookies.clone();
        let mut request = Request::builder()
            .method(method)
            .header(HOST, &self.authority)
            .header(ACCEPT, "*/*")
            .header(CONNECTION, "close");
        for (name, value) in &inputs.headers {
            request = request.header(name, value);
        }
        if let Some(content_type) = &inputs.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        match key {
            None => {}
            Some((Placement::Bearer, key)) => {
                request = request.header(AUTHORIZATION, secret(&format!("Bearer {key}"))?)
            }
            Some((Placement::Basic, key)) => {
                let credentials = STANDARD.encode(format!("{key}:"));
                request = request.header(AUTHORIZATION, secret(&format!("Basic {credentials}"))?);
            }
            Some((Placement::Header(name, None), key)) => request = request.header(name, secret(key)?),
            Some((Placement::Header(name, Some(scheme)), key)) => {
                request = request.header(name, secret(&format!("{scheme} {key}"))?);
            }
            Some((Placement::Query(name), key)) => {
                target.push(if target.contains('?') { '&' } else { '?' });
                target.push_str(&format!("{}={}", encoded(name), encoded(key)));
            }
            Some((Placement::Cookie(name), key)) => cookies.push(format!("{name}={key}")),
        }
        if !cookies.is_empty() {
            request = request.header(COOKIE, secret(&cookies.join("; "))?);
        }
        request.uri(target).body(Full::new(inputs.body.clone())).ok()
    }
}

/// A header that `Debug` does not show.
fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn has_port(authority: &str) -> bool {
    // The colons of an IPv6 address stand in brackets.
    authority.rsplit(']').next().unwrap_or_default().contains(':')
}

/// The `code` of a refusal. Anything but capitals, digits and `_` is left out: it could be a secret.
fn code(body: &Value) -> Option<String> {
    let code = member(body, "code")?.as_str()?;
    let is_plain = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    ((1..=64).contains(&code.len()) && code.chars().all(is_plain)).then(|| code.to_owned())
}

fn required_scopes(body: &Value) -> Option<BTreeSet<String>> {
    let scopes = member(body, "required_scopes")?.as_array()?;
    scopes.iter().take(MOST_SCOPES).map(|scope| scope.as_str().map(str::to_owned)).collect()
}

/// A member of the body, or of an object in it: FastAPI, for example, sends `{"detail": {...}}`.
fn member<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    let within = || body.as_object()?.values().find_map(|value| value.get(name));
    body.get(name).or_else(within)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_code_is_read_only_if_it_looks_like_one() {
        assert_eq!(code(&json!({"code": "KEY_2"})).as_deref(), Some("KEY_2"));
        assert_eq!(code(&json!({"detail": {"code": "KEY_2"}})).as_deref(), Some("KEY_2"));
        for odd in [json!("k_live_x"), json!(""), json!("A".repeat(65)), json!(1)] {
            assert_eq!(code(&json!({ "code": odd })), None);
        }
    }

    #[test]
    fn required_scopes_are_texts_or_not_read() {
        let read = |scopes: Value| required_scopes(&json!({ "required_scopes": scopes }));
        assert_eq!(read(json!(["b", "a", "b"])), Some(["a", "b"].map(str::to_owned).into()));
        assert_eq!(read(json!([])), Some(BTreeSet::new()));
        for odd in [json!(["a", 1]), json!("a"), json!(null)] {
            assert_eq!(read(odd), None);
        }
    }

    #[test]
    fn an_address_without_a_port_is_told_apart() {
        for (authority, expected) in [("a", false), ("a:80", true), ("[::1]", false), ("[::1]:80", true)] {
            assert_eq!(has_port(authority), expected, "{authority}");
        }
    }
}
