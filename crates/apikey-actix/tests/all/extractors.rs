use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, FromRequest as _, HttpMessage as _, HttpResponse, test, web};
use apikey_actix::{ApiKey, Authenticator, DenialCode, MaybeApiKey, Rejection, Scoped, scopes};

use crate::world::{ask, cached, denied, get, uncached, verifier};

scopes! { Admin = "admin"; Reader = "reader"; }

#[actix_web::test]
async fn the_users_own_state_stands_beside_the_authenticator() {
    async fn greet(greeting: web::Data<&'static str>, key: ApiKey) -> String {
        format!("{} {}", **greeting, key.key_id())
    }
    let app = App::new().app_data(cached(&verifier())).app_data(web::Data::new("hello"));
    let app = test::init_service(app.route("/", web::get().to(greet))).await;
    assert_eq!(ask(&app, "/", Some("reader")).await, (200, "hello id_reader".to_owned()));
}

#[actix_web::test]
async fn a_handler_may_word_the_refusal_itself() {
    async fn handler(key: Result<ApiKey, Rejection>) -> HttpResponse {
        match key {
            Ok(key) => HttpResponse::Ok().body(key.key_id().to_owned()),
            Err(rejection) => HttpResponse::ImATeapot().body(rejection.denial().code().as_str()),
        }
    }
    let app = App::new().app_data(cached(&verifier())).route("/", web::get().to(handler));
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/", None).await, (418, "MISSING_KEY".to_owned()));
    assert_eq!(ask(&app, "/", Some("down")).await, (418, "VERIFICATION_UNAVAILABLE".to_owned()));
    assert_eq!(ask(&app, "/", Some("reader")).await, (200, "id_reader".to_owned()));
}

#[actix_web::test]
async fn an_optional_key_lets_nothing_bad_through() {
    async fn handler(key: MaybeApiKey) -> String {
        key.into_key().map_or("anonymous".to_owned(), |key| key.key_id().to_owned())
    }
    let app = App::new().app_data(cached(&verifier())).route("/", web::get().to(handler));
    let app = test::init_service(app).await;
    for (key, expected) in [
        (None, (200, "anonymous".to_owned())),
        (Some("reader"), (200, "id_reader".to_owned())),
        (Some("reader"), (200, "id_reader".to_owned())), // a hit
        (Some("nobody"), denied(DenialCode::InvalidKey)),
        (Some("old"), denied(DenialCode::KeyRevoked)),
        (Some("down"), denied(DenialCode::VerificationUnavailable)),
        (Some("two words"), denied(DenialCode::InvalidFormat)),
    ] {
        assert_eq!(ask(&app, "/", key).await, expected, "{key:?}");
    }
}

#[actix_web::test]
async fn extractors_that_run_at_once_verify_once() {
    async fn handler(one: ApiKey, two: Scoped<Reader>, three: MaybeApiKey) -> String {
        assert_eq!(Some(&*one), three.key());
        two.key_id().to_owned()
    }
    let verifier = verifier();
    let app = App::new().app_data(uncached(&verifier)).route("/", web::get().to(handler));
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/", Some("reader")).await, (200, "id_reader".to_owned()));
    assert_eq!(verifier.calls(), 1);
}

#[actix_web::test]
async fn an_attempt_begins_before_its_future_is_polled() {
    let verifier = verifier();
    let request = get("/", Some("reader")).app_data(uncached(&verifier)).to_http_request();
    let (first, second) = (ApiKey::extract(&request), ApiKey::extract(&request));
    // Verifications have a thread of their own.
    let mut waited = 0;
    while verifier.calls() == 0 {
        waited += 1;
        assert!(waited < 10_000, "the attempt does not begin");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(first.await.unwrap(), second.await.unwrap());
    // Long after the flight has landed, with the cache off.
    assert_eq!(ApiKey::extract(&request).await.unwrap().key_id(), "id_reader");
    assert_eq!(verifier.calls(), 1);
}

#[actix_web::test]
async fn a_middleware_of_the_users_own_can_extract() {
    async fn tag(
        mut request: ServiceRequest,
        next: Next<actix_web::body::BoxBody>,
    ) -> actix_web::Result<Response> {
        let key = request.extract::<ApiKey>().await?;
        request.extensions_mut().insert(key);
        next.call(request).await
    }
    type Response = actix_web::dev::ServiceResponse;
    async fn handler(key: web::ReqData<ApiKey>) -> String {
        key.key_id().to_owned()
    }
    let verifier = verifier();
    let app = App::new().app_data(uncached(&verifier)).route("/", web::get().to(handler)).wrap(from_fn(tag));
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/", Some("reader")).await, (200, "id_reader".to_owned()));
    let error = test::try_call_service(&app, get("/", Some("old")).to_request()).await.err().unwrap();
    assert_eq!(error.as_response_error().status_code(), StatusCode::UNAUTHORIZED);
    assert_eq!(error.error_response().headers().get("cache-control").unwrap(), "no-store");
}

#[actix_web::test]
async fn an_error_of_an_extractor_shows_no_key() {
    let authenticator: Authenticator = cached(&verifier());
    let request = get("/", Some("k_secret_but_unknown")).app_data(authenticator).to_http_request();
    let error = ApiKey::extract(&request).await.unwrap_err();
    let shown = format!("{error:?} {error}");
    // It is looked at, so that it raises no alarm, whatever the assertions below say.
    let rejection = Rejection::from(error);
    assert!(shown.contains("Rejection(401 INVALID_KEY)") && shown.ends_with("Invalid API key"), "{shown}");
    assert!(!shown.contains("k_secret"), "{shown}");
    assert_eq!(rejection.denial().code(), DenialCode::InvalidKey);
}
