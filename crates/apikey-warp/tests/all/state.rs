//! Filters beside the user's own.

use apikey_warp::{
    ApiKey, MaybeApiKey, Policy, VerifiedKey, api_key, optional_api_key, per_request, require,
};
use tower_service::Service as _;
use warp::Filter;
use warp::http::Request;
use warp::reply::Reply;

use crate::world::{ADMIN, READER, REVOKED, get, told, uncached, verifier};

#[tokio::test]
async fn the_users_own_state_stands_beside_the_key() {
    let keys = uncached(&verifier()).build().unwrap();
    let greeting = String::from("hello");
    let state = warp::any().map(move || greeting.clone());
    let route = warp::any().and(state.clone()).and(api_key(&keys, Policy::any_key())).and(state);
    let route =
        route.map(|first: String, key: ApiKey, second: String| format!("{first} {} {second}", key.key_id()));
    assert_eq!(get("/", Some(READER)).reply(&route).await.body(), "hello reader hello");
}

#[tokio::test]
async fn a_service_around_finds_the_key_that_a_route_hands_on() {
    let keys = uncached(&verifier()).build().unwrap();
    let route = api_key(&keys, Policy::any_key()).map(|key: ApiKey| {
        let mut response = "hello".into_response();
        response.extensions_mut().insert(key.into_key());
        response
    });
    let mut service = per_request(&keys, warp::service(route.recover(apikey_warp::recover)));
    let request = Request::builder().header("authorization", format!("Bearer {READER}"));
    let response = service.call(request.body(String::new()).unwrap()).await.unwrap();
    assert_eq!(response.extensions().get::<VerifiedKey>().unwrap().key_id(), "reader");
}

#[tokio::test]
async fn an_optional_key_lets_nothing_bad_through() {
    let keys = uncached(&verifier()).build().unwrap();
    let route = optional_api_key(&keys)
        .map(|key: MaybeApiKey| key.into_key().map_or_else(String::new, |key| key.key_id().to_owned()))
        .recover(apikey_warp::recover);
    for (key, told_is) in [
        (None, (200, "")),
        (Some(READER), (200, "reader")),
        (Some(REVOKED), (401, "KEY_REVOKED")),
        (Some("two words"), (401, "INVALID_FORMAT")),
    ] {
        let (status, body) = told(&get("/", key).reply(&route).await);
        assert_eq!((status, body.as_str()), told_is);
    }
}

#[tokio::test]
async fn a_guard_protects_every_route_of_its_group() {
    let verifier = verifier();
    let keys = uncached(&verifier).build().unwrap();
    let group = warp::path!("users").map(|| "users").or(warp::path!("teams").map(|| "teams"));
    let admin = warp::path("admin").and(require(&keys, Policy::all(["admin"]))).and(group);
    let routes = admin.or(warp::path!("open").map(|| "open")).recover(apikey_warp::recover);
    for path in ["/admin/users", "/admin/teams"] {
        assert_eq!(get(path, Some(ADMIN)).reply(&routes).await.status(), 200);
        assert_eq!(told(&get(path, Some(READER)).reply(&routes).await).1, "INSUFFICIENT_SCOPE");
        assert_eq!(told(&get(path, None).reply(&routes).await).1, "MISSING_KEY");
    }
    assert_eq!(get("/admin/elsewhere", Some(ADMIN)).reply(&routes).await.status(), 404);
    assert_eq!(verifier.calls(), 5);
    assert_eq!(get("/open", Some(ADMIN)).reply(&routes).await.status(), 200);
    assert_eq!(get("/elsewhere", Some(ADMIN)).reply(&routes).await.status(), 404);
    assert_eq!(verifier.calls(), 5);
}
