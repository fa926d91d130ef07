//! The verified key travels with a request that `require` lets in.

use std::cell::RefCell;
use std::rc::Rc;

use actix_web::dev::{Service as _, ServiceRequest};
use actix_web::{App, HttpMessage as _, HttpRequest, test, web};
use apikey_actix::{Policy, Verification, VerifiedKey};

use crate::world::{ask, cached, get, send, verifier};

/// A piece of the application that knows nothing of extractors: it tells the key that the request carries.
fn carried(request: &HttpRequest) -> String {
    request.extensions().get::<VerifiedKey>().map_or("nobody", VerifiedKey::key_id).to_owned()
}

async fn tell(request: HttpRequest) -> String {
    carried(&request)
}

fn attach(request: &ServiceRequest, key_id: &str) {
    let key = VerifiedKey::assume_verified(Verification::active(key_id));
    request.extensions_mut().insert(key);
}

#[actix_web::test]
async fn a_handler_finds_the_key_that_a_middleware_let_in() {
    async fn by_type(key: web::ReqData<VerifiedKey>) -> String {
        key.key_id().to_owned()
    }
    let keys = cached(&verifier());
    let app = App::new()
        .route("/extensions", web::get().to(tell))
        .route("/type", web::get().to(by_type))
        .wrap(keys.require(Policy::any_key()));
    let app = test::init_service(app).await;
    // Pending first, then a hit.
    for key in ["reader", "reader", "admin", "admin"] {
        for path in ["/extensions", "/type"] {
            assert_eq!(ask(&app, path, Some(key)).await, (200, format!("id_{key}")));
        }
    }
}

#[actix_web::test]
async fn middleware_inside_and_an_access_log_outside_find_the_key() {
    let keys = cached(&verifier());
    let inside = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::new(RefCell::new(Vec::new()));
    let (noted, logged) = (Rc::clone(&inside), Rc::clone(&log));
    let app = App::new()
        .route("/", web::get().to(async || "hello"))
        .wrap_fn(move |request, inner| {
            noted.borrow_mut().push(carried(request.request()));
            inner.call(request)
        })
        .wrap(keys.require(Policy::scope("admin")))
        .wrap_fn(move |request, inner| {
            let (logged, answer) = (Rc::clone(&logged), inner.call(request));
            async move {
                let response = answer.await?;
                logged.borrow_mut().push(carried(response.request()));
                Ok(response)
            }
        });
    let app = test::init_service(app).await;
    for (key, status) in [(Some("admin"), 200), (Some("admin"), 200), (Some("reader"), 403), (None, 401)] {
        assert_eq!(ask(&app, "/", key).await.0, status);
    }
    assert_eq!(*inside.borrow(), ["id_admin", "id_admin"]);
    assert_eq!(*log.borrow(), ["id_admin", "id_admin", "nobody", "nobody"]);
}

#[actix_web::test]
async fn a_request_carries_the_key_that_the_last_check_let_in() {
    let keys = cached(&verifier());
    let app = App::new().route("/", web::get().to(tell)).wrap(keys.require(Policy::any_key())).wrap_fn(
        |request, inner| {
            attach(&request, "other");
            inner.call(request)
        },
    );
    let app = test::init_service(app).await;
    for _ in ["pending", "hit"] {
        assert_eq!(ask(&app, "/", Some("reader")).await, (200, "id_reader".to_owned()));
    }
}

#[actix_web::test]
async fn a_preflight_that_passes_carries_no_other_requests_key() {
    let keys = cached(&verifier());
    let app = App::new()
        .default_service(web::to(tell))
        .wrap(keys.require(Policy::any_key()).pass_preflight())
        .wrap_fn(|request, inner| {
            attach(&request, "other");
            inner.call(request)
        });
    let app = test::init_service(app).await;
    let preflight = get("/", None)
        .method(actix_web::http::Method::OPTIONS)
        .insert_header(("origin", "https://a.example"))
        .insert_header(("access-control-request-method", "GET"));
    let answer = send(&app, preflight).await;
    assert_eq!((answer.status, answer.body), (200, "nobody".to_owned()));
}
