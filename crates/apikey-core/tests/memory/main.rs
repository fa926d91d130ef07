//! No copy of a secret is left in memory. The test reads all memory of this process and searches it.
//!
//! It is a program of its own, so that little else is in memory, and freed memory is not soon used again. Each test
//! has a random secret of its own. The test keeps it only in buffers that it overwrites.
#![cfg(target_os = "linux")]

mod scan;

use std::net::IpAddr;

use apikey_core::{
    Authenticator, CredentialSource, Judgement, KindeSettings, KindeVerifier, MachineToMachine, Memo,
    PresentedKey, RequestHead, Verification, Verifier, VerifierError,
};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use scan::Secret;

/// A request head that borrows, so that the test makes no copy.
#[derive(Default)]
struct Request<'a> {
    header: Option<(&'static str, &'a [u8])>,
    query: Option<&'a str>,
}

impl RequestHead for Request<'_> {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.header.filter(|(known, _)| *known == name).map(|(_, value)| value).into_iter()
    }

    fn query(&self) -> Option<&str> {
        self.query
    }

    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

struct Anyone;

#[async_trait]
impl Verifier for Anyone {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        tokio::task::yield_now().await;
        assert!(!key.expose().is_empty());
        Ok(Judgement::accepted(Verification::active("api_key_1")))
    }
}

/// Whether tokens are ignored that no secret of this test begins as.
#[derive(Clone, Copy)]
enum Others {
    Accepted,
    Ignored,
}

fn authenticator(others: Others) -> Authenticator {
    let builder = match others {
        Others::Accepted => Authenticator::builder(Anyone),
        Others::Ignored => {
            Authenticator::builder(Anyone).accepted_prefixes(["another_"]).ignore_other_tokens(true)
        }
    };
    builder
        .credential_sources([
            CredentialSource::bearer(),
            CredentialSource::basic_user_name(),
            CredentialSource::basic_password(),
            CredentialSource::header("X-Api-Key"),
            CredentialSource::web_socket_protocol(),
            CredentialSource::insecure_query_parameter("key"),
        ])
        .attempt_limit(None)
        .remove_credential(true)
        // The authenticator ends with the caller's runtime, and so does every task that may still hold a key.
        .verification_runtime(tokio::runtime::Handle::current())
        .build()
        .unwrap()
}

/// The identity that this request's key gets. The runtime is gone afterwards.
fn decide(request: &Request<'_>) -> String {
    decide_by(Others::Accepted, request)
}

fn decide_by(others: Others, request: &Request<'_>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let authenticator = authenticator(others);
        let mut memo = Memo::default();
        assert!(memo.take(&authenticator, request));
        let answer = authenticator.authenticate(request).await;
        drop(authenticator.begin(request));
        drop(memo);
        match answer {
            Ok(key) => key.key_id().to_owned(),
            Err(denial) => denial.code().as_str().to_owned(),
        }
    })
}

/// `Basic`, and the rest in base64. `spoil` changes the encoded text.
fn basic(secret: &Secret, rest: &[u8], spoil: impl FnOnce(&mut Vec<u8>)) -> Zeroizing<Vec<u8>> {
    encoded(b"Basic ", &secret.between(b"", rest), &STANDARD, spoil)
}

/// The text in base64. `spoil` changes it.
fn encoded(
    before: &[u8],
    text: &[u8],
    engine: &GeneralPurpose,
    spoil: impl FnOnce(&mut Vec<u8>),
) -> Zeroizing<Vec<u8>> {
    let mut value = Zeroizing::new(Vec::with_capacity(text.len() * 2 + before.len() + 16));
    value.extend_from_slice(before);
    value.resize(before.len() + text.len().div_ceil(3) * 4, 0);
    let length = engine.encode_slice(text, &mut value[before.len()..]).unwrap();
    value.truncate(before.len() + length);
    spoil(&mut value);
    value
}

#[test]
fn a_copy_that_is_left_behind_is_found() {
    let secret = Secret::random();
    assert!(!secret.is_in_memory(), "nobody has it yet");
    let held = secret.between(b"", b"");
    assert!(secret.is_in_memory());
    drop(held);
    assert!(!secret.is_in_memory());
    let forgotten = secret.between(b"", b"").to_vec();
    drop(forgotten);
    assert!(secret.is_in_memory(), "freed, but not overwritten");
}

