//! Reads what a refused request still sends, so that its client gets the answer.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::authenticator::Authenticator;
use crate::request::RequestHead;
use crate::uploads::UploadLimit;
use crate::view::View;

/// Reads the rest of one refused request's body. [`Authenticator::refused_upload`] makes it.
///
/// A client may send its whole body before it reads the answer. If the server closes the connection meanwhile, the
/// client sees a broken pipe, and not the answer. So an adapter sends the answer, then reads and drops the body.
#[must_use = "the body is not read by itself"]
pub struct RefusedUpload {
    view: Arc<View>,
}

/// # For adapters
impl Authenticator {
    /// What reads the body of this request over HTTP/1, if it is refused. Over HTTP/2 a server ends one stream and
    /// keeps the connection, so an adapter does not call this.
    ///
    /// `None` if there is nothing to read, or if it must not be read:
    /// [`refused_uploads`](crate::AuthenticatorBuilder::refused_uploads) turns it off, the announced length exceeds
    /// the limit, or the client waits for `100 Continue` (RFC 9110, section 10.1.1).
    #[must_use]
    pub fn refused_upload(&self, request: &impl RequestHead) -> Option<RefusedUpload> {
        let UploadLimit { bytes, time } = self.0.refused_uploads.limit();
        let is_on = bytes > 0 && !time.is_zero();
        let expects_continue = request.header_values("expect").next().is_some();
        let is_read = is_on && !expects_continue && is_within(request, bytes);
        is_read.then(|| RefusedUpload { view: Arc::clone(&self.0) })
    }
}

/// Whether the request has a body, and does not announce one that is too long.
fn is_within(request: &impl RequestHead, most: u64) -> bool {
    match request.header_values("content-length").next() {
        Some(length) => std::str::from_utf8(length)
            .ok()
            .and_then(|length| length.trim().parse::<u64>().ok())
            .is_some_and(|length| 0 < length && length <= most),
        None => request.header_values("transfer-encoding").next().is_some(),
    }
}

impl RefusedUpload {
    /// Reads until the body ends, or until the limit of bytes or time is reached. The reading runs in the background, on
    /// the runtime that verifies keys. `next` gives the length of the next piece of the body in bytes, and `None` at its end or if it fails.
    /// If 64 others are being read, it drops `next` at once. Call it, and then send the answer.
    pub fn read(self, next: impl FnMut(&mut Context<'_>) -> Poll<Option<usize>> + Send + 'static) {
        if let Some(reading) = self.view.refused_uploads.reading(next) {
            self.view.worker.spawn(reading);
        }
    }
}

impl fmt::Debug for RefusedUpload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RefusedUpload")
            .field("limit", &self.view.refused_uploads.limit())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::request::PlainRequest;
    use crate::{Judgement, PresentedKey, Verification, Verifier, VerifierError};

    struct Anyone;

    #[crate::async_trait]
    impl Verifier for Anyone {
        async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
            Ok(Judgement::accepted(Verification::active(key.expose())))
        }
    }

    fn keys(bytes: u64, time: Duration) -> Authenticator {
        Authenticator::builder(Anyone).refused_uploads(bytes, time).build().unwrap()
    }

    fn request(headers: &[(&str, &str)]) -> PlainRequest {
        headers.iter().fold(PlainRequest::new(), |request, (name, value)| request.with_header(name, value))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_an_upload_within_the_limit_is_read() {
        let keys = keys(1000, SECOND);
        let is_read = |headers: &[(&str, &str)]| keys.refused_upload(&request(headers)).is_some();
        for headers in [
            [("content-length", "1")].as_slice(),
            &[("content-length", "1000")],
            &[("transfer-encoding", "chunked")],
        ] {
            assert!(is_read(headers), "{headers:?}");
        }
        for headers in [
            [].as_slice(),
            &[("content-length", "0")],
            &[("content-length", "1001")],
            &[("content-length", "99999999999999999999999")],
            &[("content-length", "x"), ("transfer-encoding", "chunked")],
            &[("content-length", "10"), ("expect", "100-continue")],
        ] {
            assert!(!is_read(headers), "{headers:?}");
        }
    }

    #[test]
    fn zero_turns_the_reading_off() {
        for (bytes, time) in [(0, SECOND), (1000, Duration::ZERO)] {
            assert!(keys(bytes, time).refused_upload(&request(&[("content-length", "1")])).is_none());
        }
    }

    #[test]
    fn at_most_64_uploads_are_read_at_once() {
        let keys = keys(1000, SECOND);
        let partners = keys.with_options().realm("partners").build().unwrap();
        let upload = request(&[("content-length", "1")]);
        let held = Arc::new(());
        let read = |keys: &Authenticator| {
            let body = Arc::clone(&held);
            keys.refused_upload(&upload).unwrap().read(move |_| {
                let _body = &body;
                Poll::Pending
            });
        };
        (0..64).for_each(|_| read(&keys));
        assert_eq!(Arc::strong_count(&held), 65);
        read(&partners);
        assert_eq!(Arc::strong_count(&held), 65, "its body was dropped at once");
    }

    #[test]
    fn a_reading_time_over_a_minute_is_refused_by_name() {
        let error = Authenticator::builder(Anyone).refused_uploads(1, 61 * SECOND).build().unwrap_err();
        assert_eq!(error.setting(), "refused_uploads");
    }
}
