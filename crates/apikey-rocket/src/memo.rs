//! What a request has learned so far: attempts for the guards to come, and the denial for catchers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use apikey_core::{Attempt, Authenticator, Decision, Denial, Memo};
use rocket::Request;

use crate::rejection::Rejection;
use crate::request::Head;

/// The attached authenticator, under a type that nobody else can manage.
pub(crate) struct Attached(pub(crate) Authenticator);

/// What Rocket keeps in a request's local cache, under a type that nobody else can name. All guards of all routes that
/// Rocket tries for the request share it.
#[derive(Default)]
struct RequestMemo {
    attempts: Memo,
    /// The denial of the last guard or group, if that refused.
    denial: Option<Denial>,
}

fn memo<'r>(request: &'r Request<'_>) -> MutexGuard<'r, RequestMemo> {
    let memo: &Mutex<RequestMemo> = request.local_cache(Mutex::default);
    memo.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks the attached authenticator's gate about this request. It gets the attempt that an earlier guard made at what the
/// request presents now, or a new one. The caller then [notes](note) what comes of it.
pub(crate) fn decide<K>(
    request: &Request<'_>,
    gate: impl FnOnce(&Authenticator, Attempt) -> Decision<K>,
) -> Decision<K> {
    let Some(Attached(keys)) = request.rocket().state::<Attached>() else {
        return Decision::Decided(Err(Denial::wiring_mistake(
            "attach ApiKeys::fairing(keys) to this Rocket",
        )));
    };
    gate(keys, attempt(request, keys))
}

fn attempt(request: &Request<'_>, keys: &Authenticator) -> Attempt {
    let attempts = &mut memo(request).attempts;
    attempts.recall(keys, &Head(request)).unwrap_or_else(|| {
        let attempt = keys.begin(&Head(request));
        if keys.must_remember(&attempt) {
            attempts.note(keys, attempt.clone());
        }
        attempt
    })
}

/// Stores why the request was refused for catchers, or that it was not.
pub(crate) fn note<K>(request: &Request<'_>, decision: Result<K, Denial>) -> Result<K, Rejection> {
    memo(request).denial = decision.as_ref().err().cloned();
    decision.map_err(Rejection::from)
}

/// Why the last guard or [`require`](crate::ApiKeys::require) refused this request; `None`, if it let the request in or if no
/// guard has looked at it.
///
/// For catchers of your own. [`Rejection`] is the answer that the catchers of this crate give.
///
/// ```
/// use apikey_rocket::denial;
/// use rocket::http::Status;
/// use rocket::{Request, catch};
///
/// #[catch(401)]
/// fn unauthorized(request: &Request<'_>) -> String {
///     match denial(request) {
///         Some(denial) => format!("No entry: {denial}"),
///         None => "Who are you?".to_owned(),
///     }
/// }
/// ```
///
/// A handler may take a guard's `Result` and then fail with another status. The denial stays in place then, so a catcher for
/// several statuses compares [`Denial::status`] with its own.
#[must_use]
pub fn denial(request: &Request<'_>) -> Option<Denial> {
    memo(request).denial.clone()
}
