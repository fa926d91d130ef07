//! Tests of a handler and of a route, without a network: `cargo test --example warp-test-a-handler`.
//!
//! With the Kinde emulator (`cargo run -p apikey-testkit --bin kinde-emulator`) running and its `export` lines pasted:
//!
//! ```console
//! $ cargo run --example warp-test-a-handler
//!
//! $ curl -i http://127.0.0.1:3000/me -H 'Authorization: Bearer k_live_reader'
//! HTTP/1.1 200 OK
//!
//! api_key_reader
//! ```

use std::net::SocketAddr;

use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
use warp::{Filter, Rejection, Reply};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let routes = routes(Authenticator::kinde_from_env()?);

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    warp::serve(routes).run(address.parse::<SocketAddr>()?).await;
    Ok(())
}

fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    answer_refusals(&keys, warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key())).map(me))
}

fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apikey_testkit::FakeVerifier;
    use apikey_warp::{Verification, VerifiedKey};

    #[test]
    fn the_handler_names_the_key() {
        let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
        assert_eq!(me(key.into()), "api_key_1");
    }

    #[tokio::test]
    async fn the_route_refuses_unknown_keys() {
        let fake = FakeVerifier::new().with_key("k_good", Verification::active("api_key_1"));
        let routes = routes(Authenticator::builder(fake).build().unwrap());
        for (key, status) in [("k_good", 200), ("k_bad", 401)] {
            let request = warp::test::request().path("/me").header("authorization", format!("Bearer {key}"));
            assert_eq!(request.reply(&routes).await.status(), status, "{key}");
        }
    }
}
