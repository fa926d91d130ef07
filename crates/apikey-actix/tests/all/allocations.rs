//! What a guard adds to the allocations of a cached request.

use actix_web::dev::{Service, ServiceResponse};
use actix_web::{App, Error, HttpMessage as _, rt, test, web};
use allocation_counter::measure;
use apikey_actix::{Policy, Scoped, Verification, VerifiedKey, scopes};

use crate::world::{cached, get, verifier};

scopes! { Admin = "admin"; }

/// The allocations of one request, the cache and actix's pool of requests being warm.
fn allocations<S, B>(runtime: &rt::Runtime, app: &S) -> u64
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
{
    let ask = |request: actix_http::Request| {
        let response = runtime.block_on(test::call_service(app, request));
        assert_eq!(response.status(), 200);
    };
    let request = || get("/", Some("admin")).to_request();
    (0..3).for_each(|_| ask(request()));
    let again = request();
    measure(|| ask(again)).count_total
}

async fn hello() -> &'static str {
    "hello"
}

async fn hello_scoped(_: Scoped<Admin>) -> &'static str {
    "hello"
}

#[::core::prelude::v1::test]
fn an_extractor_adds_none_and_a_middleware_what_attaching_does() {
    let runtime = rt::Runtime::new().unwrap();
    let keys = cached(&verifier());
    let bare = runtime.block_on(test::init_service(App::new().route("/", web::get().to(hello))));
    let scoped = App::new().app_data(keys.clone()).route("/", web::get().to(hello_scoped));
    let scoped = runtime.block_on(test::init_service(scoped));
    let required = web::resource("/").wrap(keys.require(Policy::scope("admin"))).route(web::get().to(hello));
    let required = runtime.block_on(test::init_service(App::new().service(required)));
    // It asks nothing, and tells what actix itself allocates for an extension.
    let key = VerifiedKey::assume_verified(Verification::active("id_admin"));
    let attach = web::resource("/").route(web::get().to(hello)).wrap_fn(move |request, inner| {
        request.extensions_mut().insert(key.clone());
        inner.call(request)
    });
    let attach = runtime.block_on(test::init_service(App::new().service(attach)));
    let alone = allocations(&runtime, &bare);
    assert!(alone > 0, "the counter counts");
    assert_eq!(allocations(&runtime, &scoped), alone);
    assert_eq!(allocations(&runtime, &required), allocations(&runtime, &attach));
}
