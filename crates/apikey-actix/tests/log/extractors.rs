use actix_web::{App, test, web};
use apikey_actix::{ApiKey, DenialCode, Scoped, scopes};

use crate::log::Log;
use crate::world::{ask, cached, denied, verifier};

scopes! { Admin = "admin"; }

/// The hazard that the documentation warns of. If this fails, actix has changed, and the warning may go.
#[actix_web::test]
async fn an_option_swallows_refusals_and_the_log_says_so_once() {
    async fn handler(key: Option<ApiKey>, admin: Option<Scoped<Admin>>) -> String {
        format!("{} {}", key.is_some(), admin.is_some())
    }
    let log = Log::listen().await;
    let app = App::new().app_data(cached(&verifier())).route("/", web::get().to(handler));
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/", None).await.1, "false false");
    assert_eq!(ask(&app, "/", Some("reader")).await.1, "true false");
    assert_eq!(log.take(), "", "nothing presented, and a key that lacks a scope, are no alarm");
    assert_eq!(ask(&app, "/", Some("old")).await.1, "false false");
    let logged = log.take();
    assert!(logged.contains("take MaybeApiKey instead"), "{logged}");
    assert_eq!(logged.matches("ERROR").count(), 1, "{logged}");
    assert_eq!(ask(&app, "/", Some("two words")).await.1, "false false");
    assert!(!log.take().contains("MaybeApiKey"));
}

async fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[actix_web::test]
async fn a_handler_without_an_authenticator_answers_500_and_logs_why() {
    let log = Log::listen().await;
    let app = test::init_service(App::new().route("/", web::get().to(me))).await;
    for key in [None, Some("reader"), Some("two words")] {
        assert_eq!(ask(&app, "/", key).await, denied(DenialCode::InternalError));
        assert!(log.take().contains("add .app_data(keys.clone()) to the App"));
    }
    let (one, other) = (cached(&verifier()), web::Data::new(cached(&verifier())));
    let app = App::new().app_data(one).app_data(other).route("/", web::get().to(me));
    let app = test::init_service(app).await;
    assert_eq!(ask(&app, "/", Some("reader")).await, denied(DenialCode::InternalError));
    assert!(log.take().contains("register both in the same way"));
}
