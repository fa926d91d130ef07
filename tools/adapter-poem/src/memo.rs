//! The attempts at a request, kept in its extensions so that its middlewares and extractors together verify once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use apikey_core::{Attempt, Authenticator, Decision, Denial, Gate, Memo, Policy};
use poem::Request;
use poem::http::{HeaderName, HeaderValue, Uri};

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
pub(crate) async fn admit<K>(request: &Request, policy: &Policy, decide: Decide<K>) -> Result<K, Rejection> {
    let Some(RequestMemo { keys, attempts }) = request.extensions().get() else {
        return Err(Denial::wiring_mistake("an extractor needs .with(keys) around its route").into());
    };
    let attempt = lock(attempts).begin(keys, &Head(request)).unwrap_or_else(|| {
        let mistake = "a middleware inside of .with(keys) changed the credential: put it outside";
        Attempt::denied(Denial::wiring_mistake(mistake))
    });
    Ok(decide(keys.gate(policy), attempt, &Head(request)).wait().await?)
}

fn lock(attempts: &Mutex<Memo>) -> MutexGuard<'_, Memo> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}
