//! Tests of a handler and of a route, without a network: `cargo test --example axum-test-a-handler`.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example axum-test-a-handler
//!
//! $ curl -i http://127.0.0.1:3000/me -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! api_key_reader
//! ```

use std::net::SocketAddr;

use apikey_axum::{ApiKey, Authenticator};
use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let app = app(Authenticator::kinde_from_env()?);

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

fn app(keys: Authenticator) -> Router {
    Router::new().route("/me", get(me)).with_state(keys)
}

async fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apikey_axum::{Verification, VerifiedKey};
    use apikey_testkit::FakeVerifier;
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn the_handler_names_the_key() {
        let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
        assert_eq!(me(key.into()).await, "api_key_1");
    }

    #[tokio::test]
    async fn the_route_refuses_unknown_keys() {
        let fake = FakeVerifier::new().with_key("k_good", Verification::active("api_key_1"));
        let app = app(Authenticator::builder(fake).build().unwrap());
        for (key, status) in [("k_good", 200), ("k_bad", 401)] {
            let request = Request::get("/me").header("authorization", format!("Bearer {key}"));
            let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), status, "{key}");
        }
    }
}
