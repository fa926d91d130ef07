//! A key that is revoked at Kinde stays good here until its cached answer expires, for five minutes at most. If you tell
//! the server, it ends at once. (Send `"active"` instead of `"revoked"` to start again.)
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example warp-revoke
//!
//! $ curl -i http://127.0.0.1:3000/me -H 'Authorization: Bearer k_live_user'
//! HTTP/1.1 200 OK
//!
//! api_key_user
//!
//! $ curl -i -X PUT http://127.0.0.1:4010/_emulator/keys/api_key_user/status -d '{"status":"revoked"}'
//! HTTP/1.1 204 No Content
//!
//! $ curl -i http://127.0.0.1:3000/me -H 'Authorization: Bearer k_live_user'
//! HTTP/1.1 200 OK
//!
//! api_key_user
//!
//! $ curl -i -X DELETE http://127.0.0.1:3000/keys/api_key_user -H 'Authorization: Bearer k_live_admin'
//! HTTP/1.1 204 No Content
//!
//! $ curl -i http://127.0.0.1:3000/me -H 'Authorization: Bearer k_live_user'
//! HTTP/1.1 401 Unauthorized
//!
//! {"error":"API key is not active","code":"KEY_REVOKED"}
//! ```

use std::net::SocketAddr;

use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key, require};
use warp::Filter;
use warp::http::StatusCode;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key()));
    let me = me.map(|key: ApiKey| key.key_id().to_owned());
    let forget = warp::path!("keys" / String).and(warp::delete());
    let cache = keys.clone();
    let forget = forget.and(require(&keys, Policy::all(["admin"]))).map(move |id| forget_key(&cache, id));
    let routes = answer_refusals(&keys, me.or(forget));

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    warp::serve(routes).run(address.parse::<SocketAddr>()?).await;
    Ok(())
}

/// Your back office calls this after it has revoked the key at Kinde. It must tell each instance of the server.
fn forget_key(keys: &Authenticator, id: String) -> StatusCode {
    keys.remove_key_id(&id); // the next request with this key asks Kinde
    StatusCode::NO_CONTENT
}
