//! Another client: Python's `grpcio`, which is built on gRPC's C core.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::world::{LIMIT, OUTAGE, READER, REVOKED, SET_UP, UNKNOWN, WRITER, World};

const ME: &str = "/users.v1.Users/WhoAmI";
const LIST: &str = "/users.v1.Users/List";
const IMPORT: &str = "/users.v1.Users/Import";
const FORGET: &str = "/users.v1.Administration/ForgetKey";

/// Makes these calls on one channel, one after the other.
async fn calls(world: &World, calls: Vec<Value>) -> Vec<Value> {
    let python =
        std::env::var_os("GRPCIO_PYTHON").expect("`cargo xtask grpcio` names a Python that has grpcio");
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client.py")).arg(world.address.to_string());
    let client = move || {
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        client.stdin.take().unwrap().write_all(json!(calls).to_string().as_bytes()).unwrap();
        let output = client.wait_with_output().unwrap();
        assert!(output.status.success(), "the client failed and says why above");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    tokio::task::spawn_blocking(client).await.unwrap()
}

fn call(kind: &str, method: &str, authorization: &[&str]) -> Value {
    json!({ "kind": kind, "method": method, "authorization": authorization })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python's grpcio: `cargo xtask grpcio` runs it"]
async fn another_client_sees_each_status_and_message() {
    let world = World::new().await;
    let bearer = |key: &str| format!("Bearer {key}");
    let unary = |key: &str| call("unary", ME, &[&bearer(key)]);
    let expected = [
        (call("unary", ME, &[]), "UNAUTHENTICATED", "No authorization header"),
        (call("unary", ME, &["Digest x"]), "UNAUTHENTICATED", "Invalid authorization format"),
        (
            call("unary", ME, &["Bearer k_1", "Bearer k_2"]),
            "INVALID_ARGUMENT",
            "More than one API key presented",
        ),
        (unary(UNKNOWN), "UNAUTHENTICATED", "Invalid API key"),
        (unary(REVOKED), "UNAUTHENTICATED", "API key is not active"),
        (
            call("unary", FORGET, &[&bearer(READER)]),
            "PERMISSION_DENIED",
            "Insufficient scope. Required: admin",
        ),
        (unary(OUTAGE), "UNAVAILABLE", "API key verification is temporarily unavailable"),
        (unary(SET_UP), "INTERNAL", "Internal server error"),
        (call("download", LIST, &[]), "UNAUTHENTICATED", "No authorization header"),
        (call("upload", IMPORT, &[]), "UNAUTHENTICATED", "No authorization header"),
        (call("upload", IMPORT, &[&bearer(UNKNOWN)]), "UNAUTHENTICATED", "Invalid API key"),
        (
            call("upload", IMPORT, &[&bearer(READER)]),
            "PERMISSION_DENIED",
            "Insufficient scope. Required: write:users",
        ),
        (call("endless", IMPORT, &[]), "UNAUTHENTICATED", "No authorization header"),
        (unary(WRITER), "OK", ""),
        (call("download", LIST, &[&bearer(READER)]), "OK", ""),
    ];
    let answers = calls(&world, expected.iter().map(|(call, ..)| call.clone()).collect()).await;
    assert_eq!(answers.len(), expected.len());
    for ((call, code, details), answer) in expected.iter().zip(answers) {
        assert_eq!(
            (answer["code"].as_str(), answer["details"].as_str()),
            (Some(*code), Some(*details)),
            "{call}"
        );
        let retry_after = answer["retry_after"].as_str();
        assert_eq!(retry_after.is_some(), *code == "UNAVAILABLE", "{call}: {retry_after:?}");
    }
    assert_eq!(world.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python's grpcio: `cargo xtask grpcio` runs it"]
async fn another_client_sees_that_it_is_limited() {
    let world = World::new().await;
    let junk = (0..=LIMIT).map(|junk| call("unary", ME, &[&format!("Bearer k_live_junk_{junk}")]));
    let answers = calls(&world, junk.collect()).await;
    let last = answers.last().unwrap();
    assert_eq!(last["code"], "RESOURCE_EXHAUSTED");
    assert_eq!(last["details"], "Too many verification attempts");
    assert!(last["retry_after"].is_string());
}
