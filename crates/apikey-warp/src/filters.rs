//! The filters. Each takes the attempt at the request and lets the core's gate decide about it.

use std::future::ready;

use apikey_core::{Authenticator, Decision, Policy, TypedPolicy, is_preflight};
use warp::http::header::ACCESS_CONTROL_REQUEST_METHOD;
use warp::http::{HeaderMap, Method};
use warp::{Filter, Rejection};

use crate::key::{ApiKey, MaybeApiKey, Scoped};
use crate::rejection::Denied;
use crate::request::{Decide, Head, decision, pass_if};

/// Extracts the caller's key, if it satisfies the policy.
///
/// | request presents | [`api_key`], [`scoped`], [`require`] | [`optional_api_key`] |
/// | --- | --- | --- |
/// | nothing | 401 `MISSING_KEY` | anonymous |
/// | something malformed | 401 or 400 | 401 or 400 |
/// | a key that is not valid or not active | 401 | 401 |
/// | a good key that the policy refuses | 403 | the key, because there is no policy |
/// | a good key | the key | the key |
/// | any key, while Kinde can't answer | 503 | 503 |
///
/// Put path and method before it. Otherwise it verifies keys of requests that are meant for other branches.
///
/// ```
/// use apikey_warp::{ApiKey, Authenticator, Policy, api_key};
/// use warp::{Filter, Reply};
///
/// fn users(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
///     warp::path!("users")
///         .and(warp::get())
///         .and(api_key(&keys, Policy::all(["read:users"])))
///         .map(|key: ApiKey| format!("users for {}", key.key_id()))
/// }
/// ```
///
/// # Errors
/// A rejection that [`answer_refusals`](crate::answer_refusals) and [`recover`](crate::recover()) answer.
pub fn api_key<P: Into<Policy>>(
    keys: &Authenticator,
    policy: P,
) -> impl Filter<Extract = (ApiKey,), Error = Rejection> + Clone + Send + Sync + 'static + use<P> {
    decided(keys, policy.into(), |gate, attempt, head| gate.decide(attempt, head, ApiKey::from))
}

/// Extracts the caller's key, if it carries the scopes that the type names. [`api_key`] has the table.
///
/// If the handler's signature names the type, the compiler infers it, and `scoped(&keys)` is enough.
///
/// ```
/// use apikey_warp::{AnyOf, Authenticator, Scoped, scoped, scopes};
/// use warp::{Filter, Reply};
///
/// scopes! { Admin = "admin"; ReadUsers = "read:users"; WriteUsers = "write:users"; }
///
/// fn users(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
///     let path = warp::path!("users");
///     let create = path.and(warp::post()).and(scoped::<(ReadUsers, WriteUsers)>(&keys)).then(create);
///     let list = path.and(warp::get()).and(scoped(&keys)).then(list); // the type is `list`'s
///     create.or(list)
/// }
///
/// async fn create(key: Scoped<(ReadUsers, WriteUsers)>) -> impl Reply { "created" }
/// async fn list(key: Scoped<AnyOf<(Admin, ReadUsers)>>) -> impl Reply { "users" }
/// ```
///
/// # Errors
/// As [`api_key`].
pub fn scoped<P: TypedPolicy>(
    keys: &Authenticator,
) -> impl Filter<Extract = (Scoped<P>,), Error = Rejection> + Clone + Send + Sync + 'static + use<P> {
    decided(keys, P::POLICY.clone(), |gate, attempt, head| {
        gate.decide(attempt, head, Scoped::assume_authorized)
    })
}

