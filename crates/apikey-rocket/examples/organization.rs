//! A route for the keys of any organization, which sees its own data only, and a route for one organization.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example rocket-organization
//!
//! $ curl -i http://127.0.0.1:8000/tickets -H 'Authorization: Bearer k_live_organization'
//! HTTP/1.1 200 OK
//!
//! tickets of org_acme
//!
//! $ curl -i http://127.0.0.1:8000/tickets -H 'Authorization: Bearer k_live_other-organization'
//! HTTP/1.1 200 OK
//!
//! tickets of org_globex
//!
//! $ curl -i http://127.0.0.1:8000/tickets -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 403 Forbidden
//!
//! {"error":"An organization API key is required","code":"ORGANIZATION_KEY_REQUIRED"}
//!
//! $ curl -i http://127.0.0.1:8000/acme -H 'Authorization: Bearer k_live_other-organization'
//! HTTP/1.1 403 Forbidden
//!
//! {"error":"API key belongs to another organization","code":"ORGANIZATION_MISMATCH"}
//! ```

use apikey_rocket::{ApiKeys, Authenticator, OrganizationKey, Policy, Scoped};
use rocket::{get, routes};

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    rocket::build()
        .attach(ApiKeys::fairing(keys))
        .mount("/", routes![tickets])
        .mount("/", ApiKeys::require(Policy::organization("org_acme"), routes![acme]))
        .launch()
        .await?;
    Ok(())
}

#[get("/tickets")]
fn tickets(key: Scoped<OrganizationKey>) -> String {
    format!("tickets of {}", key.organization_code().unwrap_or_default())
}

#[get("/acme")]
fn acme() -> &'static str {
    "for Acme"
}
