//! One verification for each request, whatever looks at it, with the cache off.

use apikey_core::VerifierError;
use apikey_testkit::FakeVerifier;
use apikey_warp::{
    ApiKey, Authenticator, Policy, Scoped, api_key, per_request, recover, require, scoped, scopes,
};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};

use crate::world::{ADMIN, READER, REVOKED, get, status, uncached, verifier};

scopes! { Admin = "admin"; }

/// Three filters, and three branches with one each.
fn routes(keys: &Authenticator) -> BoxedFilter<(Response,)> {
    let any = || api_key(keys, Policy::any_key());
    let chain =
        warp::path!("chain").and(require(keys, Policy::any_key())).and(any()).and(scoped::<Admin>(keys));
    let chain = chain.map(|one: ApiKey, two: Scoped<Admin>| {
        assert_eq!(one.into_key(), two.into_key());
        "chain"
    });
    let branch = |policy| warp::path!("branches").and(api_key(keys, policy)).map(|_: ApiKey| "branch");
    let branches = branch(Policy::all(["root"])).or(branch(Policy::user_key())).unify();
    let branches = branches.or(branch(Policy::any_key())).unify();
    let open = warp::path!("open").map(|| "open");
    chain.or(branches).unify().or(open).unify().recover(recover).map(Reply::into_response).boxed()
}

#[tokio::test]
async fn one_request_is_verified_once() {
    let verifier =
        verifier().with_failure("k_live_odd", VerifierError::unjudged("an answer that judges nothing"));
    let keys = uncached(&verifier).build().unwrap();
    let mut service = per_request(&keys, warp::service(routes(&keys)));
    for (path, key, expected) in [
        ("/chain", ADMIN, 200),
        ("/chain", READER, 403),
        ("/chain", REVOKED, 401),
        ("/branches", READER, 200),
        ("/branches", REVOKED, 401),
        ("/branches", "k_live_odd", 503),
    ] {
        let calls = verifier.calls();
        assert_eq!(status(&mut service, path, Some(key)).await, expected, "{path} {key}");
        assert_eq!(verifier.calls(), calls + 1, "{path} {key}");
    }
}

#[tokio::test]
async fn no_request_is_verified_that_no_filter_asks_for() {
    let verifier = verifier();
    let keys = uncached(&verifier).build().unwrap();
    let mut service = per_request(&keys, warp::service(routes(&keys)));
    assert_eq!(status(&mut service, "/open", Some(READER)).await, 200);
    assert_eq!(status(&mut service, "/elsewhere", Some(READER)).await, 404);
    assert_eq!(status(&mut service, "/chain", None).await, 401);
    assert_eq!(status(&mut service, "/chain", Some("two words")).await, 401);
    assert_eq!(verifier.calls(), 0);
}

#[tokio::test]
async fn one_request_remembers_nothing_for_the_next() {
    let verifier = verifier();
    let keys = uncached(&verifier).build().unwrap();
    let mut service = per_request(&keys, warp::service(routes(&keys)));
    for _ in 0..3 {
        assert_eq!(status(&mut service, "/branches", Some(READER)).await, 200);
        assert_eq!(status(&mut service, "/branches", None).await, 401);
    }
    assert_eq!(verifier.calls(), 3);
}

#[tokio::test]
async fn one_service_remembers_for_every_authenticator() {
    let (verifiers, others) = (verifier(), verifier());
    let (keys, other) = (uncached(&verifiers).build().unwrap(), uncached(&others).build().unwrap());
    let both = require(&keys, Policy::any_key()).and(require(&other, Policy::any_key()));
    let routes = both.clone().and(both).map(|| "both").recover(recover);

    let mut one_wrapped = per_request(&keys, warp::service(routes));
    assert_eq!(status(&mut one_wrapped, "/", Some(READER)).await, 200);
    assert_eq!((verifiers.calls(), others.calls()), (1, 1));

    let mut again = per_request(&keys, per_request(&other, one_wrapped));
    assert_eq!(status(&mut again, "/", Some(READER)).await, 200);
    assert_eq!((verifiers.calls(), others.calls()), (2, 2));
}

#[tokio::test]
async fn one_authenticators_word_never_counts_for_another() {
    let keys = uncached(&verifier()).build().unwrap();
    let other = uncached(&FakeVerifier::new()).build().unwrap();
    for (first, second, expected) in [(&keys, &keys, 200), (&keys, &other, 401), (&other, &keys, 401)] {
        let both = require(first, Policy::any_key()).and(require(second, Policy::any_key())).map(|| "both");
        let mut service = per_request(&keys, per_request(&other, warp::service(both.recover(recover))));
        assert_eq!(status(&mut service, "/", Some(READER)).await, expected);
    }
}

#[tokio::test]
async fn without_it_each_look_asks_unless_the_cache_answers() {
    let verifier = verifier();
    let keys = uncached(&verifier).build().unwrap();
    assert_eq!(get("/branches", Some(READER)).reply(&routes(&keys)).await.status(), 200);
    assert_eq!(verifier.calls(), 3);
    let cached = Authenticator::builder(verifier.clone()).build().unwrap();
    assert_eq!(get("/branches", Some(READER)).reply(&routes(&cached)).await.status(), 200);
    assert_eq!(verifier.calls(), 4);
}
