//! A route for everybody that knows callers with a key. A key that is presented must be good.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example warp-optional-key
//!
//! $ curl -i http://127.0.0.1:3000/
//! HTTP/1.1 200 OK
//!
//! Hello, whoever you are
//!
//! $ curl -i http://127.0.0.1:3000/ -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! Hello, api_key_reader
//!
//! $ curl -i http://127.0.0.1:3000/ -H 'Authorization: Bearer k_live_revoked'
//! HTTP/1.1 401 Unauthorized
//!
//! {"error":"API key is not active","code":"KEY_REVOKED"}
//! ```

use std::net::SocketAddr;

use apikey_warp::{Authenticator, MaybeApiKey, answer_refusals, optional_api_key};
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let greet = warp::path::end().and(warp::get()).and(optional_api_key(&keys)).map(greet);
    let routes = answer_refusals(&keys, greet);

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    warp::serve(routes).run(address.parse::<SocketAddr>()?).await;
    Ok(())
}

fn greet(key: MaybeApiKey) -> String {
    match key.key() {
        Some(key) => format!("Hello, {}", key.key_id()),
        None => "Hello, whoever you are".to_owned(),
    }
}
