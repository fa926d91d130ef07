//! The emulator over real sockets, as tests rely on it.

mod api_keys;
mod backends;
mod connections;
mod control;
mod counting;
mod faults;
mod key_faults;
mod management;
mod moved;
mod overload;
mod raw_client;
mod tls;
mod tokens;
mod verification;
mod webhooks;

use apikey_testkit::{
    emulator::{Emulator, IssuedKey, KeySpecification},
    raw::{self, Connection, RawResponse},
};
use serde_json::json;

const TOKEN_PATH: &str = "/oauth2/token";
const VERIFY_PATH: &str = "/api/v1/api_keys/verify";

/// An emulator with a token and a key.
struct Scene {
    emulator: Emulator,
    token: String,
    key: IssuedKey,
}

impl Scene {
    async fn new() -> Scene {
        Scene::with(Emulator::start().await.unwrap()).await
    }

    async fn with(emulator: Emulator) -> Scene {
        let token = fetch_token(&emulator).await;
        let key = emulator.create_key(KeySpecification::new("reader").scopes(["read:users"]));
        Scene { emulator, token, key }
    }

    /// The bytes of a verify call.
    fn verification(&self, secret: &str) -> Vec<u8> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
        raw::request("POST", VERIFY_PATH, &headers, json!({"api_key": secret}).to_string().as_bytes())
    }

    async fn send(&self, request: &[u8]) -> std::io::Result<RawResponse> {
        raw::exchange(self.emulator.address(), request).await
    }

    /// Verifies the scene's own key.
    async fn try_verify(&self) -> std::io::Result<RawResponse> {
        self.send(&self.verification(&self.key.secret)).await
    }

    /// A connection that has already verified the scene's own key.
    async fn used_connection(&self) -> Connection {
        let mut connection = Connection::connect(self.emulator.address()).await.unwrap();
        assert_eq!(self.ask_on(&mut connection).await.unwrap().json()["is_valid"], true);
        connection
    }

    /// Verifies the scene's own key on this connection.
    async fn ask_on(&self, connection: &mut Connection) -> std::io::Result<RawResponse> {
        connection.send(&self.verification(&self.key.secret)).await?;
        connection.read_response(false).await
    }

    async fn verify(&self, secret: &str) -> RawResponse {
        self.send(&self.verification(secret)).await.unwrap()
    }

    /// Calls the management API or the control plane with the scene's token.
    async fn call(&self, method: &str, path: &str, body: &str) -> RawResponse {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
        self.send(&raw::request(method, path, &headers, body.as_bytes())).await.unwrap()
    }
}

/// The bytes of a call to the token endpoint.
fn token_request(form: &str) -> Vec<u8> {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    raw::request("POST", TOKEN_PATH, &headers, form.as_bytes())
}

/// The correct form for this emulator.
fn token_form(emulator: &Emulator) -> String {
    format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&audience={}",
        emulator.client_id(),
        emulator.client_secret(),
        emulator.audience().replace(':', "%3A").replace('/', "%2F")
    )
}

async fn fetch_token(emulator: &Emulator) -> String {
    let response = raw::exchange(emulator.address(), &token_request(&token_form(emulator))).await.unwrap();
    assert_eq!(response.status, 200, "{}", response.body_text());
    response.json()["access_token"].as_str().unwrap().to_owned()
}
