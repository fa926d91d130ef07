use apikey_rocket::{
    ApiKey, ApiKeys, Authenticator, CredentialSource, MaybeApiKey, Policy, Rejection, Scoped, Verification,
    scopes,
};
use apikey_testkit::FakeVerifier;
use rocket::error::ErrorKind;
use rocket::local::asynchronous::Client;
use rocket::{Route, get, routes};

use crate::world::{ask, client, keys, quiet, verifier};

scopes! { pub Admin = "admin"; }

#[get("/")]
fn required(key: ApiKey) -> String {
    key.key_id().to_owned()
}
#[get("/")]
fn maybe(_key: MaybeApiKey) {}
#[get("/")]
fn scoped(_key: Scoped<Admin>) {}
#[get("/")]
fn result(_key: Result<ApiKey, Rejection>) {}
#[get("/")]
fn option(_key: Option<ApiKey>) {}
#[get("/")]
fn open() -> &'static str {
    "open"
}

#[rocket::async_test]
async fn a_guard_without_the_fairing_stops_the_launch() {
    let all: [Vec<Route>; 5] =
        [routes![required], routes![maybe], routes![scoped], routes![result], routes![option]];
    for routes in all {
        let error = quiet().mount("/", routes.clone()).ignite().await.unwrap_err();
        let ErrorKind::SentinelAborts(sentries) = error.kind() else { panic!("{error}") };
        assert!(sentries[0].type_name.contains("apikey_rocket"), "{sentries:?}");
        // Within a group by policy just as well.
        let routes = ApiKeys::require(Policy::any_key(), routes);
        let error = quiet().mount("/", routes).ignite().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::SentinelAborts(_)), "{error}");
    }
}

#[rocket::async_test]
async fn an_unwired_group_is_an_internal_error_never_open() {
    let client = client(quiet().mount("/", ApiKeys::require(Policy::any_key(), routes![open]))).await;
    for key in [None, Some("admin")] {
        let (status, body) = ask(&client, "/", key).await;
        assert_eq!(status, 500);
        assert!(!body.contains("open"));
    }
}

#[rocket::async_test]
async fn a_removed_credential_is_refused_by_name() {
    let builder = || Authenticator::builder(verifier());
    let web_socket = builder().credential_sources([CredentialSource::web_socket_protocol()]);
    for builder in [builder().remove_credential(true), web_socket] {
        let rocket = quiet().attach(ApiKeys::fairing(builder.build().unwrap())).mount("/", routes![open]);
        let error = rocket.ignite().await.unwrap_err();
        let ErrorKind::FailedFairings(fairings) = error.kind() else { panic!("{error}") };
        let name = &fairings[0].name;
        assert!(name.contains("remove_credential and web_socket_protocol() must be off"), "{name}");
    }
}

#[rocket::async_test]
async fn of_two_fairings_the_last_one_counts() {
    let other = FakeVerifier::new().with_key("other", Verification::active("key_other"));
    let rocket = quiet().attach(ApiKeys::fairing(keys(&verifier()))).mount("/", routes![required]);
    let client = client(rocket.attach(ApiKeys::fairing(keys(&other)))).await;
    assert_eq!(ask(&client, "/", Some("other")).await, (200, "key_other".to_owned()));
    assert_eq!(ask(&client, "/", Some("user")).await.0, 401);
    assert_eq!(other.calls(), 2);
}

#[rocket::async_test]
async fn a_rocket_without_protected_routes_launches_either_way() {
    assert!(Client::untracked(quiet().mount("/", routes![open])).await.is_ok());
    let rocket = quiet().attach(ApiKeys::fairing(keys(&verifier()))).mount("/", routes![open]);
    assert_eq!(ask(&client(rocket).await, "/", Some("nobody")).await, (200, "open".to_owned()));
}
