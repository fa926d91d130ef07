//! Tests of a handler and of a route, without a network: `cargo test --example actix-test-a-handler`.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example actix-test-a-handler
//!
//! $ curl -i http://127.0.0.1:3000/me -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! api_key_reader
//! ```

use actix_web::{App, HttpServer, web};
use apikey_actix::{ApiKey, Authenticator};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let app = move || App::new().app_data(keys.clone()).configure(routes);

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

fn routes(config: &mut web::ServiceConfig) {
    config.route("/me", web::get().to(me));
}

async fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test;
    use apikey_actix::{Verification, VerifiedKey};
    use apikey_testkit::FakeVerifier;

    #[actix_web::test]
    async fn the_handler_names_the_key() {
        let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
        assert_eq!(me(key.into()).await, "api_key_1");
    }

    #[actix_web::test]
    async fn the_route_refuses_unknown_keys() {
        let fake = FakeVerifier::new().with_key("k_good", Verification::active("api_key_1"));
        let keys = Authenticator::builder(fake).build().unwrap();
        let app = test::init_service(App::new().app_data(keys).configure(routes)).await;
        for (key, status) in [("k_good", 200), ("k_bad", 401)] {
            let request = test::TestRequest::get().uri("/me");
            let request = request.insert_header(("authorization", format!("Bearer {key}"))).to_request();
            assert_eq!(test::call_service(&app, request).await.status(), status, "{key}");
        }
    }
}
