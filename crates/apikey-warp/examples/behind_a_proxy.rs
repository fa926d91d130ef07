//! All requests come from one proxy, and the limit on refused keys still counts each client by itself. Here curl plays the
//! proxy, and one refused key is the limit.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example warp-behind-a-proxy
//!
//! $ curl -i http://127.0.0.1:3000/ -H 'X-Forwarded-For: 203.0.113.7' -H 'Authorization: Bearer k_live_guess_1'
//! HTTP/1.1 401 Unauthorized
//!
//! {"error":"Invalid API key","code":"INVALID_KEY"}
//!
//! $ curl -i http://127.0.0.1:3000/ -H 'X-Forwarded-For: 203.0.113.7' -H 'Authorization: Bearer k_live_guess_2'
//! HTTP/1.1 429 Too Many Requests
//!
//! {"error":"Too many verification attempts","code":"RATE_LIMITED"}
//!
//! $ curl -i http://127.0.0.1:3000/ -H 'X-Forwarded-For: 203.0.113.8' -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! Hello, api_key_reader
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use apikey_warp::{
    ApiKey, AttemptLimit, Authenticator, KindeVerifier, Policy, TrustedProxies, answer_refusals, api_key,
};
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys: Authenticator = Authenticator::builder(KindeVerifier::from_env()?)
        .trusted_proxies(TrustedProxies::new(["127.0.0.1"])?) // the proxies alone: what they say is believed
        .attempt_limit(AttemptLimit::new(1, Duration::from_secs(60))) // the default is 100 in 15 minutes
        .build()?;
    let hello = warp::path::end().and(warp::get()).and(api_key(&keys, Policy::any_key())).map(hello);
    let routes = answer_refusals(&keys, hello);

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    warp::serve(routes).run(address.parse::<SocketAddr>()?).await;
    Ok(())
}

fn hello(key: ApiKey) -> String {
    format!("Hello, {}", key.key_id())
}
