//! `Policy::kinde_operation` asks for the scope of the route that answers, or for none.

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, guard, web};
use apikey_actix::{Authenticator, KindeOperation, Policy, Scoped, Verification};
use apikey_testkit::FakeVerifier;

fn keys() -> Authenticator {
    let key = Verification::active("key").with_scopes(["get:users_me", "get:api_kind", "get:api_users"]);
    Authenticator::builder(FakeVerifier::new().with_key("key", key)).build().unwrap()
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header(("Authorization", "Bearer key"))
}

async fn handler(_: Scoped<KindeOperation>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn one_of_several_patterns_opens_no_other() {
    let resource = web::resource(["/users/me", "/admin/{id}"]).route(web::get().to(handler));
    let app = init_service(App::new().app_data(keys()).service(resource)).await;
    assert_eq!(call_service(&app, get("/users/me").to_request()).await.status(), StatusCode::OK);
    let other = call_service(&app, get("/admin/5").to_request()).await;
    assert_eq!(other.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[actix_web::test]
async fn a_middleware_that_can_not_know_the_route_lets_nobody_in() {
    let keys = keys();
    let versioned = web::scope("/api").guard(guard::Header("x-v", "2"));
    let plain = || web::get().to(|| async { HttpResponse::Ok().finish() });
    let app = App::new()
        .service(versioned.service(web::resource("/{kind}").route(plain())))
        .service(
            web::scope("/api")
                .wrap(keys.require(Policy::kinde_operation()))
                .service(web::resource("/users").route(plain())),
        )
        .service(web::resource("/api2/users").route(plain()).wrap(keys.require(Policy::kinde_operation())));
    let app = init_service(app).await;
    let answer = call_service(&app, get("/api/users").to_request()).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    // Around a resource, it knows the route.
    let answer = call_service(&app, get("/api2/users").to_request()).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}
