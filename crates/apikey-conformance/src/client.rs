//! The requests of the cases, and checks of their answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::{task::JoinHandle, time::Instant};

use apikey_testkit::raw::{Connection, RawResponse};

use crate::{expected::Denied, key::Key, routes, secrets::Secrets};

/// The headers that the contract names. Each occurs once with its exact value, or not at all.
const NAMED_HEADERS: [&str; 8] = [
    "content-type",
    "cache-control",
    "www-authenticate",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "grpc-status",
    "grpc-message",
];

/// A shorter text could be in an answer by chance.
const SHORTEST_SECRET: usize = 8;

/// A request, sent as exactly these bytes.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    note: String,
}

pub(crate) fn get(target: impl Into<String>) -> Request {
    Request::new("GET", target)
}

impl Request {
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: Vec::new(), body: None, note: String::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn authorization(self, value: impl AsRef<[u8]>) -> Self {
        self.header("Authorization", value)
    }

    /// Presents a key.
    pub(crate) fn key(self, key: &Key) -> Self {
        self.bearer(&key.secret)
    }

    pub(crate) fn bearer(self, secret: &str) -> Self {
        self.authorization(format!("Bearer {secret}"))
    }

    pub(crate) fn body(self, body: &[u8]) -> Self {
        let length = body.len().to_string();
        Self { body: Some(body.to_vec()), ..self }.header("Content-Length", length)
    }

    /// A text that a failed check prints with the request.
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nHost: localhost\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The parts that could be a key.
    fn presented(&self) -> impl Iterator<Item = &[u8]> {
        let is_place = |name: &str| routes::PLACES.iter().any(|place| name.eq_ignore_ascii_case(place));
        let headers = self.headers.iter().filter(move |(name, _)| is_place(name));
        let query = self.target.split(['?', '&', '=']).skip(1).map(str::as_bytes);
        headers
            .flat_map(|(_, value)| value.split(|byte| matches!(byte, b' ' | b'\t' | b',')))
            .chain(query)
            .filter(|text| text.len() >= SHORTEST_SECRET)
    }
}

/// Whether a test can use several clients. Only on Linux does the local host have more than one address.
pub(crate) const SEVERAL_CLIENTS: bool = cfg!(target_os = "linux");

/// The address of a client.
pub(crate) fn address_of(client: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, if SEVERAL_CLIENTS { client } else { 1 }))
}

/// A request on a connection of its own. A task waits for its answer. Dropping this does not end the request.
pub(crate) struct Running {
    request: Request,
    secrets: Vec<Vec<u8>>,
    exchange: JoinHandle<io::Result<(RawResponse, Duration)>>,
}

impl Running {
    pub(super) async fn start(
        client: u8,
        server: SocketAddr,
        secrets: &Secrets<'_>,
        request: Request,
    ) -> Self {
        let connection = Connection::connect_from(address_of(client), server).await;
        let mut connection = connection.expect("the server accepts a connection");
        let (start, is_head) = (Instant::now(), request.is_head());
        connection.send(&request.bytes()).await.expect("the server takes a request");
        let exchange = tokio::spawn(async move {
            let response = connection.read_response(is_head).await?;
            Ok((response, start.elapsed()))
        });
        Self { secrets: untold(secrets, &request), request, exchange }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.exchange.is_finished()
    }

    pub(crate) async fn answer(self) -> Answer {
        self.answer_and_time().await.0
    }

    /// The answer, and the time since the request was sent.
    pub(crate) async fn answer_and_time(self) -> (Answer, Duration) {
        let exchanged = self.exchange.await.expect("the request's task ends by itself");
        let (response, took) =
            exchanged.unwrap_or_else(|error| panic!("no answer ({error}) to {}", shown(&self.request)));
        (Answer { request: self.request, response, secrets: self.secrets }, took)
    }
}

/// What the answer to this request must not reveal.
fn untold(secrets: &Secrets<'_>, request: &Request) -> Vec<Vec<u8>> {
    let mut secrets = secrets.all();
    secrets.extend(request.presented().map(<[u8]>::to_vec));
    secrets
}

/// A connection for several requests.
pub(crate) struct Session<'a> {
    secrets: Secrets<'a>,
    connection: Connection,
}

impl<'a> Session<'a> {
    pub(super) async fn open(server: SocketAddr, secrets: Secrets<'a>) -> Self {
        let connection = Connection::connect(server).await.expect("the server accepts a connection");
        Self { secrets, connection }
    }

