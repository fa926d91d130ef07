//! Refusals in words of your own. Status and headers stay, because clients need them.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example rocket-own-error-body
//!
//! $ curl -i http://127.0.0.1:8000/me
//! HTTP/1.1 401 Unauthorized
//! content-type: text/plain; charset=utf-8
//! www-authenticate: Bearer realm="api"
//!
//! No entry: No authorization header. Ask us for a key.
//!
//! $ curl -i http://127.0.0.1:8000/me -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! api_key_reader
//! ```

use apikey_rocket::{ApiKey, ApiKeys, Audience, Authenticator, Denial, DenialBody, KindeVerifier};
use rocket::{get, routes};

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::builder(KindeVerifier::from_env()?).denial_renderer(refusal).build()?;
    rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me]).launch().await?;
    Ok(())
}

#[get("/me")]
fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

/// Words the answer to every refused request.
fn refusal(denial: &Denial, _: &Audience) -> DenialBody {
    DenialBody::new("text/plain; charset=utf-8", format!("No entry: {denial}. Ask us for a key."))
}
