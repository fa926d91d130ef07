//! The smallest protected API: a request with a good key gets in, and every other request is refused.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example warp-hello
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

use std::net::SocketAddr;

use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init(); // without a subscriber nobody sees the log
    let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
    let hello = warp::path::end().and(warp::get()).and(api_key(&keys, Policy::any_key())).map(hello);
    let routes = answer_refusals(&keys, hello); // around all routes

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    warp::serve(routes).run(address.parse::<SocketAddr>()?).await;
    Ok(())
}

fn hello(key: ApiKey) -> String {
    format!("Hello, {}", key.key_id())
}