    /// From this address of the local host.
    pub(super) async fn open_from(source: IpAddr, server: SocketAddr, secrets: Secrets<'a>) -> Self {
        let connection = Connection::connect_from(source, server).await;
        Self { secrets, connection: connection.expect("the server accepts a connection") }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).await.expect("the server takes a request");
    }

    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.send(bytes).await
    }

    pub(crate) async fn read(&mut self, request: &Request) -> Answer {
        let response = self.connection.read_response(request.is_head()).await;
        let response = response.unwrap_or_else(|error| panic!("no answer ({error}) to {}", shown(request)));
        Answer { request: request.clone(), response, secrets: untold(&self.secrets, request) }
    }

    pub(crate) async fn send(&mut self, request: Request) -> Answer {
        self.write(&request.bytes()).await;
        self.read(&request).await
    }
}

/// An answer, and the secrets that it must not contain.
#[derive(Debug)]
pub(crate) struct Answer {
    request: Request,
    pub(crate) response: RawResponse,
    secrets: Vec<Vec<u8>>,
}

impl Answer {
    /// The answer is this denial, byte for byte, and reveals no secret.
    #[track_caller]
    pub(crate) fn is_denied(&self, expected: &Denied) {
        self.has(
            expected.http_status(),
            &expected.body(),
            &expected.headers(),
            expected.retry_after.as_ref(),
        );
        let RawResponse { headers, body, .. } = &self.response;
        let texts =
            headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]).chain([body.as_slice()]);
        for text in texts {
            for secret in &self.secrets {
                let leaks = text.windows(secret.len()).any(|part| part == secret);
                assert!(!leaks, "the denial reveals a secret, {}: {self}", secret.escape_ascii());
            }
        }
    }

    /// The answer is a 200 with this JSON.
    #[track_caller]
    pub(crate) fn is_json(&self, body: &str) {
        self.has(200, body.as_bytes(), &[("content-type", "application/json")], None);
    }

    /// The answer says who owns this key, as `/me` does.
    #[track_caller]
    pub(crate) fn is_me(&self, key: &Key) {
        self.is_json(key.me());
    }

    /// The answer is the one of the open route.
    #[track_caller]
    pub(crate) fn is_open(&self) {
        self.is_json(r#"{"open":true}"#);
    }

    /// The answer is the one of the `OPTIONS` handlers.
    #[track_caller]
    pub(crate) fn is_options(&self) {
        self.has(204, b"", &[], None);
        assert_eq!(self.response.header_values("allow"), ["GET"], "{self}");
    }

    /// The answer is the body of the request.
    #[track_caller]
    pub(crate) fn is_echo(&self, body: &[u8]) {
        self.has(200, body, &[("content-type", "application/octet-stream")], None);
    }

    #[track_caller]
    fn has(
        &self,
        status: u16,
        body: &[u8],
        headers: &[(&str, &str)],
        retry_after: Option<&RangeInclusive<u64>>,
    ) {
        assert_eq!(self.response.status, status, "the status, in {self}");
        if self.request.is_head() {
            assert!(self.response.body.is_empty(), "the answer to HEAD has no body: {self}");
            let announced = self.response.header("content-length");
            let right = announced.is_none_or(|announced| announced == body.len().to_string());
            assert!(right, "the answer to HEAD announces the length of GET's body, {}: {self}", body.len());
        } else {
            let expected = String::from_utf8_lossy(body);
            assert_eq!(self.response.body_text(), expected, "the body, in {self}");
            assert_eq!(self.response.body, body, "the body's bytes, in {self}");
        }
        for name in NAMED_HEADERS {
            let values = self.response.header_values(name);
            if let (Some(expected), "retry-after") = (retry_after, name) {
                let [seconds] = values.as_slice() else { panic!("the answer has one Retry-After: {self}") };
                let digits = seconds.bytes().all(|byte| byte.is_ascii_digit());
                let seconds = seconds.parse::<u64>().ok().filter(|_| digits);
                let is_right = seconds.is_some_and(|seconds| expected.contains(&seconds));
                assert!(is_right, "Retry-After is a whole number of seconds within {expected:?}: {self}");
                continue;
            }
            let expected: Vec<&str> =
                headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect();
            assert_eq!(values, expected, "the header {name}, in {self}");
        }
    }
}

fn shown(request: &Request) -> String {
    format!("{} {}", request.bytes().escape_ascii(), request.note)
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the answer to {}\n{}", shown(&self.request), self.response.status)?;
        for (name, value) in &self.response.headers {
            write!(formatter, "\n{name}: {}", value.escape_ascii())?;
        }
        write!(formatter, "\n\n{}", self.response.body.escape_ascii())
    }
}
