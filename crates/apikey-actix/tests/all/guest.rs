//! What the adapter does to the program around it.

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::{App, Error, HttpResponse, test, web};
use apikey_actix::{ApiKey, Authenticator, Denial, DenialCode, Policy};

use crate::world::{Answer, ask, cached, denied, get, send, verifier};

async fn id(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[actix_web::test]
async fn a_response_to_a_refused_request_carries_the_denial() {
    let keys = cached(&verifier());
    let app = App::new()
        .app_data(keys.clone())
        .route("/extractor", web::get().to(id))
        .service(web::resource("/layer").wrap(keys.require(Policy::any_key())).to(HttpResponse::Ok));
    let app = test::init_service(app).await;
    for path in ["/extractor", "/layer"] {
        for (key, code) in [
            (None, Some(DenialCode::MissingKey)),
            (Some("nobody"), Some(DenialCode::InvalidKey)),
            (Some("reader"), None),
        ] {
            let response = test::call_service(&app, get(path, key).to_request()).await;
            let carried = response.response().extensions().get::<Denial>().map(Denial::code);
            assert_eq!(carried, code, "{path} {key:?}");
        }
    }
}

#[actix_web::test]
async fn a_handler_finds_the_authenticator_however_it_is_registered() {
    async fn forget(keys: Authenticator, key: ApiKey) -> String {
        keys.remove_key_id(key.key_id()).removed().to_string()
    }
    async fn forget_data(keys: web::Data<Authenticator>, key: ApiKey) -> String {
        keys.remove_key_id(key.key_id()).removed().to_string()
    }
    let keys = cached(&verifier());
    let data = web::Data::new(keys.clone());
    let app = App::new()
        .service(web::resource("/plain").app_data(keys.clone()).to(forget))
        .service(web::resource("/data").app_data(data.clone()).to(forget))
        .service(web::resource("/both").app_data(keys).app_data(data.clone()).to(forget))
        .service(web::resource("/as-data").app_data(data).to(forget_data))
        .service(web::resource("/none").to(|_: Authenticator| HttpResponse::Ok()));
    let app = test::init_service(app).await;
    for path in ["/plain", "/data", "/both", "/as-data"] {
        assert_eq!(ask(&app, path, Some("reader")).await, (200, "1".to_owned()), "{path}");
    }
    assert_eq!(ask(&app, "/none", Some("reader")).await, denied(DenialCode::InternalError));
}

/// actix does not say which of them is nearer to the handler.
#[actix_web::test]
async fn two_authenticators_registered_in_two_ways_let_nobody_in() {
    let (customers, partners) = (verifier(), verifier());
    let app = App::new()
        .app_data(cached(&customers))
        .service(web::resource("/").app_data(web::Data::new(cached(&partners))).to(id));
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/", Some("reader")).await, denied(DenialCode::InternalError));
    assert_eq!(customers.calls() + partners.calls(), 0);
}

async fn preflight<S, B>(app: &S) -> (u16, String)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let request = get("/", None).method(Method::OPTIONS).insert_header(("origin", "https://a.example"));
    let request = request.insert_header(("access-control-request-method", "GET"));
    let Answer { status, body, .. } = send(app, request).await;
    (status, body)
}

/// The warning at `pass_preflight` says so.
#[actix_web::test]
async fn a_passed_pre_flight_reaches_a_handler_for_any_method() {
    let keys = cached(&verifier());
    let require = || keys.require(Policy::any_key());
    let secret = || web::to(async || "secret");
    let open = web::resource("/").route(secret()).wrap(require().pass_preflight());
    let open = test::init_service(App::new().service(open)).await;
    assert_eq!(preflight(&open).await, (200, "secret".to_owned()));
    // The right ways.
    let extractor = web::resource("/").app_data(keys.clone()).to(id).wrap(require().pass_preflight());
    let extractor = test::init_service(App::new().service(extractor)).await;
    assert_eq!(preflight(&extractor).await, denied(DenialCode::MissingKey));
    let method = web::resource("/").route(web::get().to(async || "secret")).wrap(require().pass_preflight());
    let method = test::init_service(App::new().service(method)).await;
    assert_eq!(preflight(&method).await, (405, String::new()));
    let cors = actix_cors::Cors::permissive;
    let inside = web::resource("/").route(secret()).wrap(cors()).wrap(require().pass_preflight());
    let inside = test::init_service(App::new().service(inside)).await;
    assert_eq!(preflight(&inside).await, (200, String::new()));
    let outside = web::resource("/").route(secret()).wrap(require()).wrap(cors());
    let outside = test::init_service(App::new().service(outside)).await;
    assert_eq!(preflight(&outside).await, (200, String::new()));
}
