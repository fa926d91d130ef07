//! Credentials that nobody takes out of the request.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderName};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Result, test, web};
use apikey_actix::{Authenticator, DenialCode, MaybeApiKey, Policy};
use apikey_testkit::FakeVerifier;

use crate::log::Log;
use crate::world::{ask, builder, denied, get, send, verifier};

const THEN: HeaderName = HeaderName::from_static("x-then");

fn removing(verifier: &FakeVerifier) -> Authenticator {
    builder(verifier).remove_credential(true).build().unwrap()
}

async fn me(key: MaybeApiKey) -> String {
    key.key().map_or("nobody", |key| key.key_id()).to_owned()
}

#[actix_web::test]
async fn an_extractor_without_the_middleware_is_a_wiring_mistake() {
    let log = Log::listen().await;
    let verifier = verifier();
    let app = App::new().app_data(removing(&verifier)).route("/{path}", web::get().to(me));
    let app = test::init_service(app).await;
    for key in [None, Some("reader"), Some("two words")] {
        assert_eq!(ask(&app, "/a", key).await, denied(DenialCode::InternalError), "{key:?}");
        assert!(log.take().contains("add .wrap(keys.remove_credentials()) to the App"));
    }
    assert_eq!(verifier.calls(), 0);
}

/// A middleware that keeps a clone of the request while the others work on it.
async fn hold(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>> {
    let held = request.request().clone();
    let response = next.call(request).await;
    drop(held);
    response
}

#[actix_web::test]
async fn a_request_that_another_middleware_holds_is_refused() {
    let log = Log::listen().await;
    let keys = removing(&verifier());
    let resource = |path| web::resource(path).app_data(keys.clone()).to(me);
    let app = App::new()
        .service(resource("/require").wrap(keys.require(Policy::any_key())).wrap(from_fn(hold)))
        .service(resource("/remove").wrap(keys.remove_credentials()).wrap(from_fn(hold)));
    let app = test::init_service(app).await;
    for path in ["/require", "/remove"] {
        assert_eq!(ask(&app, path, Some("reader")).await, denied(DenialCode::InternalError), "{path}");
        assert!(log.take().contains("keeps a clone of the HttpRequest"));
    }
}

/// A middleware that keeps a clone of a request for `/held` only.
async fn hold_some(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>> {
    let held = (request.path() == "/held").then(|| request.request().clone());
    let response = next.call(request).await;
    drop(held);
    response
}

#[actix_web::test]
async fn a_middleware_that_holds_all_requests_causes_few_panics() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let log = Log::listen().await;
    std::panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::SeqCst);
    }));
    let keys = removing(&verifier());
    let app = || App::new().app_data(keys.clone()).route("/{path}", web::get().to(me));
    let all = test::init_service(app().wrap(keys.remove_credentials()).wrap(from_fn(hold))).await;
    for _ in 0..100 {
        assert_eq!(ask(&all, "/a", Some("reader")).await, denied(DenialCode::InternalError));
        assert_eq!(log.take().matches("keeps a clone of the HttpRequest").count(), 1);
    }
    let panics = PANICS.swap(0, Ordering::SeqCst);
    // A middleware that holds some requests must not make the others fail.
    let some = test::init_service(app().wrap(keys.remove_credentials()).wrap(from_fn(hold_some))).await;
    for _ in 0..1000 {
        assert_eq!(ask(&some, "/held", Some("reader")).await, denied(DenialCode::InternalError));
    }
    let mut refused = 0;
    while ask(&some, "/free", Some("reader")).await == denied(DenialCode::InternalError) {
        refused += 1;
    }
    assert!(refused < 16, "{refused}");
    for _ in 0..10 {
        assert_eq!(ask(&some, "/free", Some("reader")).await, (200, "id_reader".to_owned()));
        assert_eq!(ask(&some, "/held", Some("reader")).await, denied(DenialCode::InternalError));
    }
    drop(std::panic::take_hook());
    assert_eq!(panics, 10, "the 1st, 2nd, 4th, 8th and each 16th");
}

/// Presents what `x-then` says from here on.
async fn change(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>> {
    let then = request.headers().get(THEN).cloned().unwrap();
    request.headers_mut().insert(AUTHORIZATION, then);
    next.call(request).await
}

#[actix_web::test]
async fn a_key_put_in_where_nobody_removes_it_is_a_wiring_mistake() {
    let log = Log::listen().await;
    let removing_uncached = builder(&verifier()).cache_time_to_live(Duration::ZERO).remove_credential(true);
    for keys in [removing_uncached.build().unwrap(), removing(&verifier())] {
        let resource = |path| web::resource(path).wrap(from_fn(change));
        let app = App::new()
            .app_data(keys.clone())
            .service(resource("/removed").wrap(keys.remove_credentials()).to(me))
            .service(resource("/required").wrap(keys.require(Policy::any_key())).to(me));
        let app = test::init_service(app).await;
        for path in ["/removed", "/required"] {
            for then in ["Bearer reader", "Bearer admin", "Bearer nobody", "reader"] {
                let request = get(path, Some("reader")).insert_header((THEN, then));
                let answer = send(&app, request).await;
                assert_eq!((answer.status, answer.body), denied(DenialCode::InternalError), "{path} {then}");
                assert!(log.take().contains("inside of every middleware that changes credentials"));
            }
        }
    }
}
