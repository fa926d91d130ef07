use std::cell::Cell;
use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service as _, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpResponse, Result, error, test, web};
use apikey_actix::{ApiKey, DenialCode, Policy, Rejection, Scoped, scopes};

use crate::world::{ask, cached, denied, get, send, uncached, verifier};

scopes! { Admin = "admin"; }

async fn hello() -> &'static str {
    "hello"
}

async fn id(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[actix_web::test]
async fn it_protects_an_app_a_scope_a_resource_and_a_route() {
    let keys = cached(&verifier());
    let admin = || keys.require(Policy::scope("admin"));
    let app = test::init_service(App::new().route("/a", web::get().to(hello)).wrap(admin())).await;
    let scope = web::scope("/a").wrap(admin()).route("/b", web::get().to(hello));
    let scope = test::init_service(App::new().service(scope)).await;
    let resource = web::resource("/a").wrap(admin()).route(web::get().to(hello));
    let resource = test::init_service(App::new().service(resource)).await;
    let route = web::resource("/a").route(web::get().to(hello).wrap(admin()));
    let route = test::init_service(App::new().service(route)).await;
    let short = r#"{"error":"Insufficient scope. Required: admin","code":"INSUFFICIENT_SCOPE","required_scopes":["admin"],"available_scopes":["reader"]}"#;
    for (key, expected) in [
        (None, denied(DenialCode::MissingKey)),
        (Some("admin"), (200, "hello".to_owned())),
        (Some("admin"), (200, "hello".to_owned())),
        (Some("reader"), (403, short.to_owned())),
        (Some("nobody"), denied(DenialCode::InvalidKey)),
        (Some("old"), denied(DenialCode::KeyRevoked)),
        (Some("down"), denied(DenialCode::VerificationUnavailable)),
        (Some("two words"), denied(DenialCode::InvalidFormat)),
    ] {
        assert_eq!(ask(&app, "/a", key).await, expected, "app, {key:?}");
        assert_eq!(ask(&scope, "/a/b", key).await, expected, "scope, {key:?}");
        assert_eq!(ask(&resource, "/a", key).await, expected, "resource, {key:?}");
        assert_eq!(ask(&route, "/a", key).await, expected, "route, {key:?}");
    }
    let post = || test::TestRequest::post().uri("/a");
    assert_eq!(send(&route, post()).await.status, 405, "only its own method is protected");
    assert_eq!(send(&resource, post()).await.status, 401, "the path is protected, whatever the method");
}

#[actix_web::test]
async fn outer_middleware_sees_a_refusal_as_a_response() {
    let keys = cached(&verifier());
    let seen = Rc::new(Cell::new(None));
    let noted = Rc::clone(&seen);
    let app = App::new()
        .service(web::resource("/").wrap(keys.require(Policy::scope("admin"))).route(web::get().to(hello)))
        .wrap_fn(move |request, service| {
            let (noted, answer) = (Rc::clone(&noted), service.call(request));
            async move {
                // An error would leave this block here, without its header.
                let mut response = answer.await?;
                noted.set(Some(response.status().as_u16()));
                let name = HeaderName::from_static("access-control-allow-origin");
                response.headers_mut().insert(name, HeaderValue::from_static("*"));
                Ok(response)
            }
        });
    let app = test::init_service(app).await;
    for (key, status) in
        [(None, 401), (Some("reader"), 403), (Some("nobody"), 401), (Some("down"), 503), (Some("admin"), 200)]
    {
        let answer = send(&app, get("/", key)).await;
        assert_eq!((answer.status, seen.take()), (status, Some(status)), "{key:?}");
        assert_eq!(answer.headers.get("access-control-allow-origin").unwrap(), "*", "{key:?}");
    }
}

#[actix_web::test]
async fn outer_middleware_can_tell_why_a_request_was_refused() {
    async fn reword(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>> {
        let response = next.call(request).await?;
        let rejection = response.response().error().and_then(|error| error.as_error::<Rejection>());
        let code = rejection.map_or("none".to_owned(), |rejection| rejection.denial().code().to_string());
        Ok(response.map_body(|_, _| code))
    }
    let keys = cached(&verifier());
    let app = App::new()
        .app_data(keys.clone())
        .route("/extractor", web::get().to(id))
        .service(web::resource("/layer").wrap(keys.require(Policy::any_key())).to(hello))
        .wrap(from_fn(reword));
    let app = test::init_service(app).await;
    for path in ["/extractor", "/layer"] {
        assert_eq!(ask(&app, path, Some("old")).await, (401, "KEY_REVOKED".to_owned()));
        assert_eq!(ask(&app, path, None).await, (401, "MISSING_KEY".to_owned()));
        assert_eq!(ask(&app, path, Some("reader")).await, (200, "none".to_owned()));
    }
}

#[actix_web::test]
async fn unknown_paths_are_404_on_resources_and_401_within_scopes() {
    let verifier = verifier();
    let keys = uncached(&verifier);
    let scope = web::scope("/admin").wrap(keys.require(Policy::any_key())).route("/", web::get().to(hello));
    let resource = web::resource("/one").wrap(keys.require(Policy::any_key())).route(web::get().to(hello));
    let app = test::init_service(App::new().service(scope).service(resource)).await;
    assert_eq!(ask(&app, "/elsewhere", Some("admin")).await.0, 404);
    assert_eq!(ask(&app, "/one/elsewhere", None).await.0, 404);
    assert_eq!(verifier.calls(), 0);
    assert_eq!(ask(&app, "/admin/elsewhere", None).await, denied(DenialCode::MissingKey));
    assert_eq!(ask(&app, "/admin/elsewhere", Some("admin")).await.0, 404);
    assert_eq!(verifier.calls(), 1);
}

#[actix_web::test]
async fn layers_and_extractors_of_one_request_verify_once() {
    async fn three(one: ApiKey, two: ApiKey, three: Scoped<Admin>) -> String {
        assert_eq!((&*one, &*two), (&*two, &*three));
        one.key_id().to_owned()
    }
    let verifier = verifier();
    let keys = uncached(&verifier);
    let scope = web::scope("/a").wrap(keys.require(Policy::scope("admin"))).route("", web::get().to(three));
    let app = App::new().app_data(keys.clone()).service(scope).route("/b", web::get().to(three));
    let app = test::init_service(app.wrap(keys.require(Policy::any_key()))).await;
    for calls in 1..4 {
        assert_eq!(ask(&app, "/a", Some("admin")).await, (200, "id_admin".to_owned()));
        assert_eq!(verifier.calls(), calls);
    }
    assert_eq!(ask(&app, "/b", Some("reader")).await.0, 403);
    assert_eq!(verifier.calls(), 4);
    assert_eq!(ask(&app, "/a", Some("old")).await, denied(DenialCode::KeyRevoked));
    assert_eq!(verifier.calls(), 5);
}

#[actix_web::test]
async fn one_authenticators_word_never_counts_for_another() {
    let (outer, inner) = (verifier(), verifier());
    let (outer_keys, inner_keys) = (uncached(&outer), uncached(&inner));
    let app = App::new()
        .app_data(outer_keys.clone())
        .service(web::scope("/inner").app_data(inner_keys).route("", web::get().to(id)))
        .route("/outer", web::get().to(id))
        .wrap(outer_keys.require(Policy::any_key()));
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/inner", Some("reader")).await, (200, "id_reader".to_owned()));
    assert_eq!((outer.calls(), inner.calls()), (1, 1));
    assert_eq!(ask(&app, "/outer", Some("reader")).await, (200, "id_reader".to_owned()));
    assert_eq!((outer.calls(), inner.calls()), (2, 1));
}

#[actix_web::test]
async fn a_pre_flight_passes_only_where_that_was_asked_for() {
    let keys = cached(&verifier());
    let no_content = || async { HttpResponse::new(StatusCode::NO_CONTENT) };
    let layer = keys.require(Policy::any_key());
    let app = App::new()
        .service(web::resource("/strict").wrap(layer.clone()).to(no_content))
        .service(web::resource("/open").wrap(layer.pass_preflight()).to(no_content));
    let app = test::init_service(app).await;
    let with = |method: Method, path: &str, names: &[&str]| {
        let request = test::TestRequest::with_uri(path).method(method);
        names.iter().fold(request, |request, name| request.insert_header((*name, "x")))
    };
    let marks = ["origin", "access-control-request-method"];
    for (method, path, names, status) in [
        (Method::OPTIONS, "/open", &marks[..], 204),
        (Method::OPTIONS, "/open", &marks[..1], 401),
        (Method::OPTIONS, "/open", &marks[1..], 401),
        (Method::OPTIONS, "/open", &[][..], 401),
        (Method::GET, "/open", &marks[..], 401),
        (Method::OPTIONS, "/strict", &marks[..], 401),
    ] {
        assert_eq!(
            send(&app, with(method.clone(), path, names)).await.status,
            status,
            "{method} {path} {names:?}"
        );
    }
}

#[actix_web::test]
async fn an_error_of_the_inner_service_stays_one() {
    let keys = cached(&verifier());
    async fn fail(_: ServiceRequest, _: Next<BoxBody>) -> Result<ServiceResponse> {
        Err(error::ErrorImATeapot("inner"))
    }
    let resource = web::resource("/")
        .route(web::get().to(hello))
        .wrap(from_fn(fail))
        .wrap(keys.require(Policy::any_key()));
    let app = test::init_service(App::new().service(resource)).await;
    let error = test::try_call_service(&app, get("/", Some("admin")).to_request()).await.err().unwrap();
    assert_eq!(error.to_string(), "inner");
}

/// Extractors run concurrently: what the documentation says of bodies, and the two ways out of it.
#[actix_web::test]
async fn a_refusal_behind_a_layer_comes_before_the_bodys_error() {
    async fn body(_key: ApiKey, body: web::Bytes) -> web::Bytes {
        body
    }
    async fn result(_key: ApiKey, body: Result<web::Bytes>) -> Result<web::Bytes> {
        body
    }
    let keys = uncached(&verifier());
    let app = App::new()
        .app_data(keys.clone())
        .app_data(web::PayloadConfig::new(1))
        .service(web::resource("/bare").to(body))
        .service(web::resource("/result").to(result))
        .service(web::resource("/layer").to(body).wrap(keys.require(Policy::any_key())));
    let app = test::init_service(app).await;
    let post = |path, key| get(path, Some(key)).method(Method::POST).set_payload("too long");
    // The body is refused at once, and the key when its verification has landed, on a thread of its own.
    let bare = send(&app, post("/bare", "old")).await.status;
    assert!(bare == 413 || bare == 401, "{bare}");
    for path in ["/result", "/layer"] {
        assert_eq!(send(&app, post(path, "old")).await.status, 401, "{path}");
        assert_eq!(send(&app, post(path, "reader")).await.status, 413, "{path}");
    }
}
