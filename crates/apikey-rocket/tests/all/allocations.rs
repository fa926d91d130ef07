//! What a guard adds to the allocations of a cached request.

use std::time::Duration;

use allocation_counter::measure;
use apikey_rocket::{ApiKeys, Authenticator, Policy, Scoped, scopes};
use rocket::http::Header;
use rocket::local::asynchronous::Client;
use rocket::request::{FromRequest, Outcome};
use rocket::tokio::runtime::{Builder, Runtime};
use rocket::{Request, get, routes};

use crate::world::{client, quiet, verifier};

scopes! { pub Admin = "admin"; }

/// A guard that does nothing, to tell what Rocket itself asks for one.
struct Nothing;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Nothing {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        // What a guard learns is kept for the next one.
        request.local_cache(|| 0_u8);
        Outcome::Success(Self)
    }
}

#[get("/")]
fn bare() -> &'static str {
    "hello"
}

#[get("/nothing")]
fn nothing(_guard: Nothing) -> &'static str {
    "hello"
}

#[get("/scoped")]
fn scoped(_key: Scoped<Admin>) -> &'static str {
    "hello"
}

#[get("/twice")]
fn twice(_key: Scoped<Admin>, _again: Scoped<Admin>) -> &'static str {
    "hello"
}

#[get("/required")]
fn required() -> &'static str {
    "hello"
}

/// The allocations of one request, the cache being warm.
fn allocations(runtime: &Runtime, client: &Client, path: &str) -> u64 {
    let request = || client.get(path.to_owned()).header(Header::new("Authorization", "Bearer admin"));
    let ask = |request: rocket::local::asynchronous::LocalRequest<'_>| {
        let response = runtime.block_on(request.dispatch());
        assert_eq!(response.status().code, 200, "{path}");
    };
    (0..3).for_each(|_| ask(request()));
    let again = request();
    measure(|| ask(again)).count_total
}

#[test]
fn a_guard_adds_what_any_guard_with_a_cache_entry_adds() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let keys =
        Authenticator::builder(verifier()).cache_time_to_live(Duration::from_secs(60)).build().unwrap();
    let rocket = quiet()
        .attach(ApiKeys::fairing(keys))
        .mount("/", routes![bare, nothing, scoped, twice])
        .mount("/", ApiKeys::require(Policy::scope("admin"), routes![required]));
    let client = runtime.block_on(client(rocket));
    let added = |path| allocations(&runtime, &client, path) - allocations(&runtime, &client, "/");
    // The boxed future of the guard, and what it keeps.
    assert_eq!((added("/nothing"), added("/scoped")), (4, 4));
    // A second guard's boxed future; and where there is no guard, the boxed future of the handler that goes before.
    assert_eq!((added("/twice"), added("/required")), (5, 3));
}
