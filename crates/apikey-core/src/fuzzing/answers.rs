use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::lines;
use crate::kinde::meaning::{Doubt, Meaning};
use crate::kinde::status::{Head, status_decides};
use crate::kinde::token_response::read_token_response;
use crate::kinde::verify_response::read_verify_response;
use crate::kinde::{RetryAfter, SettingNames};
use crate::verification::{Refusal, Verdict, Verification};
use crate::verifier::FailureClass;

/// Checks how Kinde's answers are read.
///
/// The first line of the input is the status in digits. If it is not a status, it counts as 200. The rest is the
/// body. It is read as an answer of the verify endpoint, and as one of the token endpoint.
///
/// # Panics
/// If a promise is broken.
pub fn answers(input: &[u8]) {
    let first = lines(input).next().unwrap_or_default();
    let status = std::str::from_utf8(first).ok().and_then(|digits| digits.parse().ok());
    let status = status.filter(|status| (100..1000).contains(status)).unwrap_or(200);
    let body = input.get(first.len() + 1..).unwrap_or_default();
    verify_answer(status, body);
    token_answer(status, body);
}

const NAMES: SettingNames = SettingNames::VARIABLES;

fn head(status: u16) -> Head {
    // The input has no headers, so both cases of a 503 are read.
    Head { status, retry_after: RetryAfter { has_header: status == 503, wait: None } }
}

fn read(status: u16, body: &[u8]) -> Meaning {
    read_verify_response(head(status), Some(body), NAMES)
}

fn verify_answer(status: u16, body: &[u8]) {
    let meaning = read(status, body);
    if let Some(text) = words(&meaning) {
        let is_known = |sample: &&str| words(&read(status, sample.as_bytes())) == Some(text);
        assert!(VERIFY_SAMPLES.iter().any(is_known), "{text:?} is not what is said without this body");
    }
    if status_decides(status) {
        assert_eq!(meaning, read_verify_response(head(status), None, NAMES));
    }
    let codes = error_codes(body);
    let names = |code: &str| codes.iter().flatten().any(|known| known == code);
    match (&meaning, judgement(status, body)) {
        (Meaning::Judged(judgement), Some(expected)) => match (judgement.verdict(), expected) {
            (Verdict::Accepted(verification), Ok(answer)) => {
                assert_eq!(status, 200);
                same_identity(verification, &answer);
                // Must not panic, whether the text is a time or not.
                let _ = verification.last_verified_at();
            }
            (Verdict::Refused(found), Err(expected)) => assert_eq!(*found, expected),
            (found, expected) => panic!("{found:?}, but the answer says {expected:?}"),
        },
        (Meaning::TokenDoubted(doubt), None) => {
            assert!(matches!(status, 401 | 403));
            let expected = match (names("SCOPE_MISSING"), codes.is_empty()) {
                (true, _) => Doubt::ScopeMissing,
                (false, false) => Doubt::Refused,
                (false, true) if status == 401 => Doubt::Bare401,
                (false, true) => Doubt::Bare403,
            };
            assert_eq!(*doubt, expected);
        }
        (Meaning::NotJudged(error), None) => {
            let expected = match status {
                429 | 503 => FailureClass::Overload,
                300..400 | 405 => FailureClass::SetUp,
                100..200 | 408 | 421 | 500.. => FailureClass::Outage,
                400.. if names("SCOPE_MISSING") || names("ROUTE_NOT_FOUND") => FailureClass::SetUp,
                _ => FailureClass::Unjudged,
            };
            assert_eq!(error.class(), expected);
        }
        (found, expected) => panic!("{found:?}, but the answer says {expected:?}"),
    }
}

fn token_answer(status: u16, body: &[u8]) {
    let meaning = read_token_response(head(status), Some(body), NAMES);
    let answer = members(body, &["access_token", "expires_in"]).unwrap_or_default();
    let token = text(&answer, "access_token").filter(|token| token.chars().all(|c| ('!'..='~').contains(&c)));
    let token = token.filter(|token| status == 200 && !token.is_empty());
    match &meaning {
        Ok(grant) => {
            assert_eq!(Some(grant.token.expose()), token);
            let expected = match member(&answer, "expires_in") {
                Some(Value::Number(number)) => number.as_u64(),
                Some(Value::String(digits)) => digits.trim().parse().ok(),
                _ => None,
            };
            assert_eq!(grant.expires_in, expected);
            let shown = format!("Grant {{ token: Secret(..), expires_in: {expected:?} }}");
            assert_eq!(format!("{grant:?}"), shown);
        }
        Err(said) => {
            assert_eq!(token, None, "a token was granted");
            let is_known = |sample: &&str| {
                read_token_response(head(status), Some(sample.as_bytes()), NAMES)
                    .is_err_and(|known| known == *said)
            };
            assert!(TOKEN_SAMPLES.iter().any(is_known), "{said:?} is not what is said without this body");
            assert!(matches!(
                said.class(),
                FailureClass::Overload | FailureClass::Outage | FailureClass::SetUp
            ));
            assert_eq!(said.class() == FailureClass::Overload, matches!(status, 429 | 503));
        }
    }
}

