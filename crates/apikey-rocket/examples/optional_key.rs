//! A route for everybody that knows callers with a key. A key that is presented must be good.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example rocket-optional-key
//!
//! $ curl -i http://127.0.0.1:8000/
//! HTTP/1.1 200 OK
//!
//! Hello, whoever you are
//!
//! $ curl -i http://127.0.0.1:8000/ -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! Hello, api_key_reader
//!
//! $ curl -i http://127.0.0.1:8000/ -H 'Authorization: Bearer k_live_revoked'
//! HTTP/1.1 401 Unauthorized
//!
//! {"error":"API key is not active","code":"KEY_REVOKED"}
//! ```

use apikey_rocket::{ApiKeys, Authenticator, MaybeApiKey};
use rocket::{get, routes};

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![greet]).launch().await?;
    Ok(())
}

/// Not `Option<ApiKey>`: Rocket would make a bad key an absent one.
#[get("/")]
fn greet(key: MaybeApiKey) -> String {
    match key.key() {
        Some(key) => format!("Hello, {}", key.key_id()),
        None => "Hello, whoever you are".to_owned(),
    }
}
