//! The attempts at a request, kept in its local cache so that its guards together verify once, and the latest decision
//! for fairings and catchers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use apikey_core::{Attempt, Authenticator, Decision, Denial, Memo, RefusedUpload, VerifiedKey};
use rocket::Request;

use crate::request::Head;

/// The attached authenticator. The type is private, so no other code can manage one.
pub(crate) struct Attached(pub(crate) Authenticator);

/// What Rocket keeps in a request's local cache. The type is private, so no other code can reach it. All guards of all
/// routes that Rocket tries for the request share it.
struct RequestMemo {
    attempts: Memo,
    /// The authenticator of the group that the request has entered, and the address of the route that it entered there. It
    /// does not count on another route, to which the request may be forwarded.
    group: Option<(usize, Authenticator)>,
    /// The latest decision of a guard or a group. A request that passed without a key has none.
    latest: Result<Option<VerifiedKey>, Denial>,
}

fn memo<'r>(request: &'r Request<'_>) -> MutexGuard<'r, RequestMemo> {
    let memo: &Mutex<RequestMemo> = request
        .local_cache(|| Mutex::new(RequestMemo { attempts: Memo::default(), group: None, latest: Ok(None) }));
    memo.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets an authenticator decide about the route that the request is on, in place of the attached one.
pub(crate) fn enter_group(request: &Request<'_>, keys: &Authenticator) {
    memo(request).group = address_of_route(request).map(|route| (route, keys.clone()));
}

fn of_the_group(request: &Request<'_>) -> Option<Authenticator> {
    let memo = memo(request);
    let (route, keys) = memo.group.as_ref()?;
    (address_of_route(request) == Some(*route)).then(|| keys.clone())
}

fn address_of_route(request: &Request<'_>) -> Option<usize> {
    request.route().map(|route| std::ptr::from_ref(route).addr())
}

fn attached<'r>(request: &'r Request<'_>) -> Option<&'r Authenticator> {
    request.rocket().state::<Attached>().map(|attached| &attached.0)
}

/// What reads the body of this request, which is refused.
pub(crate) fn refused_upload(request: &Request<'_>) -> Option<RefusedUpload> {
    of_the_group(request).as_ref().or_else(|| attached(request))?.refused_upload(&Head(request))
}

/// Asks the gate of the group's authenticator, or of the attached one, about this request. The gate gets the attempt
/// that an earlier guard made for what this request presents, or a new one. The caller then [notes](note) the decision.
pub(crate) fn decide<K>(
    request: &Request<'_>,
    gate: impl FnOnce(&Authenticator, Attempt) -> Decision<K>,
) -> Decision<K> {
    let group = of_the_group(request);
    let Some(keys) = group.as_ref().or_else(|| attached(request)) else {
        let denial = Denial::wiring_mistake("attach ApiKeys::fairing(keys) to this Rocket");
        return Decision::Decided(Err(denial.answering(&Head(request))));
    };
    let attempt = memo(request).attempts.begin(keys, &Head(request)).unwrap_or_else(|| {
        Attempt::denied(Denial::wiring_mistake(
            "remove_credential and web_socket_protocol() must be off for Require::authenticator(keys), because Rocket \
             can't take a header out of a request",
        ))
    });
    gate(keys, attempt)
}

/// Stores a decision for fairings and catchers, in place of the one before.
pub(crate) fn note<K: Clone + Into<Option<VerifiedKey>>>(
    request: &Request<'_>,
    decision: Result<K, Denial>,
) -> Result<K, Denial> {
    memo(request).latest = decision.clone().map(K::into);
    decision
}

/// The key that the last guard or [`require`](crate::ApiKeys::require) let in, for fairings and catchers, which take no
/// guards.
///
/// `None`, if that guard refused the request or let it in without a key, or if no guard has looked at it. Request fairings
/// run before all guards of routes, so ask in a response fairing.
///
/// ```
/// use apikey_rocket::verified_key;
/// use rocket::fairing::{AdHoc, Fairing};
///
/// fn access_log() -> impl Fairing {
///     AdHoc::on_response("access log", |request, response| {
///         Box::pin(async move {
///             let key = verified_key(request);
///             let key_id = key.as_ref().map_or("-", |key| key.key_id());
///             println!("{} {} {} {key_id}", request.method(), request.uri().path(), response.status());
///         })
///     })
/// }
/// ```
///
/// The key satisfied the policy of that guard. That says nothing about other policies. To ask for more, take a guard.
#[must_use]
pub fn verified_key(request: &Request<'_>) -> Option<VerifiedKey> {
    memo(request).latest.clone().ok().flatten()
}

/// Why the last guard or [`require`](crate::ApiKeys::require) refused this request; `None`, if it let the request in or if no
/// guard has looked at it.
///
/// For response fairings, which see the answers to refused requests like all others, and for catchers of your own. It is also
/// what a [`Rejection`](crate::Rejection) said that a handler returned.
///
/// A catcher of yours answers for its status alone, and then also for denials with that status. Give those back as a
/// [`Rejection`](crate::Rejection), so that the client gets the code and the headers that it needs:
///
/// ```
/// use apikey_rocket::{Rejection, denial};
/// use rocket::{Request, catch};
///
/// #[catch(401)]
/// fn unauthorized(request: &Request<'_>) -> Result<&'static str, Rejection> {
///     match denial(request) {
///         Some(denial) => Err(denial.into()),
///         None => Ok("Who are you?"),
///     }
/// }
/// # use apikey_rocket::{ApiKey, ApiKeys, Authenticator};
/// # use rocket::{Build, Rocket, catchers, get, http::Status, routes};
/// # #[get("/me")]
/// # fn me(_key: ApiKey) {}
/// # #[get("/other")]
/// # fn other() -> Status { Status::Unauthorized }
/// # fn app(keys: Authenticator) -> Rocket<Build> {
/// #     rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me, other]).register("/", catchers![unauthorized])
/// # }
/// # include!("../tests/recipes/harness.rs");
/// # fn main() {
/// #     check(app, "/me", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
/// #     check(app, "/other", &[], "401 text/plain; charset=utf-8 Who are you?");
/// # }
/// ```
///
/// A handler may take a guard's `Result` and then fail with another status. Then this still returns the denial, so a
/// catcher for several statuses compares [`Denial::status`] with its own.
#[must_use]
pub fn denial(request: &Request<'_>) -> Option<Denial> {
    memo(request).latest.as_ref().err().cloned()
}
