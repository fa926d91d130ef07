//! A route asks for scopes: by a type in the handler's signature, or by a filter in front of a group of routes.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example warp-scopes
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

use apikey_warp::{Authenticator, Policy, Scoped, answer_refusals, require, scoped, scopes};
use warp::Filter;

scopes! { ReadUsers = "read:users"; WriteUsers = "write:users"; } // checked at compile time

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    // `scoped` takes the scopes from the handler's type.
    let list = warp::path!("users").and(warp::get()).and(scoped(&keys)).map(list);
    let create = warp::path!("users").and(warp::post()).and(scoped(&keys)).map(create);
    let report = warp::path!("report").and(warp::get()).map(|| "for administrators");
    let admin = warp::path("admin").and(require(&keys, Policy::all(["admin"]))).and(report);
    let routes = answer_refusals(&keys, list.or(create).or(admin));

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    warp::serve(routes).run(address.parse::<SocketAddr>()?).await;
    Ok(())
}

fn list(_: Scoped<ReadUsers>) -> &'static str {
    "users"
}

fn create(_: Scoped<(ReadUsers, WriteUsers)>) -> &'static str {
    "created"
}
