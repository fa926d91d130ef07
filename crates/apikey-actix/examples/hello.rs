//! The smallest protected API: a request with a good key gets in, and every other request is refused.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example actix-hello
//!
//! $ curl -i http://127.0.0.1:3000/ -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! Hello, api_key_reader
//!
//! $ curl -i http://127.0.0.1:3000/
//! HTTP/1.1 401 Unauthorized
//! www-authenticate: Bearer realm="api"
//!
//! {"error":"No authorization header","code":"MISSING_KEY"}
//!
//! $ curl -i http://127.0.0.1:3000/ -H 'Authorization: Bearer k_live_of_nobody'
//! HTTP/1.1 401 Unauthorized
//! www-authenticate: Bearer realm="api", error="invalid_token"
//!
//! {"error":"Invalid API key","code":"INVALID_KEY"}
//! ```

use actix_web::{App, HttpServer, web};
use apikey_actix::{ApiKey, Authenticator};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init(); // without a subscriber nobody sees the log
    // Built outside of the closure, so that all workers share one.
    let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
    let app = move || App::new().app_data(keys.clone()).route("/", web::get().to(hello));

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

async fn hello(key: ApiKey) -> String {
    format!("Hello, {}", key.key_id())
}
