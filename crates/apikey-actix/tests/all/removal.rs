//! Taking credentials out of requests, which in actix only a middleware can.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpRequest, Result, test, web};
use apikey_actix::{Authenticator, CredentialSource, DenialCode, MaybeApiKey, Policy, VerifiedKey};
use apikey_testkit::FakeVerifier;

use crate::world::{ask, builder, denied, verifier};

fn removing(verifier: &FakeVerifier) -> Authenticator {
    let sources = [CredentialSource::bearer(), CredentialSource::insecure_query_parameter("api_key")];
    builder(verifier).credential_sources(sources).remove_credential(true).build().unwrap()
}

/// Tells what a handler sees of a credential, and the key.
async fn seen(key: MaybeApiKey, path: web::Path<String>, request: HttpRequest) -> String {
    let router = request.match_info().get_ref().uri();
    assert_eq!(request.uri(), router);
    let header = request.headers().contains_key("authorization");
    format!("{path} {header} {:?} {:?}", request.query_string(), key.key().map(|key| key.key_id().to_owned()))
}

#[actix_web::test]
async fn extractors_know_the_key_that_a_middleware_removed() {
    let verifier = verifier();
    let keys = removing(&verifier);
    let app = App::new()
        .app_data(keys.clone())
        .service(web::resource("/layered/{path}").wrap(keys.require(Policy::any_key())).to(seen))
        .route("/open", web::get().to(async |request: HttpRequest| request.headers().len().to_string()))
        .route("/{path}", web::get().to(seen))
        .wrap(keys.remove_credentials());
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/open", Some("reader")).await.1, "0");
    assert_eq!(verifier.calls(), 0, "nobody is asked where nothing is protected");
    for path in ["", "/layered"] {
        for _ in 0..2 {
            let (_, body) = ask(&app, &format!("{path}/a%20b?page=2"), Some("reader")).await;
            assert_eq!(body, r#"a b false "page=2" Some("id_reader")"#);
        }
        let (_, body) = ask(&app, &format!("{path}/a?x=1&api_key=reader&page=2"), None).await;
        assert_eq!(body, r#"a false "x=1&page=2" Some("id_reader")"#);
        assert_eq!(ask(&app, &format!("{path}/a"), Some("old")).await, denied(DenialCode::KeyRevoked));
        assert_eq!(
            ask(&app, &format!("{path}/a"), Some("two words")).await,
            denied(DenialCode::InvalidFormat)
        );
    }
    assert_eq!(ask(&app, "/a?api_key=", None).await.1, r#"a false "" None"#);
    assert_eq!(ask(&app, "/layered/a", None).await.0, 401);
    assert_eq!(verifier.calls(), 3);
}

#[actix_web::test]
async fn require_removes_as_well() {
    let keys = removing(&verifier());
    let app = App::new()
        .app_data(keys.clone())
        .service(web::resource("/{path}").wrap(keys.require(Policy::any_key())).to(seen));
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/a?api_key=reader", None).await.1, r#"a false "" Some("id_reader")"#);
    assert_eq!(ask(&app, "/a", Some("reader")).await.1, r#"a false "" Some("id_reader")"#);
}

#[actix_web::test]
async fn without_the_setting_the_middleware_changes_nothing() {
    let keys = builder(&verifier()).build().unwrap();
    let app = App::new().app_data(keys.clone()).route("/{path}", web::get().to(seen));
    let app = test::init_service(app.wrap(keys.remove_credentials())).await;
    assert_eq!(ask(&app, "/a?api_key=x", Some("reader")).await.1, r#"a true "api_key=x" Some("id_reader")"#);
}

#[actix_web::test]
async fn require_attaches_a_key_that_was_removed_before() {
    let keys = removing(&verifier());
    let tell = async |key: web::ReqData<VerifiedKey>| key.key_id().to_owned();
    let app = App::new()
        .service(web::resource("/").wrap(keys.require(Policy::any_key())).to(tell))
        .wrap(keys.remove_credentials());
    let app = test::init_service(app).await;
    for _ in ["pending", "hit"] {
        assert_eq!(ask(&app, "/", Some("reader")).await, (200, "id_reader".to_owned()));
    }
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
async fn a_clone_held_after_the_removal_does_no_harm() {
    let keys = removing(&verifier());
    let resource = web::resource("/{path}").wrap(keys.require(Policy::any_key())).wrap(from_fn(hold));
    let app = App::new().app_data(keys.clone()).service(resource.to(seen)).wrap(keys.remove_credentials());
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/a", Some("reader")).await.1, r#"a false "" Some("id_reader")"#);
}
