//! Refusals in words of your own. Status and headers stay, because clients need them.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example warp-own-error-body
//!
//! $ curl -i http://127.0.0.1:3000/me
//! HTTP/1.1 401 Unauthorized
//! content-type: text/plain; charset=utf-8
//! www-authenticate: Bearer realm="api"
//!
//! No entry: No authorization header. Ask us for a key.
//!
//! $ curl -i http://127.0.0.1:3000/me -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! api_key_reader
//! ```

use std::net::SocketAddr;

use apikey_warp::{
    ApiKey, Audience, Authenticator, Denial, DenialBody, KindeVerifier, Policy, answer_refusals, api_key,
};
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::builder(KindeVerifier::from_env()?).denial_renderer(refusal).build()?;
    let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key())).map(me);
    let routes = answer_refusals(&keys, me);

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    warp::serve(routes).run(address.parse::<SocketAddr>()?).await;
    Ok(())
}

fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

/// Words the answer to every refused request. Other rejections, such as a 404, stay warp's own.
fn refusal(denial: &Denial, _: &Audience) -> DenialBody {
    DenialBody::new("text/plain; charset=utf-8", format!("No entry: {denial}. Ask us for a key."))
}
