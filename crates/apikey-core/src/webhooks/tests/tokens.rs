//! Only what Kinde's keys have signed with RS256 is a webhook.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;

/// A key set, and a webhook that one of its keys signed.
static SIGNED: LazyLock<(Value, String)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let emulator = Emulator::start().await.unwrap();
        (key_set_of(&emulator).await, emulator.webhook("user.deleted", json!({"user": {"id": "kp_1"}})))
    })
});

#[test]
fn a_webhook_is_verified_with_white_space_around_it() {
    let (keys, webhook) = &*SIGNED;
    assert!(verifies(keys, webhook));
    assert!(verifies(keys, &format!("\r\n {webhook}\n")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_changed_webhook_is_verified(at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f, how in 0..3) {
        let (keys, webhook) = &*SIGNED;
        let mut changed = webhook.clone().into_bytes();
        let at = at.index(changed.len());
        match how {
            0 => changed[at] = byte,
            1 => changed.insert(at, byte),
            _ => drop(changed.remove(at)),
        }
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != *webhook);
        prop_assert!(!verifies(keys, &changed), "{changed}");
    }

    #[test]
    fn no_generated_body_is_a_token(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Token::read(&body).is_none());
    }

    #[test]
    fn parts_of_two_webhooks_make_no_third(order in prop::collection::vec(0..6_usize, 3)) {
        let (keys, webhook) = &*SIGNED;
        let other = webhook.split('.').rev().collect::<Vec<_>>();
        let parts: Vec<&str> = webhook.split('.').chain(other).collect();
        let mixed = order.iter().map(|part| parts[*part]).collect::<Vec<_>>().join(".");
        prop_assume!(mixed != *webhook);
        prop_assert!(!verifies(keys, &mixed));
    }
}

