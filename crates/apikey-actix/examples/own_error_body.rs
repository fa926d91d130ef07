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

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, ResponseError, web};
use apikey_actix::{ApiKey, Authenticator, Rejection};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let app = move || App::new().app_data(keys.clone()).route("/me", web::get().to(me));

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

async fn me(key: Result<ApiKey, Rejection>) -> Result<String, Refused> {
    let key = key.map_err(Refused)?;
    Ok(key.key_id().to_owned())
}

/// The answer to every refused request.
#[derive(Debug)]
struct Refused(Rejection);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "No entry: {}. Ask us for a key.", self.0)
    }
}

impl ResponseError for Refused {
    fn error_response(&self) -> HttpResponse {
        let mut response = self.0.error_response().set_body(BoxBody::new(self.to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}
