//! One answer of Kinde's, as a record shows it.

use apikey_core::{FailureClass, Judgement, KindeResponse, Refusal, Verdict, VerifierError};
use apikey_testkit::emulator::NegativeAnswer;
use serde_json::{Map, Value, json};

use super::shape::{of_body, of_words};

/// The longest number in a header of limits that is repeated, in digits.
const LONGEST_NUMBER: usize = 10;

/// The answer, without what the library makes of it.
pub(super) fn of_response(question: &str, response: &KindeResponse) -> Map<String, Value> {
    let mut record = Map::new();
    record.insert("question".to_owned(), question.into());
    record.insert("status".to_owned(), response.status().into());
    let headers = response
        .headers()
        .filter_map(|(name, value)| Some((name.to_owned(), of_header(name, value)?.into())));
    record.insert("headers".to_owned(), Value::Object(headers.collect()));
    record.insert("body".to_owned(), of_body(response.body()));
    record
}

/// A question that got no answer.
pub(super) fn of_silence(question: &str, error: &VerifierError) -> Map<String, Value> {
    of_skipped(question, &format!("no answer: {}", class(error)))
}

/// A question that was not asked.
pub(super) fn of_skipped(question: &str, why: &str) -> Map<String, Value> {
    [("question".to_owned(), question.into()), ("skipped".to_owned(), why.into())].into_iter().collect()
}

/// What the library makes of an answer, in words of its own.
pub(super) fn reading(judged: &Result<Judgement, VerifierError>) -> String {
    match judged.as_ref().map(Judgement::verdict) {
        Ok(Verdict::Accepted(_)) => "accepted".to_owned(),
        Ok(Verdict::Refused(Refusal::Revoked)) => "refused: revoked".to_owned(),
        Ok(Verdict::Refused(Refusal::Inactive)) => "refused: inactive".to_owned(),
        Ok(Verdict::Refused(_)) => "refused: invalid".to_owned(),
        Err(error) => format!("not judged: {}", class(error)),
    }
}

fn class(error: &VerifierError) -> &'static str {
    match error.class() {
        FailureClass::Overload => "overload",
        FailureClass::Outage => "outage",
        FailureClass::SetUp => "set-up",
        FailureClass::ServiceRefused => "service refused",
        FailureClass::Unjudged => "unjudged",
        _ => "another class",
    }
}

/// The mode in which the emulator answers for a bad key as Kinde did; `None` if it has no such mode.
pub(super) fn mode(
    status: u16,
    body: Option<&[u8]>,
    judged: &Result<Judgement, VerifierError>,
) -> Option<NegativeAnswer> {
    let body = body.unwrap_or_default();
    let value = serde_json::from_slice::<Value>(body).ok();
    let is_object = value.as_ref().is_some_and(Value::is_object);
    let is_about_the_key = judged.is_ok();
    match (status, value.as_ref().and_then(|value| value.get("is_valid"))) {
        (200, Some(Value::Bool(true))) => Some(NegativeAnswer::Status200),
        (200, Some(Value::Bool(false))) => Some(NegativeAnswer::Ok200),
        (200, _) if is_object => Some(NegativeAnswer::Unreadable200),
        (200, _) => Some(NegativeAnswer::Garbage200),
        (400, _) if is_about_the_key => Some(NegativeAnswer::Error400),
        (401, _) if is_about_the_key => Some(NegativeAnswer::Error401),
        (403, _) if is_about_the_key => Some(NegativeAnswer::Error403),
        (404, _) if is_about_the_key => Some(NegativeAnswer::Error404),
        (400, _) if is_object => Some(NegativeAnswer::Anonymous400),
        (401, _) if is_object => Some(NegativeAnswer::Anonymous401),
        (403, _) if is_object => Some(NegativeAnswer::Anonymous403),
        (404, _) if is_object => Some(NegativeAnswer::Anonymous404),
        (400, _) => Some(NegativeAnswer::Bare400),
        (401, _) => Some(NegativeAnswer::Bare401),
        (403, _) => Some(NegativeAnswer::Bare403),
        (404, _) => Some(NegativeAnswer::Bare404),
        _ => None,
    }
}

/// The value of a header that a record shows. Names are in lower case.
fn of_header(name: &str, value: &str) -> Option<String> {
    let is_limit = ["retry-after", "ratelimit", "ratelimit-policy"].contains(&name)
        || ["ratelimit-", "x-ratelimit-", "x-rate-limit-"].iter().any(|begin| {
            let rest = name.strip_prefix(begin);
            rest.is_some_and(|rest| ["limit", "remaining", "reset", "policy", "used"].contains(&rest))
        });
    match name {
        _ if is_limit => Some(of_words(value, LONGEST_NUMBER)),
        "content-type" => Some(of_words(value, 2)),
        "cache-control" | "www-authenticate" => Some(of_words(value, 0)),
        _ => None,
    }
}

/// The whole record.
pub(super) fn of_answers(answers: Vec<Map<String, Value>>) -> Value {
    json!({
        "made_by": concat!("apikey-check ", env!("CARGO_PKG_VERSION")),
        "answers": answers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_of_interest_are_shown_and_only_in_known_words() {
        for (name, value, shown) in [
            ("ratelimit-reset", "17", Some("17")),
            ("retry-after", "120", Some("120")),
            ("ratelimit-policy", "\"acme\";q=100;w=60", Some("\"<4 lower>\";<1 lower>=100;<1 lower>=60")),
            ("x-ratelimit-limit", "12345678901", Some("<11 digits>")),
            ("x-ratelimit-acme", "5", None),
            ("content-type", "application/json; charset=utf-8", Some("application/json; charset=utf-8")),
            ("www-authenticate", "Bearer realm=\"acme7\"", Some("Bearer realm=\"<5 letters and digits>\"")),
            ("set-cookie", "acme=1", None),
            ("server", "acme", None),
        ] {
            assert_eq!(of_header(name, value).as_deref(), shown, "{name}");
        }
    }
}