/// Bodies that produce, with the right status, every sentence that may be said about a verify answer.
const VERIFY_SAMPLES: &[&str] = &[
    "",
    "{}",
    r#"{"is_valid":true,"status":"active"}"#,
    r#"{"is_valid":true,"scopes":1}"#,
    r#"{"is_valid":true,"scopes":[1]}"#,
    r#"{"is_valid":true,"status":"active","key_id":"k","org_code":1}"#,
    r#"{"is_valid":true,"status":"active","key_id":"k","user_id":1}"#,
    r#"{"errors":{"code":"SCOPE_MISSING"}}"#,
    r#"{"errors":{"code":"ROUTE_NOT_FOUND"}}"#,
];

/// The same for the token endpoint.
const TOKEN_SAMPLES: &[&str] = &[
    "",
    r#"{"error":"invalid_client"}"#,
    r#"{"error":"unauthorized_client"}"#,
    r#"{"error":"access_denied"}"#,
    r#"{"error":"invalid_target"}"#,
    r#"{"error":"invalid_request"}"#,
    r#"{"error":"invalid_scope"}"#,
    r#"{"error":"invalid_grant"}"#,
    r#"{"error":"unsupported_grant_type"}"#,
    r#"{"error":"audience"}"#,
    r#"{"error":"scope"}"#,
    r#"{"error":"grant"}"#,
    r#"{"error":"client"}"#,
];

/// What the operator would read.
fn words(meaning: &Meaning) -> Option<&str> {
    match meaning {
        Meaning::NotJudged(error) => Some(error.reason()),
        Meaning::Judged(_) | Meaning::TokenDoubted(_) => None,
    }
}

/// Why an answer with this error code refuses the key. It reads the code word by word from its beginning.
fn refusal(code: &str) -> Option<Refusal> {
    let is_listed = |word: &str| {
        let listed = "INVALID NOT VALID FOUND REVOKED INACTIVE DISABLED EXPIRED DELETED UNKNOWN MALFORMED";
        listed.split(' ').any(|known| known == word)
    };
    let mut rest = code;
    while let Some((word, others)) = rest.split_once('_').filter(|(word, _)| is_listed(word)) {
        assert!(!word.is_empty());
        rest = others;
    }
    let is_about_the_key = match (code, rest.strip_prefix("API_KEY")) {
        ("KEY_REVOKED" | "KEY_INACTIVE" | "KEY_NOT_FOUND" | "INVALID_KEY", _) | (_, Some("")) => true,
        (_, Some(others)) => others.strip_prefix('_').is_some_and(|others| others.split('_').all(is_listed)),
        (_, None) => false,
    };
    let names = |status: &str| code.split('_').any(|word| word == status);
    is_about_the_key.then(|| match (names("REVOKED"), names("INACTIVE") || names("DISABLED")) {
        (true, _) => Refusal::Revoked,
        (false, true) => Refusal::Inactive,
        (false, false) => Refusal::Invalid,
    })
}

/// What the answer says about the key, read member by member: an active key, or why it is refused. `None` if the key
/// was not judged.
fn judgement(status: u16, body: &[u8]) -> Option<Result<Vec<(String, Value)>, Refusal>> {
    if status != 200 {
        let codes = error_codes(body);
        let refusals: Option<Vec<Refusal>> = codes.iter().map(|code| refusal(code.as_deref()?)).collect();
        let refusals = refusals.filter(|_| matches!(status, 400 | 401 | 403 | 404))?;
        let gravest = [Refusal::Revoked, Refusal::Inactive, Refusal::Invalid];
        return gravest.into_iter().find(|one| refusals.contains(one)).map(Err);
    }
    let answer = members(body, VERIFY_MEMBERS)?;
    let is_valid = member(&answer, "is_valid")?.as_bool()?;
    let scopes = member(&answer, "scopes").unwrap_or(&Value::Null);
    if !scopes.is_null() && !scopes.as_array()?.iter().all(Value::is_string) {
        return None;
    }
    match text(&answer, "status") {
        Some("revoked") => Some(Err(Refusal::Revoked)),
        Some("inactive") => Some(Err(Refusal::Inactive)),
        _ if !is_valid => Some(Err(Refusal::Invalid)),
        Some("active") => {
            let is_owner =
                |name| member(&answer, name).is_none_or(|owner| owner.is_null() || owner.is_string());
            let is_complete = text(&answer, "key_id").is_some_and(|id| !id.is_empty());
            (is_complete && is_owner("org_code") && is_owner("user_id")).then_some(Ok(answer))
        }
        _ => Some(Err(Refusal::Inactive)),
    }
}

