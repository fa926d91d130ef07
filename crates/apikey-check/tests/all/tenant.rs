//! `apikey-check tenant`

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use apikey_testkit::emulator::{
    Emulator, EmulatorBuilder, Endpoint, Fault, IssuedKey, KeySpecification, NegativeAnswer, ScriptedAnswer,
};
use serde_json::{Value, json};

use crate::support::{Environment, Run, environment, program, run};

const CLIENT: &str = "canary-client-without-scope";
const SECRET: &str = "canary-secret-without-scope";
/// What must be in no record, besides the secrets of the emulator.
const CANARIES: [&str; 10] = [
    "canary",
    "org_acme",
    "Acme",
    "acme",
    "kp_alice",
    "alice",
    "tickets",
    "127.0.0.1",
    "localhost",
    "Emulator",
];

fn builder() -> EmulatorBuilder {
    Emulator::builder().client_without_scope(CLIENT, SECRET)
}

fn throw_away_key(emulator: &Emulator) -> IssuedKey {
    let specification = KeySpecification::new("Acme canary").scopes(["read:tickets", "read:api_keys"]);
    emulator.create_key(specification.organization("org_acme").user("kp_alice"))
}

fn with_second_client(emulator: &Emulator) -> Environment {
    environment(emulator, &[("KINDE_CHECK_CLIENT_ID", CLIENT), ("KINDE_CHECK_CLIENT_SECRET", SECRET)])
}