/// Extracts the caller's key, if the request presents one. A request that presents nothing is anonymous. If a request
/// presents a key, that key must be valid and active: [`api_key`] has the table.
///
/// ```
/// use apikey_warp::{Authenticator, MaybeApiKey, optional_api_key};
/// use warp::{Filter, Reply};
///
/// fn greet(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
///     warp::path!("greet").and(optional_api_key(&keys)).map(|key: MaybeApiKey| match key.key() {
///         Some(key) => format!("Hello, {}", key.key_id()),
///         None => "Hello, whoever you are".to_owned(),
///     })
/// }
/// ```
///
/// # Errors
/// As [`api_key`], but a request that presents nothing is let in.
pub fn optional_api_key(
    keys: &Authenticator,
) -> impl Filter<Extract = (MaybeApiKey,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    decided(keys, Policy::any_key(), |gate, attempt, head| {
        gate.decide_optional(attempt, head, MaybeApiKey::from)
    })
}

/// Lets a request pass only if its key satisfies the policy, and extracts nothing. Use it for a group of routes.
///
/// Put it after the path prefix that its routes share. Below that prefix, it refuses a request without a key even if the
/// path is unknown. [`api_key`] has the table.
///
/// ```
/// use apikey_warp::{Authenticator, Policy, require};
/// use warp::{Filter, Reply};
///
/// fn admin(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
///     let users = warp::path!("users").map(|| "all users");
///     let keys_in_use = warp::path!("keys").map(|| "all keys");
///     warp::path("admin").and(require(&keys, Policy::all(["admin"]))).and(users.or(keys_in_use))
/// }
/// ```
///
/// # Errors
/// As [`api_key`].
pub fn require<P: Into<Policy>>(
    keys: &Authenticator,
    policy: P,
) -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static + use<P> {
    api_key(keys, policy).map(|_: ApiKey| ()).untuple_one()
}

/// Matches CORS pre-flights alone: `OPTIONS` with `Origin` and `Access-Control-Request-Method`, which browsers send
/// without credentials. Extracts the method that the browser asks for.
///
/// You need it only if you answer pre-flights yourself. `warp::cors()` does that better: put it outside of the key
/// filters, after the path.
///
/// Give pre-flights a branch and an answer of their own:
///
/// ```
/// use apikey_warp::{Authenticator, Policy, preflight, require};
/// use warp::http::{Method, StatusCode};
/// use warp::{Filter, Reply};
///
/// fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
///     let path = warp::path!("users");
///     let allowed = path.and(preflight()).map(|_: Method| {
///         warp::reply::with_header(StatusCode::NO_CONTENT, "access-control-allow-methods", "GET")
///     });
///     allowed.or(path.and(require(&keys, Policy::any_key())).map(|| "users"))
/// }
/// ```
///
/// Don't let them pass a guard: behind it, a handler for any method would run without a key. So this does not compile:
///
/// ```compile_fail
/// use apikey_warp::{Authenticator, Policy, preflight, require};
/// use warp::Filter;
///
/// fn wrong(keys: Authenticator) {
///     let guard = preflight().or(require(&keys, Policy::any_key())).unify();
///     let _ = guard.map(|| "for any method");
/// }
/// ```
///
/// # Errors
/// `warp::reject::not_found()`, if the request is no pre-flight.
pub fn preflight() -> impl Filter<Extract = (Method,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::method()
        .and_then(|method: Method| pass_if(method == Method::OPTIONS))
        .untuple_one()
        .and(warp::header::headers_cloned())
        .and_then(|headers: HeaderMap| {
            let head = Head { headers: &headers, query: None, peer: None };
            let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| is_preflight("OPTIONS", &head));
            let asked = asked.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
            ready(asked.ok_or_else(warp::reject::not_found))
        })
}

/// Extracts the key, if the gate with this policy lets the request pass.
fn decided<K: Send + 'static>(
    keys: &Authenticator,
    policy: Policy,
    decide: Decide<K>,
) -> impl Filter<Extract = (K,), Error = Rejection> + Clone + Send + Sync + 'static + use<K> {
    decision(keys, policy, decide).and_then(|decision: Decision<K>| async {
        decision.wait().await.map_err(|denial| Denied::from(denial).into_rejection())
    })
}
