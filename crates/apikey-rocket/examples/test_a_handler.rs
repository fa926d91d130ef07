//! Tests of a handler and of a route, without a network: `cargo test --example rocket-test-a-handler`.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example rocket-test-a-handler
//!
//! $ curl -i http://127.0.0.1:8000/me -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! api_key_reader
//! ```

use apikey_rocket::{ApiKey, ApiKeys, Authenticator};
use rocket::{Build, Rocket, get, routes};

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    app(Authenticator::kinde_from_env()?).launch().await?;
    Ok(())
}

fn app(keys: Authenticator) -> Rocket<Build> {
    rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me])
}

#[get("/me")]
fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apikey_rocket::{Verification, VerifiedKey};
    use apikey_testkit::FakeVerifier;
    use rocket::http::Header;
    use rocket::local::asynchronous::Client;

    #[test]
    fn the_handler_names_the_key() {
        let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
        assert_eq!(me(key.into()), "api_key_1");
    }

    #[rocket::async_test]
    async fn the_route_refuses_unknown_keys() {
        let fake = FakeVerifier::new().with_key("k_good", Verification::active("api_key_1"));
        let client = Client::tracked(app(Authenticator::builder(fake).build().unwrap())).await.unwrap();
        for (key, status) in [("k_good", 200), ("k_bad", 401)] {
            let request = client.get("/me").header(Header::new("authorization", format!("Bearer {key}")));
            assert_eq!(request.dispatch().await.status().code, status, "{key}");
        }
    }
}
