//! Requests whose credential changes between two looks. actix has no extensions that could be cloned into a sub-request.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderName};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpRequest, Result, test, web};
use apikey_actix::{Authenticator, DenialCode, MaybeApiKey, Policy};

use crate::world::{builder, denied, get, send, verifier};

const THEN: HeaderName = HeaderName::from_static("x-then");

async fn who(key: MaybeApiKey, again: MaybeApiKey, request: HttpRequest) -> String {
    assert_eq!(key, again);
    let seen = if request.headers().contains_key(AUTHORIZATION) { "seen" } else { "unseen" };
    format!("{} {seen}", key.key().map_or("nobody", |key| key.key_id()))
}

/// Presents something else from here on.
async fn change(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>> {
    match request.headers().get(THEN).cloned() {
        Some(value) => drop(request.headers_mut().insert(AUTHORIZATION, value)),
        None => drop(request.headers_mut().remove(AUTHORIZATION)),
    }
    next.call(request).await
}

fn keys(cache_seconds: u64, remove: bool) -> Authenticator {
    let builder = builder(&verifier()).cache_time_to_live(Duration::from_secs(cache_seconds));
    builder.remove_credential(remove).build().unwrap()
}

fn ask(path: &str, then: Option<&str>) -> test::TestRequest {
    let request = get(path, Some("reader"));
    match then {
        Some(then) => request.insert_header((THEN, then)),
        None => request,
    }
}

#[actix_web::test]
async fn a_key_that_changes_between_two_looks_is_judged_anew() {
    for cache_seconds in [0, 60] {
        let keys = keys(cache_seconds, false);
        let any = || keys.require(Policy::any_key());
        let open = web::resource("/open").wrap(from_fn(change)).wrap(any()).to(who);
        let required = web::resource("/required").wrap(any()).wrap(from_fn(change)).wrap(any()).to(who);
        let app = test::init_service(App::new().app_data(keys.clone()).service(open).service(required)).await;
        for _ in ["cold", "warm"] {
            for path in ["/open", "/required"] {
                for (then, expected) in [
                    ("Bearer reader", (200, "id_reader seen".to_owned())),
                    ("Bearer admin", (200, "id_admin seen".to_owned())),
                    ("Bearer nobody", denied(DenialCode::InvalidKey)),
                    ("Bearer old", denied(DenialCode::KeyRevoked)),
                    ("Bearer down", denied(DenialCode::VerificationUnavailable)),
                    ("reader", denied(DenialCode::InvalidFormat)),
                ] {
                    let answer = send(&app, ask(path, Some(then))).await;
                    assert_eq!((answer.status, answer.body), expected, "{path} {then}");
                }
            }
            assert_eq!(send(&app, ask("/open", None)).await.body, "nobody unseen");
            let answer = send(&app, ask("/required", None)).await;
            assert_eq!((answer.status, answer.body), denied(DenialCode::MissingKey));
        }
    }
}

#[actix_web::test]
async fn a_key_put_in_after_the_removal_is_judged_and_removed_too() {
    for cache_seconds in [0, 60] {
        let keys = keys(cache_seconds, true);
        let (any, remove) = (|| keys.require(Policy::any_key()), || keys.remove_credentials());
        let app = App::new()
            .app_data(keys.clone())
            // Of the first nobody was asked before the change; of the others somebody was.
            .service(web::resource("/a").wrap(remove()).wrap(from_fn(change)).wrap(remove()).to(who))
            .service(web::resource("/b").wrap(remove()).wrap(from_fn(change)).wrap(any()).to(who))
            .service(web::resource("/c").wrap(any()).wrap(from_fn(change)).wrap(any()).to(who));
        let app = test::init_service(app).await;
        for _ in ["cold", "warm"] {
            for path in ["/a", "/b", "/c"] {
                for (then, expected) in [
                    (Some("Bearer reader"), (200, "id_reader unseen".to_owned())),
                    (Some("Bearer admin"), (200, "id_admin unseen".to_owned())),
                    (Some("Bearer nobody"), denied(DenialCode::InvalidKey)),
                    (Some("reader"), denied(DenialCode::InvalidFormat)),
                    // It is the same request still, whose key was taken out.
                    (None, (200, "id_reader unseen".to_owned())),
                ] {
                    let answer = send(&app, ask(path, then)).await;
                    assert_eq!((answer.status, answer.body), expected, "{path} {then:?}");
                }
            }
        }
    }
}

#[actix_web::test]
async fn of_two_authenticators_each_judges_what_it_is_shown() {
    for removes in [false, true] {
        let (outer, inner) = (keys(0, removes), keys(0, removes));
        let app = App::new().app_data(inner.clone()).service(
            web::resource("/")
                .wrap(inner.require(Policy::any_key()))
                .wrap(from_fn(change))
                .wrap(outer.require(Policy::any_key()))
                .to(who),
        );
        let app = test::init_service(app).await;
        assert!(send(&app, ask("/", Some("Bearer admin"))).await.body.starts_with("id_admin"));
        assert_eq!(send(&app, ask("/", Some("Bearer nobody"))).await.status, 401);
        assert_eq!(send(&app, ask("/", None)).await.status, 401);
    }
}
