//! Refusals in words of your own. Status and headers stay, because clients need them.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example actix-own-error-body
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

use actix_web::{App, HttpServer, web};
use apikey_actix::{ApiKey, Audience, Authenticator, Denial, DenialBody, KindeVerifier};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::builder(KindeVerifier::from_env()?).denial_renderer(refusal).build()?;
    let app = move || App::new().app_data(keys.clone()).route("/me", web::get().to(me));

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

async fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

/// Words the answer to every refused request.
fn refusal(denial: &Denial, _: &Audience) -> DenialBody {
    DenialBody::new("text/plain; charset=utf-8", format!("No entry: {denial}. Ask us for a key."))
}