#[tokio::test]
async fn no_other_algorithm_is_accepted() {
    let emulator = Emulator::start().await.unwrap();
    let keys = key_set_of(&emulator).await;
    for algorithm in
        ["none", "None", "NONE", "", "HS256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", "RS256 "]
    {
        let mut header = header(&emulator);
        header["alg"] = json!(algorithm);
        assert!(Token::read(emulator.sign(&header, b"{}").as_bytes()).is_none(), "{algorithm}");
    }
    for algorithm in [json!(null), json!(["RS256"]), json!({"alg": "RS256"}), json!(256)] {
        let mut header = header(&emulator);
        header["alg"] = algorithm;
        assert!(!verifies(&keys, &emulator.sign(&header, b"{}")), "{header}");
    }
    let unsigned =
        |header: &str| format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"));
    let kid = emulator.webhook_key();
    for header in [
        format!(r#"{{"alg":"none","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"RS256","alg":"none","kid":"{kid}"}}"#),
        format!(r#"{{"kid":"{kid}"}}"#),
    ] {
        assert!(!verifies(&keys, &unsigned(&header)), "{header}");
    }
}

#[test]
fn a_public_key_is_no_secret_of_an_hmac() {
    let (keys, _) = &*SIGNED;
    let key = &keys["keys"][0];
    let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
    for secret in [&modulus[..], keys.to_string().as_bytes(), key.to_string().as_bytes(), b""] {
        for algorithm in ["HS256", "RS256"] {
            let header = json!({"alg": algorithm, "kid": key["kid"]}).to_string();
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"));
            let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert!(!verifies(keys, &token), "{algorithm}");
        }
    }
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_not_trusted() {
    let (kinde, attacker) = (Emulator::start().await.unwrap(), Emulator::start().await.unwrap());
    attacker.rotate_webhook_key();
    let (keys, own) = (key_set_of(&kinde).await, key_set_of(&attacker).await);
    let url = format!("{}/.well-known/jwks", attacker.url());
    for (name, value) in
        [("jwk", own["keys"][0].clone()), ("jku", json!(url)), ("x5u", json!(url)), ("x5c", json!(["MIIB"]))]
    {
        for kid in [kinde.webhook_key(), attacker.webhook_key()] {
            let mut header = header(&kinde);
            (header["kid"], header[name]) = (json!(kid), value.clone());
            assert!(!verifies(&keys, &attacker.sign(&header, b"{}")), "{name}");
        }
    }
    assert_eq!(attacker.counters().key_set_calls, 1, "that of this test");
}

#[tokio::test]
async fn a_header_that_asks_for_more_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let keys = key_set_of(&emulator).await;
    for (name, value) in [
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("kid", json!("")),
        ("kid", json!(7)),
        ("kid", json!("x".repeat(257))),
        ("kid", json!("../../etc/passwd")),
    ] {
        let mut header = header(&emulator);
        header[name] = value;
        assert!(!verifies(&keys, &emulator.sign(&header, b"{}")), "{header}");
    }
    let mut header = header(&emulator);
    header["made_up"] = json!({"a": [1, null]});
    assert!(verifies(&keys, &emulator.sign(&header, b"{}")), "unknown members are ignored");
    header["made_up"] = json!("x".repeat(5000));
    assert!(!verifies(&keys, &emulator.sign(&header, b"{}")), "the header is too long");
}

#[test]
fn a_body_of_another_form_is_no_token() {
    let (_, webhook) = &*SIGNED;
    for body in [
        String::new(),
        "..".to_owned(),
        format!("\u{feff}{webhook}"),
        format!("\"{webhook}\""),
        format!("{webhook}."),
        format!(".{webhook}"),
        format!("{webhook}=="),
        webhook.replace('.', "\n."),
        r#"{"type":"user.deleted"}"#.to_owned(),
        webhook.rsplit_once('.').unwrap().0.to_owned(),
    ] {
        assert!(Token::read(body.as_bytes()).is_none(), "{body}");
    }
}

#[test]
fn an_rsa_key_of_1024_bits_verifies_nothing() {
    let small: Value = serde_json::from_str(include_str!("small_key.json")).unwrap();
    assert!(Token::read(small["token"].as_str().unwrap().as_bytes()).is_some());
    assert!(!verifies(&small, small["token"].as_str().unwrap()));
}

#[test]
fn a_key_that_is_not_for_signatures_verifies_nothing() {
    let (keys, webhook) = &*SIGNED;
    for (name, value) in [
        ("use", json!("enc")),
        ("use", json!(7)),
        ("alg", json!("RS512")),
        ("alg", json!("RSA-OAEP")),
        ("key_ops", json!(["encrypt"])),
        ("kty", json!("EC")),
        ("kty", json!("oct")),
        ("n", json!("")),
        ("n", json!("AAAA")),
        ("n", json!("not base64!")),
        ("n", json!(null)),
        ("e", json!("")),
        ("e", json!("AA")),
        ("e", json!("AQ")),
        ("e", json!("AQABAQABAQABAQAB")),
        ("kid", json!(null)),
        ("kid", json!("")),
        ("kid", json!("another")),
    ] {
        let mut keys = keys.clone();
        keys["keys"][0][name] = value.clone();
        assert!(!verifies(&keys, webhook), "{name} {value}");
    }
    let mut plain = keys.clone();
    let members = plain["keys"][0].as_object_mut().unwrap();
    members.retain(|name, _| !matches!(name.as_str(), "use" | "alg"));
    members.insert("x5t".to_owned(), json!("whatever"));
    assert!(verifies(&plain, webhook), "what is not stated allows all");
}

#[test]
fn one_odd_key_hides_no_other() {
    let (keys, webhook) = &*SIGNED;
    let good = keys["keys"][0].clone();
    let named_the_same = json!({"kty": "RSA", "kid": good["kid"], "n": good["n"], "e": "Aw"});
    for odd in [json!(null), json!(7), json!({}), json!({"kty": "EC", "kid": good["kid"]}), named_the_same] {
        assert!(verifies(&json!({"keys": [odd, good.clone(), odd]}), webhook), "{odd}");
    }
    for nothing in [json!({}), json!([good.clone()]), json!({"keys": []}), json!({"keys": {}}), json!(null)] {
        assert!(!verifies(&nothing, webhook), "{nothing}");
    }
}
