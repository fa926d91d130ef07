//! A route for the keys of any organization, which sees its own data only, and a route for one organization.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example actix-organization
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

use actix_web::{App, HttpServer, web};
use apikey_actix::{Authenticator, OrganizationKey, Policy, Scoped};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    let app = move || {
        let acme =
            web::get().to(|| async { "for Acme" }).wrap(keys.require(Policy::organization("org_acme")));
        App::new().app_data(keys.clone()).route("/tickets", web::get().to(tickets)).route("/acme", acme)
    };

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

async fn tickets(key: Scoped<OrganizationKey>) -> String {
    format!("tickets of {}", key.organization_code().unwrap_or_default())
}
