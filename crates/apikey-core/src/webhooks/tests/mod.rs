mod events;
mod receiving;
mod tokens;

use apikey_testkit::emulator::Emulator;
use serde_json::{Value, json};

use super::key_set::KeySet;
use super::token::Token;

/// The header of a token that the emulator's key signs.
fn header(emulator: &Emulator) -> Value {
    json!({"alg": "RS256", "kid": emulator.webhook_key(), "typ": "JWT"})
}

/// The key set that the emulator serves.
async fn key_set_of(emulator: &Emulator) -> Value {
    let request = apikey_testkit::raw::get("/.well-known/jwks", &[]);
    apikey_testkit::raw::exchange(emulator.address(), &request).await.unwrap().json()
}

fn verifies(key_set: &Value, body: &str) -> bool {
    let Some(keys) = KeySet::read(key_set.to_string().as_bytes()) else { return false };
    Token::read(body.as_bytes()).is_some_and(|token| keys.verifies(&token))
}
