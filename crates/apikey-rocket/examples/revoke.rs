//! A key that is revoked at Kinde stays good here until its cached answer expires, for five minutes at most. If you tell
//! the server, it ends at once. (Send `"active"` instead of `"revoked"` to start again.)
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example rocket-revoke
//!
//! $ curl -i http://127.0.0.1:8000/me -H 'Authorization: Bearer k_live_user'
//! HTTP/1.1 200 OK
//!
//! api_key_user
//!
//! $ curl -i -X PUT http://127.0.0.1:4010/_emulator/keys/api_key_user/status -d '{"status":"revoked"}'
//! HTTP/1.1 204 No Content
//!
//! $ curl -i http://127.0.0.1:8000/me -H 'Authorization: Bearer k_live_user'
//! HTTP/1.1 200 OK
//!
//! api_key_user
//!
//! $ curl -i -X DELETE http://127.0.0.1:8000/keys/api_key_user -H 'Authorization: Bearer k_live_admin'
//! HTTP/1.1 204 No Content
//!
//! $ curl -i http://127.0.0.1:8000/me -H 'Authorization: Bearer k_live_user'
//! HTTP/1.1 401 Unauthorized
//!
//! {"error":"API key is not active","code":"KEY_REVOKED"}
//! ```

use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Scoped, scopes};
use rocket::http::Status;
use rocket::{State, delete, get, routes};

scopes! { Admin = "admin"; }

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let keys = Authenticator::kinde_from_env()?;
    rocket::build()
        .manage(keys.clone()) // for `forget`
        .attach(ApiKeys::fairing(keys))
        .mount("/", routes![me, forget])
        .launch()
        .await?;
    Ok(())
}

#[get("/me")]
fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

/// Your back office calls this after it has revoked the key at Kinde. It must tell each instance of the server.
#[delete("/keys/<id>")]
fn forget(_key: Scoped<Admin>, keys: &State<Authenticator>, id: &str) -> Status {
    keys.remove_key_id(id); // the next request with this key asks Kinde
    Status::NoContent
}
