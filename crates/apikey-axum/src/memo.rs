//! The attempts at a request, kept in its extensions so that its layers and extractors together verify once.

use apikey_core::{Attempt, Authenticator, Memo, VerifiedKey};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri};

use crate::request::Head;

/// The attempts at this request. The type is private, so no other code can reach them. If extensions are cloned,
/// they belong to another request, so the clone is empty.
#[derive(Clone, Default)]
struct RequestMemo(Memo);

/// Returns the attempt that an earlier layer or extractor made for what this request presents, or a new one. It
/// takes the credential out of the request if the authenticator asks for that.
pub(crate) fn begin(request: &mut Parts, authenticator: &Authenticator) -> Attempt {
    let memo = request.extensions.get::<RequestMemo>();
    if let Some(attempt) = memo.and_then(|memo| memo.0.recall(authenticator, &Head(request))) {
        return attempt;
    }
    let attempt = authenticator.begin(&Head(request));
    if authenticator.must_remember(&attempt) {
        for (name, rest) in authenticator.headers_without_credential(&Head(request)) {
            request.headers.remove(name);
            let rest = rest.and_then(|rest| HeaderValue::from_bytes(&rest).ok());
            request.headers.extend(name.parse::<HeaderName>().ok().zip(rest));
        }
        remove_from_query(&mut request.uri, authenticator);
        request.extensions.get_or_insert_default::<RequestMemo>().0.note(authenticator, &attempt);
    }
    attempt
}

/// Puts this key in place of one that the request carries already: a request that was made with a clone of another one's
/// extensions carries that one's key.
pub(crate) fn correct_attached(request: &mut Parts, key: Option<&VerifiedKey>) {
    if let Some(attached) = request.extensions.get_mut::<VerifiedKey>() {
        match key {
            Some(key) => *attached = key.clone(),
            None => drop(request.extensions.remove::<VerifiedKey>()),
        }
    }
}

fn remove_from_query(uri: &mut Uri, authenticator: &Authenticator) {
    let Some(target) = authenticator.target_without_credential(uri.path(), uri.query()) else { return };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = target.parse().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}