/// Does what the program asks for, as its user would: each time that it waits, `react` gets its prompt, and returns the
/// user's line.
fn survey(environment: &Environment, key: &str, mut react: impl FnMut(&str) -> &'static str) -> Run {
    let mut child = program(environment, &["tenant"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{key}\n").as_bytes()).unwrap();
    let mut stderr = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if line.contains("press Enter") {
            writeln!(stdin, "{}", react(&line)).unwrap();
        }
        stderr += &std::mem::take(&mut line);
    }
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    Run { status: child.wait().unwrap().code().unwrap(), stdout, stderr }
}

/// Makes the key inactive and revokes it when the program says so.
fn full_survey(emulator: &Emulator, key: &IssuedKey) -> Run {
    let ran = survey(&with_second_client(emulator), &key.secret, |prompt| {
        let status = if prompt.contains("inactive") { "inactive" } else { "revoked" };
        assert!(emulator.set_status(&key.key_id, status));
        ""
    });
    reveals_nothing(emulator, key, &ran);
    ran
}

fn reveals_nothing(emulator: &Emulator, key: &IssuedKey, ran: &Run) {
    ran.reveals_none_of([&key.secret, &key.key_id, emulator.client_secret(), emulator.client_id()]);
    ran.reveals_none_of(emulator.issued_tokens());
    ran.reveals_none_of(CANARIES);
    ran.reveals_none_of([emulator.address().port().to_string()]);
}

fn answers(ran: &Run) -> Vec<Value> {
    let record: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    record["answers"].as_array().unwrap().clone()
}

fn answer(ran: &Run, question: &str) -> Value {
    let found = answers(ran).into_iter().find(|answer| answer["question"] == question);
    found.unwrap_or_else(|| panic!("{question:?} is not in\n{}", ran.stdout))
}

const BAD_KEYS: [&str; 4] =
    ["an unknown key", "a malformed key", "the key, made inactive", "the key, revoked"];

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_makes_a_record_of_its_own() {
    let mut records = BTreeSet::new();
    for style in NegativeAnswer::ALL {
        let emulator = builder().start().await.unwrap();
        emulator.set_negative_answer(*style);
        let ran = full_survey(&emulator, &throw_away_key(&emulator));
        assert_eq!(ran.status, 0, "{ran:?}");
        for question in BAD_KEYS {
            // An unknown key has no status.
            let is_unknown = question.starts_with('a');
            let shown = if *style == NegativeAnswer::Status200 && is_unknown {
                &NegativeAnswer::Ok200
            } else {
                style
            };
            let mode = answer(&ran, question)["emulator"].clone();
            assert_eq!(mode, format!("{shown:?}").to_lowercase(), "{question}: {}", ran.stdout);
        }
        records.insert(ran.stdout);
    }
    assert_eq!(records.len(), NegativeAnswer::ALL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_answers_every_open_question() {
    let emulator = builder().start().await.unwrap();
    emulator.set_negative_answer(NegativeAnswer::Error401);
    let ran = full_survey(&emulator, &throw_away_key(&emulator));
    let library = |question: &str| answer(&ran, question)["library"].clone();

    let token = answer(&ran, "a token");
    assert_eq!((&token["status"], &token["body"]["expires_in"]), (&json!(200), &json!(86_399)));
    assert_eq!(
        (&token["body"]["access_token"], &token["body"]["token_type"]),
        (&json!("<JWT>"), &json!("bearer"))
    );
    let active = answer(&ran, "the key, active");
    assert_eq!(
        active["body"],
        json!({
            "code": "API_KEY_VERIFIED", "message": "API key verified", "is_valid": true, "status": "active",
            "key_id": "api_key_<32 hex>", "scopes": ["<12 characters, with :>", "read:api_keys"],
            "org_code": "org_<4 lower>", "user_id": "kp_<5 lower>", "verification_count": "<1 digits>",
            "last_verified_on": "<date YYYY-MM-DDThh:mm:ss+hh>",
        })
    );
    assert_eq!(active["headers"]["content-type"], "application/json; charset=utf-8");
    assert_eq!(library("the key, active"), "accepted");
    assert_eq!(library("an unknown key"), "refused: invalid");
    assert_eq!(library("a malformed key"), "refused: invalid");
    assert_eq!(library("the key, made inactive"), "refused: inactive");
    assert_eq!(library("the key, revoked"), "refused: revoked");
    let errors = |question: &str| answer(&ran, question)["body"]["errors"][0]["code"].clone();
    assert_eq!(errors("the key, without a token"), "TOKEN_MISSING");
    assert_eq!(errors("an unknown key, without a token"), "TOKEN_MISSING");
    assert_eq!(errors("the key, with a made-up token"), "TOKEN_INVALID");
    assert_eq!(errors("the key, with a token that lacks the scope"), "SCOPE_MISSING");
    assert_eq!(library("the key, with a token that lacks the scope"), "not judged: set-up");
    let details = answer(&ran, "the details of the key");
    assert_eq!(
        (&details["body"]["api_key"]["api_ids"], &details["status"]),
        (&json!(["<12 characters, with _>"]), &json!(200))
    );
    assert_eq!(answer(&ran, "the details of an unknown key")["status"], 404);
    assert_eq!(answers(&ran).len(), 12);
    // One token for the record, one for the calls, and one of the other client.
    assert_eq!(emulator.counters().token_calls, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_endpoint_without_a_token_is_recorded() {
    let emulator = builder().without_authentication().start().await.unwrap();
    let ran = full_survey(&emulator, &throw_away_key(&emulator));
    for question in ["the key, without a token", "the key, with a made-up token"] {
        assert_eq!(answer(&ran, question)["library"], "accepted");
    }
    assert_eq!(answer(&ran, "an unknown key, without a token")["library"], "refused: invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_can_be_skipped_or_repeated() {
    let emulator = builder().start().await.unwrap();
    let key = throw_away_key(&emulator);
    // The input ends after the key.
    let ran = run(&environment(&emulator, &[]), &["tenant"], &key.secret).await;
    for question in ["the key, made inactive", "the key, revoked"] {
        assert_eq!(answer(&ran, question)["skipped"], "by the user");
    }
    let question = "the key, with a token that lacks the scope";
    assert_eq!(answer(&ran, question)["skipped"], "KINDE_CHECK_CLIENT_ID is not set");
    assert_eq!(ran.status, 0, "{ran:?}");

    let mut prompts = 0;
    let ran = survey(&environment(&emulator, &[]), &key.secret, |prompt| {
        prompts += 1;
        match prompts {
            1 => "s",
            2 => "",
            _ => {
                assert!(prompt.contains("still accepts"), "{prompt}");
                emulator.revoke(&key.key_id);
                ""
            }
        }
    });
    assert_eq!((prompts, &answer(&ran, "the key, made inactive")["skipped"]), (3, &json!("by the user")));
    assert_eq!(answer(&ran, "the key, revoked")["library"], "refused: revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_limits_are_recorded_with_their_numbers() {
    let emulator = builder().start().await.unwrap();
    let fault = Fault::TooManyRequests { rate_limit_reset: Some(17), retry_after: Some(18) };
    emulator.set_fault(Endpoint::Verify, Some(fault));
    let ran = full_survey(&emulator, &throw_away_key(&emulator));
    let active = answer(&ran, "the key, active");
    assert_eq!((&active["status"], &active["library"]), (&json!(429), &json!("not judged: overload")));
    assert_eq!(
        (&active["headers"]["ratelimit-reset"], &active["headers"]["retry-after"]),
        (&json!("17"), &json!("18"))
    );
    assert_eq!(answer(&ran, "an unknown key")["emulator"], "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_keeps_nothing_that_only_the_tenant_has() {
    let emulator = builder().start().await.unwrap();
    let key = throw_away_key(&emulator);
    let body = json!({
        "is_valid": true, "status": "canary", "key_id": key.key_id, "acme": {"org_acme": "Acme"}, "scopes": ["canary"],
        "message": format!("Acme's key {} of https://acme.kinde.com is verified by 127.0.0.1", key.secret),
        "code": "ACME_API_KEY", "org_code": key.secret, "name": key.key_id,
    });
    let answered = ScriptedAnswer::json(200, &body)
        .header("ratelimit-policy", "\"acme\";q=10")
        .header("set-cookie", "canary=1")
        .header("x-acme", "canary")
        .header("www-authenticate", "Bearer realm=\"acme.kinde.com\"");
    emulator.set_answer(&key.key_id, Some(answered));
    let ran = full_survey(&emulator, &key);
    let shown = answer(&ran, "the key, active");
    assert_eq!(shown["headers"]["ratelimit-policy"], "\"<4 lower>\";<1 lower>=10");
    assert_eq!(shown["body"]["code"], "<4 upper>_API_KEY");
    // A page of something else on the way.
    for page in ["<html>Acme's canary</html>", "Acme's canary", "[\"Acme's canary\"]", "\"canary\""] {
        emulator.set_fault(Endpoint::Verify, Some(Fault::Answer(ScriptedAnswer::new(403, page))));
        full_survey(&emulator, &key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_that_gets_no_answer_fails() {
    let emulator = builder().start().await.unwrap();
    let key = throw_away_key(&emulator);
    emulator.set_fault(Endpoint::Verify, Some(Fault::Reset));
    let ran = full_survey(&emulator, &key);
    assert_eq!((ran.status, &answer(&ran, "the key, active")["skipped"]), (1, &json!("no answer: outage")));
    let half = [("KINDE_CHECK_CLIENT_SECRET", SECRET)];
    for (changes, input) in
        [(half.as_slice(), key.secret.as_str()), (&[], ""), (&[("KINDE_DOMAIN", "")], &key.secret)]
    {
        let ran = run(&environment(&emulator, changes), &["tenant"], input).await;
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
        reveals_nothing(&emulator, &key, &ran);
    }
}