#[test]
fn no_header_leaves_a_copy_of_its_key() {
    for (header, before, after, told) in [
        ("authorization", "Bearer ", "", "api_key_1"),
        ("authorization", "Bearer ", " more", "INVALID_FORMAT"),
        ("x-api-key", "", "", "api_key_1"),
        ("x-api-key", "", "\u{e9}", "INVALID_FORMAT"),
    ] {
        let secret = Secret::random();
        let value = secret.between(before.as_bytes(), after.as_bytes());
        assert_eq!(decide(&Request { header: Some((header, &value)), ..Request::default() }), told);
        drop(value);
        assert!(!secret.is_in_memory(), "{header}: {before}..{after}");
    }
}

#[test]
fn http_basic_leaves_no_copy_of_what_it_decodes() {
    let end = |change: fn(&mut Vec<u8>)| change;
    for (rest, spoil, told) in [
        (b":".as_slice(), end(|_| {}), "api_key_1"),
        (b":password", end(|_| {}), "api_key_1"),
        // There is no colon, no key, no text.
        (b"", end(|_| {}), "INVALID_FORMAT"),
        (b" two:", end(|_| {}), "INVALID_FORMAT"),
        (b"\xff:", end(|_| {}), "INVALID_FORMAT"),
        // The password is a key, and the user name is not.
        (b" two:password", end(|_| {}), "api_key_1"),
        // The text can't be decoded to its end.
        (b":password", end(|value| value.extend_from_slice(b"!")), "INVALID_FORMAT"),
        (b":password", end(|value| *value.last_mut().unwrap() = b'*'), "INVALID_FORMAT"),
        (b":password", end(|value| drop(value.drain(value.len() - 3..))), "INVALID_FORMAT"),
    ] {
        let secret = Secret::random();
        let value = basic(&secret, rest, spoil);
        assert_eq!(decide(&Request { header: Some(("authorization", &value)), ..Request::default() }), told);
        drop(value);
        assert!(!secret.is_in_memory(), "{:?}", rest.escape_ascii().to_string());
    }
}

#[test]
fn a_web_socket_leaves_no_copy_of_what_it_decodes() {
    let end = |change: fn(&mut Vec<u8>)| change;
    let before = b"apikey, base64url.apikey.";
    for (after, spoil, told) in [
        (b"".as_slice(), end(|_| {}), "api_key_1"),
        (b"1", end(|value| value.extend_from_slice(b", chat")), "api_key_1"),
        (b" two", end(|_| {}), "INVALID_FORMAT"),
        (b"\xff", end(|_| {}), "INVALID_FORMAT"),
        (b"", end(|value| value.push(b'=')), "INVALID_FORMAT"),
        (b"", end(|value| *value.last_mut().unwrap() = b'*'), "INVALID_FORMAT"),
        (b"", end(|value| value.drain(..8).for_each(drop)), "INVALID_FORMAT"),
    ] {
        let secret = Secret::random();
        let value = encoded(before, &secret.between(b"", after), &URL_SAFE_NO_PAD, spoil);
        let header = Some(("sec-websocket-protocol", value.as_slice()));
        assert_eq!(decide(&Request { header, ..Request::default() }), told);
        drop(value);
        assert!(!secret.is_in_memory(), "{:?}", after.escape_ascii().to_string());
    }
}

