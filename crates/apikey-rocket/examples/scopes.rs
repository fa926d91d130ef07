//! A route asks for scopes: by a type in the handler's signature, or by a policy for a group of routes.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example rocket-scopes
//!
//! $ curl -i http://127.0.0.1:8000/users -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! users
//!
//! $ curl -i -X POST http://127.0.0.1:8000/users -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 403 Forbidden
//! www-authenticate: Bearer realm="api", error="insufficient_scope", scope="read:users write:users"
//!
//! {"error":"Insufficient scope. Required: write:users","code":"INSUFFICIENT_SCOPE","required_scopes":["read:users","write:users"],"available_scopes":["read:users"]}
//!
//! $ curl -i -X POST http://127.0.0.1:8000/users -H 'Authorization: Bearer k_live_writer'
//! HTTP/1.1 200 OK
//!
//! created
//!
//! $ curl -i http://127.0.0.1:8000/admin/report -H 'Authorization: Bearer k_live_admin'
//! HTTP/1.1 200 OK
//!
//! for administrators
//! ```

use apikey_rocket::{ApiKeys, Authenticator, Policy, Scoped, scopes};
use rocket::{get, post, routes};

scopes! { ReadUsers = "read:users"; WriteUsers = "write:users"; } // checked at compile time

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    rocket::build()
        .attach(ApiKeys::fairing(keys))
        .mount("/", routes![list, create])
        .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![report]))
        .launch()
        .await?;
    Ok(())
}

#[get("/users")]
fn list(_key: Scoped<ReadUsers>) -> &'static str {
    "users"
}

#[post("/users")]
fn create(_key: Scoped<(ReadUsers, WriteUsers)>) -> &'static str {
    "created"
}

#[get("/report")]
fn report() -> &'static str {
    "for administrators"
}
