use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::webhooks::event::{Effect, Event};
use crate::webhooks::key_set::KeySet;
use crate::webhooks::token::Token;

/// A key set, and a webhook that its key signed.
static SIGNED: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("webhook.json")).expect("JSON"));
static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::read(include_bytes!("webhook.json")).expect("a key set"));

/// Checks what is believed of a webhook. The input is taken four times:
///
/// - as a body from somebody without Kinde's key,
/// - as what was done to a body that Kinde signed: each byte is combined with one of its bytes, beginning with the one that
///   the first byte names,
/// - as a key set,
/// - as the event in a body that Kinde signed.
///
/// # Panics
/// If a promise is broken.
pub fn webhooks(input: &[u8]) {
    let webhook = text(&SIGNED, "webhook").expect("a webhook");
    forged(input, webhook);
    changed(input, webhook);
    key_set(input, webhook);
    event(input);
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn members(document: &Value) -> impl Iterator<Item = &Value> {
    document.get("keys").and_then(Value::as_array).into_iter().flatten()
}

fn is_verified(body: &[u8]) -> bool {
    Token::read(body).is_some_and(|token| KEYS.verifies(&token))
}

fn forged(input: &[u8], webhook: &str) {
    let is_the_webhook = input.trim_ascii() == webhook.as_bytes();
    assert_eq!(is_verified(input), is_the_webhook, "a forged webhook is verified, or a signed one is not");
    if Token::read(input).is_some() {
        let header = input.trim_ascii().split(|byte| *byte == b'.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).expect("a header in base64");
        let header: Value = serde_json::from_slice(&header).expect("a header in JSON");
        assert_eq!(text(&header, "alg"), Some("RS256"), "another algorithm is taken");
        assert!(text(&header, "kid").is_some_and(|name| !name.is_empty()), "a token names no key");
    }
}

fn changed(input: &[u8], webhook: &str) {
    let (from, changes) = input.split_first().unwrap_or((&0, &[]));
    let mut body = webhook.as_bytes().to_vec();
    body.iter_mut().skip(3 * usize::from(*from)).zip(changes).for_each(|(byte, change)| *byte ^= change);
    let is_the_same = body.trim_ascii() == webhook.as_bytes();
    assert_eq!(is_verified(&body), is_the_same, "a changed webhook is verified, or a whole one is not");
}

fn key_set(input: &[u8], webhook: &str) {
    let Some(keys) = KeySet::read(input) else { return };
    let token = Token::read(webhook.as_bytes()).expect("a token");
    if keys.verifies(&token) {
        let document: Value = serde_json::from_slice(input).expect("JSON");
        let modulus = |key: &Value| URL_SAFE_NO_PAD.decode(text(key, "n")?).ok();
        let kindes = members(&SIGNED).find_map(modulus).expect("a modulus");
        let mut moduli = members(&document).filter_map(modulus);
        assert!(moduli.any(|n| n.ends_with(&kindes)), "another key verifies Kinde's signature");
    }
}

/// Fails if a member is there twice. What that means is not checked.
#[derive(Deserialize)]
struct Payload {
    r#type: String,
    event_id: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    user: Option<User>,
    organization: Option<Organization>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    is_suspended: Option<Value>,
}

#[derive(Deserialize)]
struct Organization {
    code: String,
}

fn event(input: &[u8]) {
    let now: Timestamp = "2026-02-03T12:00:00Z".parse().expect("a moment");
    let (Ok(event), Ok(payload)) = (Event::read(input, now), serde_json::from_slice::<Payload>(input)) else {
        return;
    };
    assert_eq!(*event.id, *payload.event_id);
    let (user, organization) = payload.data.map_or((None, None), |data| (data.user, data.organization));
    let is_suspended = user.as_ref().and_then(|user| user.is_suspended.as_ref());
    let expected = match (payload.r#type.as_str(), is_suspended) {
        ("user.deleted", _) => user.map(|user| Effect::User(user.id.into())),
        ("user.updated", Some(suspended)) if *suspended != Value::Bool(false) => {
            user.map(|user| Effect::User(user.id.into()))
        }
        ("organization.deleted", _) => organization.map(|one| Effect::Organization(one.code.into())),
        _ => Some(Effect::Nothing),
    };
    assert_eq!(Some(event.effect), expected, "an event has another effect");
}
