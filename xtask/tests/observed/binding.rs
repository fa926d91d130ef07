//! Keys of one API alone, at all reference servers: `KINDE_API_ID`.

use crate::server::{SERVERS, Server, request};
use apikey_testkit::emulator::{DEFAULT_API_ID, Endpoint, Fault};
use apikey_testkit::raw;
use serde_json::json;

const ROUTES: [&str; 5] = ["/api/me", "/api/data", "/api/any", "/api/org", "/api/optional"];

/// The status, the body, and whether there is a challenge.
async fn answer(server: &Server, path: &str, key: &str) -> (u16, String, bool) {
    let response = raw::exchange(server.api, &request(path, Some(key))).await.unwrap();
    let is_challenge = response.header("www-authenticate").is_some();
    (response.status, String::from_utf8(response.body).unwrap(), is_challenge)
}

#[tokio::test]
async fn every_server_takes_only_keys_of_its_own_api() {
    for package in SERVERS {
        let server = Server::start(package, &[("KINDE_API_ID", DEFAULT_API_ID.to_owned())]).await;
        let emulator = &server.emulator;
        for _ in 0..3 {
            assert_eq!(answer(&server, "/api/me", "k_live_reader").await.0, 200, "{package}");
        }
        let counters = emulator.counters();
        assert_eq!((counters.verify_calls, counters.api_key_calls), (1, 1), "{package}");

        emulator.set_api_ids("api_key_admin", Some(json!(["api_other"])));
        emulator.set_api_ids("api_key_organization", Some(json!([])));
        let mismatch = r#"{"error":"API key is not for this API","code":"API_MISMATCH"}"#;
        for (path, key) in
            ROUTES.into_iter().flat_map(|path| ["k_live_admin", "k_live_organization"].map(|key| (path, key)))
        {
            let expected = (403, mismatch.to_owned(), false);
            assert_eq!(answer(&server, path, key).await, expected, "{package} {path} {key}");
        }
        emulator.set_api_ids("api_key_writer", None);
        assert_eq!(answer(&server, "/api/me", "k_live_writer").await.0, 503, "{package}");
        emulator.set_fault(Endpoint::ApiKey, Some(Fault::status(500)));
        assert_eq!(answer(&server, "/api/me", "k_live_user").await.0, 503, "{package}");
        assert_eq!(answer(&server, "/api/me", "k_live_reader").await.0, 200, "{package}: a hit asks nothing");

        let metrics = server.metrics_when(|_| true).await;
        assert_eq!(metrics.total("apikey_decisions_total", "code=\"API_MISMATCH\""), 10, "{package}");
        server.running.terminate().await.unwrap();
    }
}
