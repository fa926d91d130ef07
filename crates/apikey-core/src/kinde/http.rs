//! HTTP to Kinde: HTTP/1.1, rustls, no redirects, reused connections, response bodies up to a limit.

use std::error::Error;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::client_factory::ClientFactory;
use super::config::CheckedSettings;
use super::noted_call::NotedCall;
use super::pool::{Call, Pool};
use super::retry_after::RetryAfter;
use super::status::{Head, LONGEST_BODY, status_decides};
use crate::config_error::ConfigError;
use crate::key::Fingerprint;
use crate::telemetry::{Endpoint, Recorder};
use crate::verifier::VerifierError;

/// The first capacity for a body whose length is not announced, in bytes.
const FIRST_CAPACITY: usize = 2 * 1024;
/// How long a body that nobody needs is read, so that its connection can be reused.
const LONGEST_DRAIN: Duration = Duration::from_secs(1);

pub(super) struct Http {
    pool: Pool,
    /// Keeps no idle connections.
    fresh: Client,
    factory: ClientFactory,
    recorder: OnceLock<Recorder>,
}

/// Chooses the connection for a request.
#[derive(Clone, Copy)]
pub(super) enum Connection<'c> {
    /// One from the pool, idle or new. The fingerprint is that of the key, if the request is about one.
    Pooled(Option<Fingerprint>),
    /// A new one, which is closed after the response.
    New,
    /// One of this client.
    Own(&'c Client),
}

impl Connection<'_> {
    /// Returns the same choice for a request that is not about the key.
    pub(super) fn about_no_key(self) -> Self {
        match self {
            Self::Pooled(_) => Self::Pooled(None),
            Self::New | Self::Own(_) => self,
        }
    }
}

/// A request.
pub(super) struct Outgoing<'r> {
    pub(super) endpoint: Endpoint,
    pub(super) url: &'r Url,
    /// The type of the body, and the body, if there is one.
    pub(super) content: Option<(&'static str, Zeroizing<Vec<u8>>)>,
    pub(super) authorization: Option<&'r HeaderValue>,
}

/// A response that was read to its end, or whose status decides alone.
pub(super) struct Response {
    pub(super) head: Head,
    /// `None` if it is longer than [`LONGEST_BODY`]; empty if the status decides alone.
    body: Option<Zeroizing<Vec<u8>>>,
    /// The call ends when its response has been looked at.
    noted: NotedCall,
}

impl Response {
    /// Notes that the response says what was asked.
    pub(super) fn was_usable(&mut self) {
        self.noted.was_usable();
    }

    pub(super) fn body(&self) -> Option<&[u8]> {
        self.body.as_ref().map(|body| body.as_slice())
    }
}

impl Http {
    pub(super) fn new(settings: &CheckedSettings) -> Result<Arc<Self>, ConfigError> {
        let factory = ClientFactory::new(settings)?;
        let wrong = |error: reqwest::Error| {
            ConfigError::new("TLS", format!("can't be set up: {}", error.without_url()))
        };
        let fresh = factory.without_idle_connections().client().map_err(wrong)?;
        let pool = Pool::new(factory.clone()).map_err(wrong)?;
        Ok(Arc::new(Self { pool, fresh, factory, recorder: OnceLock::new() }))
    }

    /// Makes a client that shares no connection with any other.
    pub(super) fn client(&self) -> Result<Client, VerifierError> {
        self.factory.client().map_err(|error| describe(error, "the HTTP client can't be set up"))
    }

    /// Says that a call about this key has had no response for so long that a second one starts.
    pub(super) fn was_silent(&self, key: Fingerprint) {
        self.pool.was_silent(key);
    }

    /// Keeps the first recorder that it is given.
    pub(super) fn use_recorder(&self, recorder: Recorder) {
        self.recorder.get_or_init(|| recorder);
    }

    pub(super) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.get()
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// [`VerifierError`], whose text repeats nothing of the request or the response.
    pub(super) async fn call(
        &self,
        connection: Connection<'_>,
        outgoing: Outgoing<'_>,
    ) -> Result<Response, VerifierError> {
        let noted = NotedCall::begin(self.recorder(), outgoing.endpoint, outgoing.url);
        let span = noted.span().clone();
        self.send(connection, outgoing, noted).instrument(span).await
    }

