//! How a request keeps the attempts at it.

use apikey_core::{Attempt, Authenticator, Memo};
use http::Uri;
use http::request::Parts;

use crate::request::Head;

/// The attempts at this request, under a type that nobody else can name. In extensions that are cloned it is empty, since
/// they are another request's.
#[derive(Clone, Default)]
struct RequestMemo(Memo);

/// The attempt that an earlier layer or extractor made at what this request presents, or a new one. Takes the credential out
/// where that is asked for.
pub(crate) fn begin(request: &mut Parts, authenticator: &Authenticator) -> Attempt {
    let memo = request.extensions.get::<RequestMemo>();
    if let Some(attempt) = memo.and_then(|memo| memo.0.recall(authenticator, &Head(request))) {
        return attempt;
    }
    let attempt = authenticator.begin(&Head(request));
    if authenticator.must_remember(&attempt) {
        for name in authenticator.removed_headers() {
            request.headers.remove(name);
        }
        remove_from_query(&mut request.uri, authenticator);
        request.extensions.get_or_insert_default::<RequestMemo>().0.note(authenticator, attempt.clone());
    }
    attempt
}

fn remove_from_query(uri: &mut Uri, authenticator: &Authenticator) {
    let Some(target) = authenticator.target_without_credential(uri.path(), uri.query()) else { return };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = target.parse().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}
