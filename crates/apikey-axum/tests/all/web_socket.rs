//! A browser's WebSocket presents its key among the protocols that it offers.

use std::future::IntoFuture as _;

use apikey_axum::{ApiKey, Authenticator, CredentialSource, Policy, Verification};
use apikey_testkit::{FakeVerifier, raw};
use axum::extract::ws::WebSocketUpgrade;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Router, routing::get};
use tokio::net::TcpListener;

/// `k_live_reader` in base64url.
const PROTOCOLS: &str = "chat.v2, base64url.apikey.a19saXZlX3JlYWRlcg, apikey";

fn upgraded(headers: &HeaderMap, socket: WebSocketUpgrade) -> Response {
    assert_eq!(headers["sec-websocket-protocol"], "chat.v2, apikey", "the key is gone");
    socket.protocols(["apikey"]).on_upgrade(|_| async {})
}

async fn key_first(_: ApiKey, headers: HeaderMap, socket: WebSocketUpgrade) -> Response {
    upgraded(&headers, socket)
}

async fn socket_first(socket: WebSocketUpgrade, _: ApiKey, headers: HeaderMap) -> Response {
    upgraded(&headers, socket)
}

async fn no_key(headers: HeaderMap, socket: WebSocketUpgrade) -> Response {
    upgraded(&headers, socket)
}

#[tokio::test]
async fn the_reply_to_a_web_socket_names_apikey_alone() {
    let fake = FakeVerifier::new().with_key("k_live_reader", Verification::active("api_key_1"));
    let builder = Authenticator::builder(fake);
    let keys: Authenticator =
        builder.credential_sources([CredentialSource::web_socket_protocol()]).build().unwrap();
    let app = Router::new()
        .route("/key-first", get(key_first))
        .route("/socket-first", get(socket_first))
        .route("/layer", get(no_key).route_layer(keys.require(Policy::any_key())))
        .with_state(keys);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    let ask = async |path, protocols| {
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", protocols),
        ];
        raw::exchange(address, &raw::get(path, &headers)).await.unwrap()
    };
    for path in ["/key-first", "/socket-first", "/layer"] {
        let reply = ask(path, PROTOCOLS).await;
        assert_eq!(reply.status, 101, "{path}");
        assert_eq!(reply.header_values("sec-websocket-protocol"), ["apikey"], "{path}");
        assert_eq!(reply.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{path}");
        assert_eq!(ask(path, "chat.v2, apikey").await.json()["code"], "MISSING_KEY", "{path}");
    }
}