    async fn send(
        &self,
        connection: Connection<'_>,
        outgoing: Outgoing<'_>,
        mut noted: NotedCall,
    ) -> Result<Response, VerifierError> {
        let method = if outgoing.content.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(method, outgoing.url.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(value) = outgoing.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        if let Some((content_type, body)) = outgoing.content {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            // This copies nothing. The buffer is overwritten when its last reference is dropped.
            *request.body_mut() = Some(Bytes::from_owner(body).into());
        }
        let mut call = match connection {
            Connection::Pooled(key) => Some(self.pool.begin(key)),
            Connection::New | Connection::Own(_) => None,
        };
        let sent = match (&call, connection) {
            (Some(call), _) => call.dial().watch(call.client().execute(request)).await,
            (None, Connection::Own(client)) => client.execute(request).await,
            (None, _) => self.fresh.execute(request).await,
        };
        let response = sent.map_err(|error| broken(&mut call, &mut noted, error))?;
        if let Some(call) = &mut call {
            call.answered();
        }
        let status = response.status().as_u16();
        noted.answered(status);
        let retry_after = RetryAfter::read(status, response.headers(), jiff::Timestamp::now());
        let body = if status_decides(status) {
            if !matches!(connection, Connection::New) {
                drain(response);
            }
            Some(Zeroizing::default())
        } else {
            read(response).await.map_err(|error| broken(&mut call, &mut noted, error))?
        };
        noted.was_read();
        Ok(Response { head: Head { status, retry_after }, body, noted })
    }
}

fn broken(call: &mut Option<Call<'_>>, noted: &mut NotedCall, error: reqwest::Error) -> VerifierError {
    noted.failed(error_type(&error));
    if let Some(call) = call {
        call.broke();
    }
    let what = if error.is_connect() { "no connection to Kinde" } else { "the connection to Kinde broke" };
    describe(error, what)
}

/// How an operator sees the error.
fn error_type(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "timeout";
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        // The type of this error has no public name, either.
        let text = error.to_string();
        if text.contains(" parsed") || text == "message head is too large" {
            return "response";
        }
        cause = error.source();
    }
    "connection"
}

/// Reads a body; returns `None` if it is longer than [`LONGEST_BODY`].
pub(super) async fn read(
    mut response: reqwest::Response,
) -> Result<Option<Zeroizing<Vec<u8>>>, reqwest::Error> {
    let announced = response.content_length().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > LONGEST_BODY) {
        return Ok(None);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(FIRST_CAPACITY)));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Ok(None);
        }
        append(&mut body, &chunk);
    }
    Ok(Some(body))
}

/// Reads a body that nobody needs, so that its connection can be reused. This happens in the background, for at most 1 s
/// and 64 KiB.
fn drain(mut response: reqwest::Response) {
    if response.content_length().is_some_and(|length| length > LONGEST_BODY as u64) {
        return;
    }
    tokio::spawn(tokio::time::timeout(LONGEST_DRAIN, async move {
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > LONGEST_BODY {
                return;
            }
        }
    }));
}

/// Appends a chunk. If the buffer must grow, the old one is overwritten, because it may hold a token.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let length = body.len() + chunk.len();
    if length > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.next_power_of_two()));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

/// Puts an error into words of our own. The error itself becomes the source.
pub(super) fn describe(error: reqwest::Error, what: &'static str) -> VerifierError {
    // The URL is the same in every error.
    let error = error.without_url();
    if error.is_builder() {
        let why = "the request to Kinde can't be built: check the domain";
        return VerifierError::set_up(why).with_source(error);
    }
    let described = VerifierError::outage(match cause(&error) {
        Some(cause) => format!("{what}: {cause}"),
        None => what.to_owned(),
    });
    let described = if error.is_connect() { described.without_connection() } else { described };
    described.with_source(error)
}

/// The cause of an error, as one of a fixed list of texts.
fn cause(error: &reqwest::Error) -> Option<String> {
    let mut found = error.is_timeout().then(|| "it took too long".to_owned());
    let mut cause = error.source();
    while let Some(error) = cause {
        // The types of these errors have no public names.
        let known = match error.to_string().as_str() {
            "dns error" => Some("its host name can't be resolved"),
            "tunnel error: proxy authorization required" => {
                Some("the proxy asks for a user name and password, or refuses those in its URL")
            }
            "tunnel error: unsuccessful" => Some("the proxy refuses to connect to it"),
            _ => None,
        };
        if let Some(known) = known {
            return Some(known.to_owned());
        }
        if let Some(error) = tls_error(error) {
            return Some(tls_cause(error).to_owned());
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            found = Some(error.kind().to_string());
        }
        cause = error.source();
    }
    found
}

/// Finds an error of TLS, which I/O errors may wrap. `io::Error::source` skips the error that it wraps, so this looks
/// inside with `get_ref`.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => tls_error(error.get_ref()?),
        None => error.downcast_ref(),
    }
}

fn tls_cause(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            Expired | ExpiredContext { .. } => "its certificate has expired",
            NotValidYet | NotValidYetContext { .. } => {
                "its certificate is not valid yet: check this machine's clock"
            }
            NotValidForName | NotValidForNameContext { .. } => "its certificate is for another name",
            UnknownIssuer => {
                "its certificate is from an authority that is not trusted; add your own with root_certificate"
            }
            _ => "its certificate can't be trusted",
        },
        _ => "TLS failed",
    }
}

#[cfg(test)]
mod tests;
