//! Requests with clones of another request's extensions, as services between `per_request` and warp may make them.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use apikey_warp::{
    ApiKey, AttemptLimit, Authenticator, CredentialSource, MaybeApiKey, Policy, api_key, optional_api_key,
    per_request, recover, require,
};
use tower_service::Service;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Request, header};
use warp::reply::{Reply, Response, with_header};

use crate::world::{ADMIN, READER, REVOKED, uncached, verifier};

/// Lets `outer` judge the request, and if that lets it in, answers with `inner`'s answer to a request that presents what
/// `x-then` says and has clones of its extensions.
#[derive(Clone)]
struct Batch<O, I> {
    outer: O,
    inner: I,
}

impl<O, I> Service<Request<String>> for Batch<O, I>
where
    O: Service<Request<String>, Response = Response, Error = Infallible, Future: 'static>,
    I: Service<Request<String>, Response = Response, Error = Infallible> + Clone + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let mut sub_request = Request::builder().uri(request.uri());
        if let Some(value) = request.headers().get("x-then") {
            sub_request = sub_request.header(header::AUTHORIZATION, value);
        }
        let mut sub_request = sub_request.body(String::new()).unwrap();
        *sub_request.extensions_mut() = request.extensions().clone();
        let (outer, mut inner) = (self.outer.call(request), self.inner.clone());
        Box::pin(async move {
            let answer = outer.await?;
            if answer.status() == 200 { inner.call(sub_request).await } else { Ok(answer) }
        })
    }
}

/// Whoever was let in, by two looks or by one that is optional.
fn routes(keys: &Authenticator) -> BoxedFilter<(Response,)> {
    let required = warp::path!("required").and(require(keys, Policy::any_key()));
    let required = required.and(api_key(keys, Policy::any_key())).map(|key: ApiKey| key.key_id().to_owned());
    let optional = warp::path!("optional").and(optional_api_key(keys));
    let optional =
        optional.map(|key: MaybeApiKey| key.key().map_or("nobody".to_owned(), |key| key.key_id().to_owned()));
    let either = required.or(optional).unify().and(warp::header::headers_cloned());
    let either = either.map(|who: String, headers: HeaderMap| {
        with_header(
            with_header("", "x-who", who),
            "x-sees",
            headers.contains_key("authorization").to_string(),
        )
    });
    either.recover(recover).map(Reply::into_response).boxed()
}

