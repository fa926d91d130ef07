//! A route asks for scopes: by a type in the handler's signature, or by a middleware around a group of routes.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example actix-scopes
//!
//! $ curl -i http://127.0.0.1:3000/users -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! users
//!
//! $ curl -i -X POST http://127.0.0.1:3000/users -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 403 Forbidden
//! www-authenticate: Bearer realm="api", error="insufficient_scope", scope="read:users write:users"
//!
//! {"error":"Insufficient scope. Required: write:users","code":"INSUFFICIENT_SCOPE","required_scopes":["read:users","write:users"],"available_scopes":["read:users"]}
//!
//! $ curl -i -X POST http://127.0.0.1:3000/users -H 'Authorization: Bearer k_live_writer'
//! HTTP/1.1 200 OK
//!
//! created
//!
//! $ curl -i http://127.0.0.1:3000/admin/report -H 'Authorization: Bearer k_live_admin'
//! HTTP/1.1 200 OK
//!
//! for administrators
//! ```

use actix_web::{App, HttpServer, web};
use apikey_actix::{Authenticator, Policy, Scoped, scopes};

scopes! { ReadUsers = "read:users"; WriteUsers = "write:users"; } // checked at compile time

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let app = move || {
        let admin = web::scope("/admin")
            .wrap(keys.require(Policy::all(["admin"])))
            .route("/report", web::get().to(|| async { "for administrators" }));
        let users = web::resource("/users").route(web::get().to(list)).route(web::post().to(create));
        App::new().app_data(keys.clone()).service(users).service(admin)
    };

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

async fn list(_: Scoped<ReadUsers>) -> &'static str {
    "users"
}

async fn create(_: Scoped<(ReadUsers, WriteUsers)>) -> &'static str {
    "created"
}