/// Every member of an accepted answer must arrive unchanged.
fn same_identity(verification: &Verification, answer: &[(String, Value)]) {
    let owner = |name| text(answer, name).filter(|owner| !owner.is_empty());
    let scopes: Vec<Value> = verification.scopes().map(Value::from).collect();
    assert_eq!(member(answer, "is_valid"), Some(&Value::Bool(true)));
    assert_eq!(text(answer, "status"), Some("active"));
    assert_eq!(Some(verification.key_id()), text(answer, "key_id"));
    assert_eq!(&scopes, member(answer, "scopes").and_then(Value::as_array).unwrap_or(&Vec::new()));
    assert_eq!(verification.organization_code(), owner("org_code"));
    assert_eq!(verification.user_id(), owner("user_id"));
    assert_eq!(verification.last_verified_on(), text(answer, "last_verified_on"));
    assert_eq!(
        verification.verification_count(),
        member(answer, "verification_count").and_then(Value::as_u64)
    );
    assert_eq!(verification.code(), text(answer, "code"));
    assert_eq!(verification.message(), text(answer, "message"));
}

const VERIFY_MEMBERS: &[&str] = &[
    "code",
    "message",
    "is_valid",
    "key_id",
    "status",
    "scopes",
    "org_code",
    "user_id",
    "last_verified_on",
    "verification_count",
];

/// The codes of all errors, in upper case. The code is `None` for an error without one, or with two.
fn error_codes(body: &[u8]) -> Vec<Option<String>> {
    let is_object = members(body, &["errors"]).is_some();
    let whole = is_object.then(|| serde_json::from_slice::<Tree>(body).ok()).flatten();
    let errors = match whole {
        Some(Tree::Object(members)) => members.into_iter().find(|(name, _)| name == "errors"),
        _ => None,
    };
    let errors = match errors {
        Some((_, Tree::Array(errors))) => errors,
        None | Some((_, Tree::Null)) => Vec::new(),
        Some((_, single)) => vec![single],
    };
    let code = |error: &Tree| match error {
        Tree::Object(members) => {
            match members.iter().filter(|(name, _)| name == "code").collect::<Vec<_>>().as_slice() {
                [(_, Tree::Text(code))] => Some(code.to_ascii_uppercase()),
                _ => None,
            }
        }
        _ => None,
    };
    errors.iter().map(code).collect()
}

/// JSON in which members may be repeated.
enum Tree {
    Null,
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
    Other,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyTree;
        impl<'de> Visitor<'de> for AnyTree {
            type Value = Tree;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
                Ok(Tree::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
                Ok(Tree::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
                Ok(Tree::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut trees = Vec::new();
                while let Some(tree) = list.next_element()? {
                    trees.push(tree);
                }
                Ok(Tree::Array(trees))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }
        }
        deserializer.deserialize_any(AnyTree)
    }
}

pub(super) fn member<'a>(answer: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    answer.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

pub(super) fn text<'a>(answer: &'a [(String, Value)], name: &str) -> Option<&'a str> {
    member(answer, name)?.as_str()
}

/// The members of an object with these names. `None` if the body is not an object in UTF-8, or repeats one of them.
/// Other members need only be well-formed, because Kinde may add any.
pub(super) fn members(body: &[u8], names: &'static [&'static str]) -> Option<Vec<(String, Value)>> {
    struct Members(&'static [&'static str]);
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, Value)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(name) = map.next_key::<String>()? {
                if self.0.contains(&name.as_str()) {
                    members.push((name, map.next_value()?));
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(members)
        }
    }
    let body = std::str::from_utf8(body).ok()?;
    // Reads all of it once more if that is possible, so that a member of an odd type hides nothing after it.
    let whole: Result<Value, _> = serde_json::from_str(body);
    let mut reader = serde_json::Deserializer::from_str(body);
    let members = Deserializer::deserialize_map(&mut reader, Members(names)).ok()?;
    reader.end().ok()?;
    let is_repeated = |name: &str| members.iter().filter(|(known, _)| known == name).count() > 1;
    if names.iter().any(|name| is_repeated(name)) {
        return None;
    }
    if let Ok(whole) = whole {
        assert!(members.iter().all(|(name, value)| whole.get(name) == Some(value)));
    }
    Some(members)
}