#[test]
fn an_ignored_token_leaves_no_copy() {
    let nothing = |_: &mut Vec<u8>| {};
    for (name, kind) in [
        ("authorization", "bearer"),
        ("authorization", "user name"),
        ("authorization", "password"),
        ("x-api-key", "whole"),
        ("sec-websocket-protocol", "member"),
    ] {
        let secret = Secret::random();
        let value = match kind {
            "bearer" => secret.between(b"Bearer ", b""),
            "user name" => basic(&secret, b":password", nothing),
            "password" => encoded(b"Basic ", &secret.between(b"me:", b""), &STANDARD, nothing),
            "whole" => secret.between(b"", b""),
            _ => encoded(b"base64url.apikey.", &secret.between(b"", b""), &URL_SAFE_NO_PAD, nothing),
        };
        let header = Some((name, value.as_slice()));
        assert_eq!(decide_by(Others::Ignored, &Request { header, ..Request::default() }), "MISSING_KEY");
        drop(value);
        assert!(!secret.is_in_memory(), "{kind}");
    }
    let secret = Secret::random();
    let query = secret.between(b"key=%6b", b"");
    let request = Request { query: Some(std::str::from_utf8(&query).unwrap()), ..Request::default() };
    assert_eq!(decide_by(Others::Ignored, &request), "MISSING_KEY");
    drop(query);
    assert!(!secret.is_in_memory());
}

#[test]
fn a_query_leaves_no_copy_of_what_it_decodes() {
    for (before, after, told) in [
        ("key=", "", "api_key_1"),
        ("key=%6b", "", "api_key_1"),
        ("key=", "%6b&a=b", "api_key_1"),
        ("a=%2f&%6bey=%61", "%61", "api_key_1"),
        // There is no key, no text, no encoding.
        ("key=", "%20two", "INVALID_FORMAT"),
        ("key=%6b", "%ff", "INVALID_FORMAT"),
        ("key=%6b", "%c3%a9%6", "INVALID_FORMAT"),
        ("key=", "%", "INVALID_FORMAT"),
    ] {
        let secret = Secret::random();
        let query = secret.between(before.as_bytes(), after.as_bytes());
        let query_text = std::str::from_utf8(&query).unwrap();
        assert_eq!(
            decide(&Request { query: Some(query_text), ..Request::default() }),
            told,
            "{before}..{after}"
        );
        drop(query);
        assert!(!secret.is_in_memory(), "{before}..{after}");
    }
}

#[test]
fn keys_without_a_request_leave_no_copy() {
    let secret = Secret::random();
    let key = secret.between(b"", b"");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (authenticator, key) = (authenticator(Others::Accepted), std::str::from_utf8(&key).unwrap());
        authenticator.verify(PresentedKey::parse(key).unwrap()).await.unwrap();
        authenticator.remove(key).unwrap();
        assert!(authenticator.verify_many([key, key]).await.iter().all(Result::is_ok));
        authenticator.remove(key).unwrap();
    });
    drop((runtime, key));
    assert!(!secret.is_in_memory());
}

#[test]
fn settings_leave_no_copy_of_the_client_secret() {
    let [id, secret, domain] =
        ["KINDE_MANAGEMENT_CLIENT_ID", "KINDE_MANAGEMENT_CLIENT_SECRET", "KINDE_DOMAIN"];
    let kinde = "acme.kinde.com";
    for (before, after, others) in [
        ("", "", [(id, "id"), (domain, kinde)].as_slice()),
        (" ", "\n", &[(id, "id"), (domain, kinde)]),
        // These are refused: half a pair, quotes, a wrong domain or variable.
        ("", "", &[(domain, kinde)]),
        ("\"", "\"", &[(id, "id"), (domain, kinde)]),
        ("", "", &[(id, "id"), (domain, "acme..kinde.com")]),
        ("", "", &[]),
    ] {
        let canary = Secret::random();
        let settings = KindeSettings::from_variables(|name| match name {
            name if name == secret => {
                let mut text = String::with_capacity(128);
                text.push_str(
                    std::str::from_utf8(&canary.between(before.as_bytes(), after.as_bytes())).unwrap(),
                );
                Some(text)
            }
            name => others.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        });
        let verifier = settings.map(|settings| {
            assert!(canary.is_in_memory());
            KindeVerifier::new(settings.clone())
        });
        drop(verifier);
        assert!(!canary.is_in_memory(), "{before:?}, {after:?}, {others:?}");
    }
    let canary = Secret::random();
    let text = canary.between(b"", b"");
    let credentials = MachineToMachine::new("id", std::str::from_utf8(&text).unwrap());
    drop((text, KindeVerifier::new(KindeSettings::new(kinde).machine_to_machine(credentials))));
    assert!(!canary.is_in_memory());
}
