//! A route for the keys of any organization, which sees its own data only, and a route for one organization.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example warp-organization
//!
//! $ curl -i http://127.0.0.1:3000/tickets -H 'Authorization: Bearer k_live_organization'
//! HTTP/1.1 200 OK
//!
//! tickets of org_acme
//!
//! $ curl -i http://127.0.0.1:3000/tickets -H 'Authorization: Bearer k_live_other-organization'
//! HTTP/1.1 200 OK
//!
//! tickets of org_globex
//!
//! $ curl -i http://127.0.0.1:3000/tickets -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 403 Forbidden
//!
//! {"error":"An organization API key is required","code":"ORGANIZATION_KEY_REQUIRED"}
//!
//! $ curl -i http://127.0.0.1:3000/acme -H 'Authorization: Bearer k_live_other-organization'
//! HTTP/1.1 403 Forbidden
//!
//! {"error":"API key belongs to another organization","code":"ORGANIZATION_MISMATCH"}
//! ```

use std::net::SocketAddr;

use apikey_warp::{Authenticator, OrganizationKey, Policy, Scoped, answer_refusals, require, scoped};
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let tickets = warp::path!("tickets").and(warp::get()).and(scoped(&keys)).map(tickets);
    let acme = warp::path!("acme").and(warp::get()).and(require(&keys, Policy::organization("org_acme")));
    let routes = answer_refusals(&keys, tickets.or(acme.map(|| "for Acme")));

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    warp::serve(routes).run(address.parse::<SocketAddr>()?).await;
    Ok(())
}

fn tickets(key: Scoped<OrganizationKey>) -> String {
    format!("tickets of {}", key.organization_code().unwrap_or_default())
}
