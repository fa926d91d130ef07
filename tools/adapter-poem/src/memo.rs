//! The attempts at a request, kept in its extensions so that its middlewares and extractors together verify once.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

use apikey_core::{Attempt, Authenticator, Decision, Denial, Gate, Memo, Policy};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::combinators::BoxBody;
use poem::http::{HeaderName, HeaderValue, Uri, Version};
use poem::{Body, Request, RequestBody};

use crate::rejection::Rejection;
use crate::request::Head;

/// The attempts at this request. The type is private, so no other code can reach them. An extractor can't add to a
/// request, so a middleware does.
struct RequestMemo {
    /// The innermost middleware's authenticator, which extractors ask.
    keys: Authenticator,
    attempts: Mutex<Memo>,
}

impl Clone for RequestMemo {
    /// Without attempts, because clones of extensions belong to another request.
    fn clone(&self) -> Self {
        Self { keys: self.keys.clone(), attempts: Mutex::default() }
    }
}

/// Gives the request its memo. Takes the credential out of the request if the authenticator asks for that.
pub(crate) fn attach(request: &mut Request, keys: &Authenticator) {
    let known = request.extensions_mut().remove().map(|memo: RequestMemo| memo.attempts);
    let attempts = known.unwrap_or_default();
    if lock(&attempts).take(keys, &Head(request)) {
        for (name, rest) in keys.headers_without_credential(&Head(request)) {
            request.headers_mut().remove(name);
            let rest = rest.and_then(|rest| HeaderValue::from_bytes(&rest).ok());
            request.headers_mut().extend(name.parse::<HeaderName>().ok().zip(rest));
        }
        remove_from_query(request.uri_mut(), keys);
    }
    request.extensions_mut().insert(RequestMemo { keys: keys.clone(), attempts });
}

fn remove_from_query(uri: &mut Uri, keys: &Authenticator) {
    let Some(target) = keys.target_without_credential(uri.path(), uri.query()) else { return };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = target.parse().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// What a gate decides about the attempt at a request.
pub(crate) type Decide<K> = fn(Gate<'_>, Attempt, &Head<'_>) -> Decision<K>;

/// Lets the gate decide about the attempt that an earlier middleware or extractor began, or about a new one.
pub(crate) async fn admit<K>(
    request: &Request,
    body: Option<&mut RequestBody>,
    policy: &Policy,
    decide: Decide<K>,
) -> Result<K, Rejection> {
    let Some(RequestMemo { keys, attempts }) = request.extensions().get() else {
        return Err(Denial::wiring_mistake("an extractor needs .with(keys) around its route").into());
    };
    let attempt = lock(attempts).begin(keys, &Head(request)).unwrap_or_else(|| {
        let mistake = "a middleware inside of .with(keys) changed the credential: put it outside";
        Attempt::denied(Denial::wiring_mistake(mistake))
    });
    let decision = decide(keys.gate(policy), attempt, &Head(request)).wait().await;
    let refused = body.filter(|_| decision.is_err()).and_then(|body| body.take().ok());
    refused.into_iter().for_each(|body| read_rest(request, keys, body));
    Ok(decision?)
}

/// Reads what a refused request still sends over HTTP/1.
pub(crate) fn read_rest(request: &Request, keys: &Authenticator, body: Body) {
    let upload = keys.refused_upload(&Head(request)).filter(|_| request.version() <= Version::HTTP_11);
    let Some(upload) = upload else { return };
    let mut body: BoxBody<Bytes, std::io::Error> = body.into();
    upload.read(move |context| {
        let frame = ready!(Pin::new(&mut body).poll_frame(context));
        Poll::Ready(frame.and_then(Result::ok).map(|frame| frame.data_ref().map_or(0, Bytes::len)))
    });
}

fn lock(attempts: &Mutex<Memo>) -> MutexGuard<'_, Memo> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}