/// What is answered to a request with the reader's key, whose sub-request presents `then`: the status, and who was let in.
async fn ask<S>(service: &mut S, path: &str, then: Option<&str>) -> String
where
    S: Service<Request<String>, Response = Response, Error = Infallible>,
{
    let mut request = Request::builder().uri(path).header("authorization", format!("Bearer {READER}"));
    if let Some(then) = then {
        request = request.header("x-then", then);
    }
    let answer = service.call(request.body(String::new()).unwrap()).await.unwrap();
    match answer.headers().get("x-who") {
        Some(who) => {
            let sees = answer.headers()["x-sees"] == "true";
            format!("{}{}", who.to_str().unwrap(), if sees { " seen" } else { "" })
        }
        None => answer.status().as_u16().to_string(),
    }
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

#[tokio::test]
async fn a_sub_request_is_judged_by_its_own_key() {
    for (seconds, is_wrapped) in [(0, false), (0, true), (60, false), (60, true)] {
        let keys = Authenticator::builder(verifier()).cache_time_to_live(Duration::from_secs(seconds));
        let keys = keys.build().unwrap();
        let filters = || warp::service(routes(&keys));
        let mut bare = per_request(&keys, Batch { outer: filters(), inner: filters() });
        let inner = per_request(&keys, filters());
        let mut wrapped = per_request(&keys, Batch { outer: filters(), inner });
        for _ in ["cold", "warm"] {
            for path in ["/required", "/optional"] {
                for (then, expected) in [
                    (Some(bearer(READER)), "reader seen"),
                    (Some(bearer(ADMIN)), "administrator seen"),
                    (Some(bearer(REVOKED)), "401"),
                    (Some(bearer("k_live_nobody")), "401"),
                    (Some(bearer("two words")), "401"),
                    (None, if path == "/optional" { "nobody" } else { "401" }),
                ] {
                    let then = then.as_deref();
                    let told = match is_wrapped {
                        true => ask(&mut wrapped, path, then).await,
                        false => ask(&mut bare, path, then).await,
                    };
                    assert_eq!(told, expected, "{path} {then:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_sub_request_without_a_key_is_nobodys_if_keys_are_removed() {
    for seconds in [0, 60] {
        let keys = Authenticator::builder(verifier()).cache_time_to_live(Duration::from_secs(seconds));
        let keys = keys.remove_credential(true).build().unwrap();
        let filters = || warp::service(routes(&keys));
        let mut bare = per_request(&keys, Batch { outer: filters(), inner: filters() });
        let inner = per_request(&keys, filters());
        let mut wrapped = per_request(&keys, Batch { outer: filters(), inner });
        for _ in ["cold", "warm"] {
            for (then, expected) in [
                (Some(bearer(READER)), "reader"),
                (Some(bearer(ADMIN)), "administrator"),
                (Some(bearer(REVOKED)), "401"),
                (Some(bearer("two words")), "401"),
                (None, "nobody"),
            ] {
                let then = then.as_deref();
                assert_eq!(ask(&mut wrapped, "/optional", then).await, expected, "{then:?}");
                // Nobody takes its key out, so nobody is let in.
                assert_eq!(ask(&mut bare, "/optional", then).await, "500", "{then:?}");
            }
            assert_eq!(ask(&mut wrapped, "/required", None).await, "401");
        }
    }
}

/// Presents something else from here on.
#[derive(Clone)]
struct Change<S>(S);

impl<S: Service<Request<String>>> Service<Request<String>> for Change<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<String>) -> S::Future {
        match request.headers().get("x-then").cloned() {
            Some(value) => drop(request.headers_mut().insert(header::AUTHORIZATION, value)),
            None => drop(request.headers_mut().remove(header::AUTHORIZATION)),
        }
        self.0.call(request)
    }
}

#[tokio::test]
async fn a_key_that_changes_before_the_filters_is_the_one_judged() {
    for removes in [false, true] {
        let keys = uncached(&verifier()).remove_credential(removes).build().unwrap();
        let filters = || warp::service(routes(&keys));
        let mut bare = per_request(&keys, Change(filters()));
        let mut wrapped = per_request(&keys, Change(per_request(&keys, filters())));
        for (then, status) in [(READER, "reader"), (ADMIN, "administrator"), (REVOKED, "401"), ("a b", "401")]
        {
            let expected =
                if removes || status == "401" { status.to_owned() } else { format!("{status} seen") };
            assert_eq!(ask(&mut wrapped, "/required", Some(&bearer(then))).await, expected, "{then}");
            let expected = if removes { "500".to_owned() } else { expected };
            assert_eq!(ask(&mut bare, "/required", Some(&bearer(then))).await, expected, "{then}");
        }
        // Where it was taken out before, it is the same request still.
        let expected = if removes { "reader" } else { "nobody" };
        assert_eq!(ask(&mut bare, "/optional", None).await, expected);
        assert_eq!(ask(&mut wrapped, "/optional", None).await, expected);
    }
}

#[tokio::test]
async fn another_authenticator_judges_a_sub_request_by_itself() {
    for removes in [false, true] {
        let (verifiers, others) = (verifier(), verifier());
        let (keys, other) = (uncached(&verifiers), uncached(&others));
        let keys = keys.remove_credential(removes).build().unwrap();
        let header = CredentialSource::header("x-then");
        let other = other.credential_sources([header]).remove_credential(removes).build().unwrap();
        // Both look at the outer request, and only one of them at the other.
        let both = require(&keys, Policy::any_key()).and(routes(&other));
        let outer = warp::service(both.recover(recover).map(Reply::into_response).boxed());
        let inner = per_request(&keys, warp::service(routes(&keys)));
        let mut service = per_request(&other, per_request(&keys, Batch { outer, inner }));
        let told = ask(&mut service, "/optional", Some(READER)).await;
        // The sub-request presents it without its scheme, unless the other one has taken it out.
        assert_eq!(told, if removes { "nobody" } else { "401" });
        assert_eq!((verifiers.calls(), others.calls()), (1, 1));
    }
}

#[tokio::test]
async fn a_sub_request_is_its_peers_attempt() {
    let limit = AttemptLimit::new(4, Duration::from_secs(900));
    let keys = Authenticator::builder(verifier()).attempt_limit(limit).build().unwrap();
    let filters = || warp::service(routes(&keys));
    let bare = per_request(&keys, Batch { outer: filters(), inner: filters() });
    let wrapped = per_request(&keys, Batch { outer: filters(), inner: per_request(&keys, filters()) });
    for network in [0, 1] {
        let peer = |host| IpAddr::from([192, 0, network, host]);
        let (mut bare, mut other) = (bare.clone().with_peer(peer(1)), bare.clone().with_peer(peer(2)));
        let (mut wrapped, mut wrapped_other) =
            (wrapped.clone().with_peer(peer(1)), wrapped.clone().with_peer(peer(2)));
        let mut told = Vec::new();
        for attempt in 0..6 {
            let unknown = bearer(&format!("k_live_{attempt}"));
            told.push(match network {
                0 => ask(&mut bare, "/optional", Some(&unknown)).await,
                _ => ask(&mut wrapped, "/optional", Some(&unknown)).await,
            });
        }
        // Whether the outer key's own verification counts, is a setting.
        assert_eq!((told[2].as_str(), told[4].as_str()), ("401", "429"), "{told:?}");
        let unknown = bearer("k_live_nobody");
        assert_eq!(ask(&mut other, "/optional", Some(&unknown)).await, "401");
        assert_eq!(ask(&mut wrapped_other, "/optional", Some(&unknown)).await, "401");
    }
}
