//! The smallest protected API: a request with a good key gets in, and every other request is refused.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example rocket-hello
//!
//! $ curl -i http://127.0.0.1:8000/ -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! Hello, api_key_reader
//!
//! $ curl -i http://127.0.0.1:8000/
//! HTTP/1.1 401 Unauthorized
//! www-authenticate: Bearer realm="api"
//!
//! {"error":"No authorization header","code":"MISSING_KEY"}
//!
//! $ curl -i http://127.0.0.1:8000/ -H 'Authorization: Bearer k_live_of_nobody'
//! HTTP/1.1 401 Unauthorized
//! www-authenticate: Bearer realm="api", error="invalid_token"
//!
//! {"error":"Invalid API key","code":"INVALID_KEY"}
//! ```

use apikey_rocket::{ApiKey, ApiKeys, Authenticator};
use rocket::{get, routes};

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init(); // without a subscriber nobody sees this crate's log
    let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
    rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![hello]).launch().await?;
    Ok(())
}

#[get("/")]
fn hello(key: ApiKey) -> String {
    format!("Hello, {}", key.key_id())
}
