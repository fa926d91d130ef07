use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::lines;
use crate::kinde::wire::{Meaning, TokenMeaning, read_token_answer, read_verify_answer};
use crate::verification::{Judgement, Refusal, Verification};

/// Reading Kinde's answers.
///
/// The first line of the input is the status, in digits, 200 where it is no status; the rest is the body. It is read as
/// an answer of the verify endpoint and as one of the token endpoint.
///
/// # Panics
/// Where a promise is broken.
pub fn answers(input: &[u8]) {
    let first = lines(input).next().unwrap_or_default();
    let status = std::str::from_utf8(first).ok().and_then(|digits| digits.parse().ok());
    let status = status.filter(|status| (100..1000).contains(status)).unwrap_or(200);
    let body = input.get(first.len() + 1..).unwrap_or_default();
    verify_answer(status, body);
    token_answer(status, body);
}

fn verify_answer(status: u16, body: &[u8]) {
    let meaning = read_verify_answer(status, body);
    if let Some(text) = words(&meaning) {
        let is_known = |sample: &&str| words(&read_verify_answer(status, sample.as_bytes())) == Some(text);
        assert!(VERIFY_SAMPLES.iter().any(is_known), "{text:?} is not what is said without this body");
    }
    match (&meaning, judgement(status, body)) {
        (Meaning::Judged(Judgement::Accepted(verification)), Some(Ok(answer))) => {
            assert_eq!(status, 200);
            same_identity(verification, &answer);
            // Reads a time, if it is one.
            let _ = verification.last_verified_at();
        }
        (Meaning::Judged(Judgement::Refused(found)), Some(Err(expected))) => assert_eq!(*found, expected),
        (Meaning::TokenRefused { scope_missing }, None) => {
            assert!(matches!(status, 401 | 403));
            assert_eq!(*scope_missing, error_codes(body).iter().any(|code| code == "SCOPE_MISSING"));
        }
        (Meaning::Unjudged(_), None) => assert!(matches!(status, 200..300)),
        (Meaning::Unreadable(_), None) => assert_eq!(status, 400),
        (Meaning::UnjudgedForNow(_), None) => assert!(matches!(status, 408 | 425 | 429 | 500..)),
        (Meaning::SetUp(_), None) => assert!(matches!(status, 100..200 | 300..400 | 402 | 404..500)),
        (found, expected) => panic!("{found:?}, but the answer says {expected:?}"),
    }
}

fn token_answer(status: u16, body: &[u8]) {
    let meaning = read_token_answer(status, body);
    let answer = members(body, &["access_token", "expires_in"]).unwrap_or_default();
    let token = text(&answer, "access_token").filter(|token| token.chars().all(|c| ('!'..='~').contains(&c)));
    let token = token.filter(|token| status == 200 && !token.is_empty());
    match &meaning {
        TokenMeaning::Granted { token: found, expires_in } => {
            assert_eq!(Some(found.expose()), token);
            let expected = match member(&answer, "expires_in") {
                Some(Value::Number(number)) => number.as_u64(),
                Some(Value::String(digits)) => digits.trim().parse().ok(),
                _ => None,
            };
            assert_eq!(*expires_in, expected);
            let shown = format!("Granted {{ token: Secret(..), expires_in: {expires_in:?} }}");
            assert_eq!(format!("{meaning:?}"), shown);
        }
        TokenMeaning::Unavailable(said)
        | TokenMeaning::UnavailableForNow(said)
        | TokenMeaning::SetUp(said) => {
            assert_eq!(token, None, "a token was granted");
            let is_known = |sample: &&str| match read_token_answer(status, sample.as_bytes()) {
                TokenMeaning::Granted { .. } => false,
                TokenMeaning::Unavailable(known)
                | TokenMeaning::UnavailableForNow(known)
                | TokenMeaning::SetUp(known) => known == *said,
            };
            assert!(TOKEN_SAMPLES.iter().any(is_known), "{said:?} is not what is said without this body");
        }
    }
    let is_outage = matches!(meaning, TokenMeaning::UnavailableForNow(_));
    assert_eq!(is_outage, matches!(status, 429 | 500..));
}

/// Bodies that draw, with the right status, every sentence about a verify answer that may be said.
const VERIFY_SAMPLES: &[&str] = &[
    "",
    "{}",
    r#"{"is_valid":true,"status":"active"}"#,
    r#"{"is_valid":true,"scopes":1}"#,
    r#"{"is_valid":true,"scopes":[1]}"#,
    r#"{"is_valid":true,"status":"active","key_id":"k","org_code":1}"#,
    r#"{"is_valid":true,"status":"active","key_id":"k","user_id":1}"#,
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

/// What would be told to the operator.
fn words(meaning: &Meaning) -> Option<&str> {
    match meaning {
        Meaning::Unjudged(text)
        | Meaning::UnjudgedForNow(text)
        | Meaning::Unreadable(text)
        | Meaning::SetUp(text) => Some(text),
        Meaning::Judged(_) | Meaning::TokenRefused { .. } => None,
    }
}

/// What the answer says about the key, read member by member: an active key, or why it is refused; `None` where the key
/// was not judged.
fn judgement(status: u16, body: &[u8]) -> Option<Result<Vec<(String, Value)>, Refusal>> {
    if status != 200 {
        let is_about_keys = |code: &String| code.contains("API_KEY");
        let codes = error_codes(body).into_iter().filter(is_about_keys).collect::<Vec<_>>().join(" ");
        return match status {
            400 | 401 | 403 | 404 if codes.contains("REVOKED") => Some(Err(Refusal::Revoked)),
            400 | 401 | 403 | 404 if codes.contains("INACTIVE") => Some(Err(Refusal::Inactive)),
            400 | 401 | 403 | 404 if !codes.is_empty() => Some(Err(Refusal::Invalid)),
            _ => None,
        };
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

/// Every member of an accepted answer has to arrive as it is.
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

fn error_codes(body: &[u8]) -> Vec<String> {
    let answer = members(body, &["errors"]).unwrap_or_default();
    let errors = match member(&answer, "errors") {
        Some(Value::Array(errors)) => errors.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    errors.iter().filter_map(|error| Some(error.get("code")?.as_str()?.to_ascii_uppercase())).collect()
}

fn member<'a>(answer: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    answer.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn text<'a>(answer: &'a [(String, Value)], name: &str) -> Option<&'a str> {
    member(answer, name)?.as_str()
}

/// The members of an object that have these names; `None` where the body is no object in UTF-8, or has one of them twice.
/// Of the others only the form is looked at, as of any member that Kinde may bring some day.
fn members(body: &[u8], names: &'static [&'static str]) -> Option<Vec<(String, Value)>> {
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
    // Reads the whole of it once more, where that can be done: no member of an odd type hides what follows.
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
