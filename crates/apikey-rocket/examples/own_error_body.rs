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

use std::io::Cursor;

use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Rejection};
use rocket::http::ContentType;
use rocket::response::{self, Responder};
use rocket::{Request, Response, get, routes};

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me]).launch().await?;
    Ok(())
}

/// To answer for all routes, register a catcher for the status. `apikey_rocket::denial` tells it the reason.
#[get("/me")]
fn me(key: Result<ApiKey, Rejection>) -> Result<String, Refused> {
    let key = key.map_err(Refused)?;
    Ok(key.key_id().to_owned())
}

/// The answer to every refused request.
struct Refused(Rejection);

impl<'r> Responder<'r, 'static> for Refused {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let text = format!("No entry: {}. Ask us for a key.", self.0);
        let mut response = Response::build_from(self.0.respond_to(request)?);
        response.header(ContentType::Plain).sized_body(text.len(), Cursor::new(text)).ok()
    }
}
