//! What a fairing and a catcher learn about the caller.

use std::time::Duration;

use apikey_rocket::{
    ApiKey, ApiKeys, Authenticator, MaybeApiKey, Policy, Rejection, Scoped, scopes, verified_key,
};
use rocket::fairing::AdHoc;
use rocket::http::{Header, Status};
use rocket::local::asynchronous::Client;
use rocket::{Request, catch, catchers, get, routes};

use crate::world::{client, quiet, verifier};

scopes! { pub Admin = "admin"; pub User = "user"; }

#[get("/me")]
fn me(_key: ApiKey) {}

#[get("/scoped")]
fn scoped(_key: Scoped<User>) {}

#[get("/optional")]
fn optional(_key: MaybeApiKey) {}

#[get("/open")]
fn open() {}

#[get("/failing")]
fn failing(_key: ApiKey) -> Status {
    Status::ImATeapot
}

#[get("/recovered")]
fn recovered(admin: Result<Scoped<Admin>, Rejection>, _key: ApiKey) -> &'static str {
    if admin.is_ok() { "admin" } else { "user" }
}

#[get("/refused")]
fn refused(_key: ApiKey, admin: Result<Scoped<Admin>, Rejection>) -> &'static str {
    if admin.is_ok() { "admin" } else { "user" }
}

#[catch(418)]
fn teapot(request: &Request<'_>) -> String {
    format!("caller: {}", caller(request))
}

fn caller(request: &Request<'_>) -> String {
    verified_key(request).map_or("-".to_owned(), |key| key.key_id().to_owned())
}

/// An application with an access log, which the caller can read in a header.
async fn app(cache_seconds: u64) -> Client {
    let keys = Authenticator::builder(verifier()).cache_time_to_live(Duration::from_secs(cache_seconds));
    let access_log = AdHoc::on_response("access log", |request, response| {
        Box::pin(async move {
            response.set_header(Header::new("x-caller", caller(request)));
        })
    });
    let rocket = quiet()
        .attach(access_log)
        .attach(ApiKeys::fairing(keys.build().unwrap()))
        .mount("/", routes![me, scoped, optional, open, failing, recovered, refused])
        .mount("/group", ApiKeys::require(Policy::any_key(), routes![open, scoped]))
        .register("/", catchers![teapot]);
    client(rocket).await
}

/// Status, and the caller in the access log.
async fn ask(client: &Client, path: &str, key: Option<&str>) -> (u16, String) {
    let mut request = client.get(path.to_owned());
    if let Some(key) = key {
        request.add_header(Header::new("Authorization", format!("Bearer {key}")));
    }
    let response = request.dispatch().await;
    (response.status().code, response.headers().get_one("x-caller").unwrap().to_owned())
}

#[rocket::async_test]
async fn an_access_log_names_the_key_that_was_let_in() {
    for cache_seconds in [0, 60] {
        let client = app(cache_seconds).await;
        for _ in ["cold", "warm"] {
            for path in ["/me", "/scoped", "/optional", "/group/open", "/group/scoped"] {
                assert_eq!(ask(&client, path, Some("user")).await, (200, "key_user".to_owned()), "{path}");
            }
            assert_eq!(ask(&client, "/failing", Some("user")).await, (418, "key_user".to_owned()));
        }
    }
}

#[rocket::async_test]
async fn an_access_log_names_no_key_that_was_refused() {
    for cache_seconds in [0, 60] {
        let client = app(cache_seconds).await;
        for _ in ["cold", "warm"] {
            for (path, key, status) in [
                ("/me", None, 401),
                ("/me", Some("nobody"), 401),
                ("/me", Some("odd"), 503),
                ("/scoped", Some("admin"), 403),
                ("/optional", None, 200),
                ("/optional", Some("nobody"), 401),
                ("/open", Some("user"), 200),
                ("/group/open", None, 401),
                // The group lets it in, and the guard refuses it.
                ("/group/scoped", Some("admin"), 403),
            ] {
                assert_eq!(ask(&client, path, key).await, (status, "-".to_owned()), "{path} {key:?}");
            }
        }
    }
}

#[rocket::async_test]
async fn of_several_guards_the_last_one_tells_the_key() {
    let client = app(60).await;
    for (path, user) in [("/recovered", "key_user"), ("/refused", "-")] {
        assert_eq!(ask(&client, path, Some("user")).await, (200, user.to_owned()), "{path}");
        assert_eq!(ask(&client, path, Some("admin")).await, (200, "key_admin".to_owned()), "{path}");
    }
}

#[rocket::async_test]
async fn a_catcher_learns_whose_request_failed() {
    let client = app(60).await;
    let request = client.get("/failing").header(Header::new("Authorization", "Bearer user"));
    assert_eq!(request.dispatch().await.into_string().await.as_deref(), Some("caller: key_user"));
}
