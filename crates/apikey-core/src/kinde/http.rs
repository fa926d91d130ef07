//! One HTTP client for all of Kinde: rustls, no redirects, connections reused, answers capped in size.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Request, StatusCode, Url};
use zeroize::Zeroizing;

use super::config::Resolved;
use crate::config::ConfigError;
use crate::verifier::VerifierError;

/// The longest answer that is read, in bytes; Kinde's have a few hundred.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Room for an answer that does not say how long it is.
const FIRST_ROOM: usize = 2 * 1024;

const KEEP_ALIVE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct Http(Client);

/// An answer that came in whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long Kinde asks to wait.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Http {
    pub(super) fn new(settings: &Resolved) -> Result<Self, ConfigError> {
        let wrong =
            |error: &dyn std::fmt::Display| ConfigError::new("TLS", format!("can't be set up: {error}"));
        let tls = tls_settings(settings.verify_url.scheme() == "https").map_err(|error| wrong(&error))?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Retries are the authenticator's; and so no copy of a request is kept for one.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .connect_timeout(settings.connect_timeout)
            // So that a connection whose other end is gone without a word is noticed.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .user_agent(concat!("apikey-core/", env!("CARGO_PKG_VERSION")));
        if settings.is_loopback {
            builder = builder.no_proxy();
        }
        Ok(Self(builder.build().map_err(|error| wrong(&error.without_url()))?))
    }

    /// Sends one request and reads its answer.
    ///
    /// # Errors
    /// [`VerifierError`], in words that hold neither the request's body nor its headers.
    pub(super) async fn post(
        &self,
        url: &Url,
        content_type: &'static str,
        body: Zeroizing<Vec<u8>>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, VerifierError> {
        let mut request = Request::new(reqwest::Method::POST, url.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        request.headers_mut().insert(reqwest::header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(value) = authorization {
            request.headers_mut().insert(reqwest::header::AUTHORIZATION, value.clone());
        }
        // The buffer is handed on as it is and overwritten when the last reference to it goes.
        *request.body_mut() = Some(Bytes::from_owner(body).into());
        let mut response = self.0.execute(request).await.map_err(describe)?;
        let status = response.status();
        // Of an answer that can't be used; Kinde may tell what is left of a limit with every other, too.
        let retry_after = if status.is_success() { None } else { retry_after(response.headers()) };
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
        let room = announced.map_or(FIRST_ROOM, |length| length.min(LONGEST_ANSWER));
        let mut body = Zeroizing::new(Vec::with_capacity(room));
        while let Some(chunk) = response.chunk().await.map_err(describe)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                let why = format!("the answer is longer than {LONGEST_ANSWER} bytes");
                return Err(VerifierError::Unavailable(why));
            }
            append(&mut body, &chunk);
        }
        Ok(Answer { status, retry_after, body })
    }
}

/// Appends, and leaves no copy of a token behind where the buffer must grow.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let length = body.len() + chunk.len();
    if length > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.next_power_of_two()));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

/// Certificates are judged as the platform does. Plain HTTP trusts none, so that a machine without a certificate store can
/// still talk to an emulator.
fn tls_settings(is_needed: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    if !is_needed {
        return Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = Arc::new(rustls_platform_verifier::Verifier::new(provider)?);
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The error and its causes. reqwest's texts name the URL, which is no secret, but nothing that was sent.
fn describe(error: reqwest::Error) -> VerifierError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    VerifierError::Transient { reason: text, retry_after: None }
}

/// `RateLimit-Reset` as Kinde sends it, else `Retry-After`: whole seconds. A date is not read.
fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    ["ratelimit-reset", "retry-after"].into_iter().find_map(|name| {
        let seconds = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_answer_comes_in_whole_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 0..20), room in 0..500_usize,
        ) {
            let mut body = Zeroizing::new(Vec::with_capacity(room));
            chunks.iter().for_each(|chunk| append(&mut body, chunk));
            prop_assert_eq!(&*body, &chunks.concat());
        }
    }
}
