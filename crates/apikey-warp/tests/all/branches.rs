//! Which refusal a client sees where several branches of `.or` refused, and what the branches cost.

use apikey_core::VerifierError;
use apikey_testkit::FakeVerifier;
use apikey_warp::{ApiKey, Authenticator, CredentialSource, Policy, Verification, api_key, recover};
use tower_service::Service as _;
use warp::filters::BoxedFilter;
use warp::http::{Request, StatusCode};
use warp::reject::PayloadTooLarge;
use warp::reply::Reply;
use warp::{Filter, Rejection};

use crate::world::{ADMIN, READER, REVOKED, get, told, uncached, verifier};

fn branch(keys: &Authenticator, policy: Policy) -> BoxedFilter<(&'static str,)> {
    api_key(keys, policy).map(|_: ApiKey| "let in").boxed()
}

#[tokio::test]
async fn a_denial_is_not_hidden_by_a_wrong_path_or_method() {
    let keys = uncached(&verifier()).build().unwrap();
    let protected = || warp::path!("one").and(warp::get()).and(branch(&keys, Policy::any_key()));
    let other_path = || warp::path!("two").map(|| "two");
    let other_method = || warp::path!("one").and(warp::put()).map(|| "put");
    let first = protected().or(other_path()).unify().or(other_method()).unify().recover(recover).boxed();
    let last = other_method().or(other_path()).unify().or(protected()).unify().recover(recover).boxed();
    for routes in [first, last] {
        let routes = routes.map(Reply::into_response);
        assert_eq!(told(&get("/one", None).reply(&routes).await).1, "MISSING_KEY");
        assert_eq!(get("/three", None).reply(&routes).await.status(), 404);
        assert_eq!(get("/one", None).method("POST").reply(&routes).await.status(), 405);
    }
}

#[tokio::test]
async fn of_equal_denials_the_last_branch_speaks() {
    let keys = uncached(&verifier()).build().unwrap();
    let several = branch(&keys, Policy::all(["root", "read:users"])).or(branch(&keys, Policy::all(["root"])));
    let routes = several.or(branch(&keys, Policy::all(["admin"]))).recover(recover);
    let response = get("/", Some(READER)).reply(&routes).await;
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    assert!(body.contains(r#""required_scopes":["admin"]"#), "{body}");
    assert_eq!(get("/", Some(ADMIN)).reply(&routes).await.status(), 200);
}

/// Two authenticators: what one makes of the request must not be hidden by what the other makes of it, in either order.
#[tokio::test]
async fn the_denial_that_says_most_is_seen_whichever_branch_is_first() {
    const KEY: &str = "k_live_key";
    let known = || FakeVerifier::new().with_key(KEY, Verification::active("1"));
    let down = || FakeVerifier::new().with_failure(KEY, VerifierError::outage("down"));
    let broken = || FakeVerifier::new().with_failure(KEY, VerifierError::set_up("broken"));
    let unknown = FakeVerifier::new;
    let over = |verifier| uncached(&verifier).build().unwrap();
    let elsewhere =
        || uncached(&known()).credential_sources([CredentialSource::header("x-other")]).build().unwrap();
    for (one, other, seen) in [
        (over(down()), over(unknown()), (503, "VERIFICATION_UNAVAILABLE")), // it may be good for that branch
        (over(down()), over(known()), (503, "VERIFICATION_UNAVAILABLE")),
        (over(broken()), over(unknown()), (500, "INTERNAL_ERROR")),
        (over(known()), over(unknown()), (403, "INSUFFICIENT_SCOPE")),
        (over(known()), elsewhere(), (403, "INSUFFICIENT_SCOPE")),
        (over(unknown()), elsewhere(), (401, "INVALID_KEY")),
        (over(down()), elsewhere(), (503, "VERIFICATION_UNAVAILABLE")),
    ] {
        let branches = || (branch(&one, Policy::all(["admin"])), branch(&other, Policy::all(["admin"])));
        let ((first, second), (third, fourth)) = (branches(), branches());
        for routes in [first.or(second).unify(), fourth.or(third).unify()] {
            let (status, code) = told(&get("/", Some(KEY)).reply(&routes.recover(recover)).await);
            assert_eq!((status, code.as_str()), seen);
        }
    }
}

#[tokio::test]
async fn nothing_malformed_is_hidden_by_nothing_presented() {
    let bearer = uncached(&verifier()).build().unwrap();
    let header =
        uncached(&verifier()).credential_sources([CredentialSource::header("x-other")]).build().unwrap();
    let routes = branch(&bearer, Policy::any_key()).or(branch(&header, Policy::any_key())).recover(recover);
    let twice =
        Request::builder().header("authorization", "Bearer one").header("authorization", "Bearer two");
    let twice = twice.body(String::new()).unwrap();
    assert_eq!(warp::service(routes.clone()).call(twice).await.unwrap().status(), 400);
    let malformed = get("/", Some("two words")).reply(&routes).await;
    assert_eq!(told(&malformed), (401, "INVALID_FORMAT".to_owned()));
}

#[tokio::test]
async fn path_and_method_before_the_key_cost_no_verification() {
    let verifier = verifier();
    let keys = uncached(&verifier).build().unwrap();
    let route = |name: &'static str| {
        warp::path(name).and(warp::path::end()).and(warp::get()).and(branch(&keys, Policy::any_key()))
    };
    let routes = route("one").or(route("two")).or(route("three")).recover(recover);
    assert_eq!(get("/three", Some(READER)).reply(&routes).await.status(), 200);
    assert_eq!(verifier.calls(), 1);
    assert_eq!(get("/four", Some(READER)).reply(&routes).await.status(), 404);
    assert_eq!(get("/one", Some(READER)).method("POST").reply(&routes).await.status(), 405);
    assert_eq!(verifier.calls(), 1);

    let wrong_way_round = branch(&keys, Policy::any_key()).and(warp::path("one"));
    let routes = wrong_way_round.or(branch(&keys, Policy::any_key())).recover(recover);
    assert_eq!(get("/two", Some(REVOKED)).reply(&routes).await.status(), 401);
    assert_eq!(verifier.calls(), 3);
}

#[tokio::test]
async fn a_later_denial_hides_what_an_accepted_route_rejects_for() {
    let keys = uncached(&verifier()).build().unwrap();
    let with_body = branch(&keys, Policy::any_key()).and(warp::body::content_length_limit(1));
    let admin = branch(&keys, Policy::all(["admin"]));
    let request = || get("/", Some(READER)).header("content-length", 2).body("ab");
    let together = with_body.clone().or(admin.clone()).unify().recover(recover);
    assert_eq!(told(&request().reply(&together).await).1, "INSUFFICIENT_SCOPE");
    let too_large = |rejection: Rejection| async move {
        if rejection.find::<PayloadTooLarge>().is_some() {
            Ok(StatusCode::PAYLOAD_TOO_LARGE)
        } else {
            Err(rejection)
        }
    };
    let apart = with_body.recover(too_large).or(admin).recover(recover);
    assert_eq!(request().reply(&apart).await.status(), 413);
}
