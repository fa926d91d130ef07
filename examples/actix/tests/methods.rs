//! What a request gets whose method its path does not take.

use actix_web::http::header::ALLOW;
use actix_web::{App, test};
use apikey_actix::Authenticator;
use apikey_testkit::FakeVerifier;
use example_shared::Store;

#[actix_web::test]
async fn a_refused_method_is_told_which_methods_the_path_takes() {
    let keys = Authenticator::builder(FakeVerifier::new()).build().unwrap();
    let api = example_actix::app(keys, Store::new(), None).unwrap();
    let app = test::init_service(App::new().configure(api)).await;
    for (path, methods) in [
        ("/health", "GET, HEAD"),
        ("/api/data", "GET, HEAD, POST"),
        ("/ai/chat", "POST"),
        ("/docs", "GET, HEAD"),
    ] {
        let request = test::TestRequest::delete().uri(path).to_request();
        let response = test::call_service(&app, request).await;
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers().get(ALLOW).unwrap(), methods, "{path}");
    }
}
