//! The attempts at a request, kept in its extensions so that its middleware and extractors together
//! verify once.

use actix_web::dev::ServiceRequest;
use actix_web::{HttpMessage as _, HttpRequest};
use apikey_core::{Attempt, Authenticator, Denial, Memo};

use crate::request::{Head, remove_credential};

/// The attempts at this request. The type is private, so no other code can reach them.
#[derive(Default)]
struct RequestMemo(Memo);

const NOT_TAKEN: &str = "remove_credential is set, or web_socket_protocol() implies it, but no middleware took the \
     credential out of the request, and an extractor can't: add .wrap(keys.remove_credentials()) to the App, inside \
     of every middleware that changes credentials";

/// Returns the attempt that an earlier middleware or extractor made for what this request presents, or a
/// new one.
pub(crate) fn begin(request: &HttpRequest, authenticator: &Authenticator) -> Attempt {
    let head = Head(request);
    if authenticator.removes_credential() {
        let taken = with_memo(request, |memo| memo.begin_taken(authenticator, &head));
        return taken.unwrap_or_else(|| Attempt::denied(Denial::wiring_mistake(NOT_TAKEN)));
    }
    let known =
        request.extensions().get::<RequestMemo>().and_then(|memo| memo.0.recall(authenticator, &head));
    if let Some(attempt) = known {
        return attempt;
    }
    let attempt = authenticator.begin(&head);
    if authenticator.must_remember(&attempt) {
        with_memo(request, |memo| memo.note(authenticator, &attempt));
    }
    attempt
}

/// Takes the credential out of the request, if the authenticator asks for that, and keeps it in the memo.
///
/// # Errors
/// [`Denial`], if the request can't be changed any more.
pub(crate) fn take(request: &mut ServiceRequest, authenticator: &Authenticator) -> Result<(), Denial> {
    if !authenticator.removes_credential() {
        return Ok(());
    }
    let head = Head(request.request());
    let is_new = with_memo(request.request(), |memo| memo.take(authenticator, &head));
    if is_new { remove_credential(request, authenticator) } else { Ok(()) }
}

/// Takes the memo out of the extensions meanwhile, because the change may look for the peer there.
fn with_memo<T>(request: &HttpRequest, change: impl FnOnce(&mut Memo) -> T) -> T {
    let mut memo = request.extensions_mut().remove::<RequestMemo>().unwrap_or_default();
    let result = change(&mut memo.0);
    request.extensions_mut().insert(memo);
    result
}
