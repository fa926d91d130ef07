//! What answers mean: `verdicts` reads those with status 200, `errors` all others.

mod errors;
mod verdicts;

use super::*;
use crate::kinde::json::odd_json;
use crate::kinde::meaning::Doubt;
use crate::kinde::retry_after::RetryAfter;
use crate::kinde::status::status_decides;
use crate::kinde::token_response::read_token_response;
use crate::verification::Verdict;
use crate::verifier::FailureClass;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

const NAMES: SettingNames = SettingNames::VARIABLES;

fn head(status: u16) -> Head {
    Head { status, retry_after: RetryAfter::default() }
}

fn read(status: u16, body: &[u8]) -> Meaning {
    read_verify_response(head(status), Some(body), NAMES)
}

fn judged(body: Value) -> Meaning {
    read(200, body.to_string().as_bytes())
}

fn refused(refusal: Refusal) -> Meaning {
    Meaning::Judged(Judgement::refused(refusal))
}

fn class(meaning: &Meaning) -> Option<FailureClass> {
    match meaning {
        Meaning::NotJudged(error) => Some(error.class()),
        Meaning::Judged(_) | Meaning::TokenDoubted(_) => None,
    }
}

fn is_unjudged(meaning: &Meaning) -> bool {
    class(meaning) == Some(FailureClass::Unjudged)
}

fn is_accepted(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::Judged(judgement) if judgement.is_accepted())
}

fn errors(codes: &[&str]) -> String {
    let errors: Vec<Value> = codes.iter().map(|code| json!({"code": code, "message": "m"})).collect();
    json!({"errors": errors}).to_string()
}

proptest! {
    #[test]
    fn no_answer_but_a_valid_active_one_lets_a_key_in(
        status in prop_oneof![Just(200_u16), 100..600_u16],
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(!is_accepted(&read(status, &body)));
    }

    #[test]
    fn a_key_is_let_in_exactly_when_all_of_it_is_right(
        is_valid in prop_oneof![Just(json!(true)), Just(json!(false)), Just(json!("true")), Just(json!(null))],
        status in prop_oneof![Just(json!("active")), Just(json!("revoked")), Just(json!("x")), Just(json!(null))],
        key_id in prop_oneof![Just(json!("k")), Just(json!("")), Just(json!(1)), Just(json!(null))],
        scopes in prop_oneof![Just(json!(["a"])), Just(json!(null)), Just(json!([1])), Just(json!("a"))],
        http_status in prop_oneof![4 => Just(200_u16), 1 => 200..600_u16],
    ) {
        let body = json!({"is_valid": is_valid, "status": status, "key_id": key_id, "scopes": scopes}).to_string();
        let right = http_status == 200 && is_valid == json!(true) && status == json!("active")
            && key_id == json!("k") && (scopes == json!(["a"]) || scopes == json!(null));
        prop_assert_eq!(is_accepted(&read(http_status, body.as_bytes())), right);
    }

    #[test]
    fn nothing_that_kinde_says_is_repeated(secret in "[A-Za-z0-9_]{20,40}", status in 200..600_u16) {
        let bodies = [
            json!({"errors": [{"code": &secret, "message": &secret}]}),
            json!({"error": &secret, "error_description": &secret}),
            json!({"is_valid": &secret, "message": &secret}),
        ];
        for body in bodies {
            let body = body.to_string();
            let token = read_token_response(head(status), Some(body.as_bytes()), NAMES);
            let said = format!("{:?}{:?}", read(status, body.as_bytes()), token);
            prop_assert!(!said.contains(&secret), "{}", said);
        }
    }
}
