//! A route asks for scopes: by a type in the handler's signature, or by a layer in front of a group of routes.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example axum-scopes
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

use std::net::SocketAddr;

use apikey_axum::{Authenticator, Policy, Scoped, scopes};
use axum::{Router, routing::get};

scopes! { ReadUsers = "read:users"; WriteUsers = "write:users"; } // checked at compile time

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let admin = Router::new()
        .route("/report", get(|| async { "for administrators" }))
        .route_layer(keys.require(Policy::all(["admin"])));
    let app = Router::new().route("/users", get(list).post(create)).nest("/admin", admin).with_state(keys);

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

async fn list(_: Scoped<ReadUsers>) -> &'static str {
    "users"
}

async fn create(_: Scoped<(ReadUsers, WriteUsers)>) -> &'static str {
    "created"
}
