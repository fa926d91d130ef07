//! A key that is revoked at Kinde stays good here until its cached answer expires, for five minutes at most. If you tell
//! the server, it ends at once. (Send `"active"` instead of `"revoked"` to start again.)
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example actix-revoke
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

use actix_web::{App, HttpResponse, HttpServer, web};
use apikey_actix::{ApiKey, Authenticator, Scoped, scopes};

scopes! { Admin = "admin"; }

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let app = move || {
        let me = |key: ApiKey| async move { key.key_id().to_owned() };
        App::new()
            .app_data(keys.clone())
            .route("/me", web::get().to(me))
            .route("/keys/{id}", web::delete().to(forget))
    };

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

/// Your back office calls this after it has revoked the key at Kinde. It must tell each instance of the server.
async fn forget(_: Scoped<Admin>, keys: Authenticator, id: web::Path<String>) -> HttpResponse {
    keys.remove_key_id(&id); // the next request with this key asks Kinde
    HttpResponse::NoContent().finish()
}
