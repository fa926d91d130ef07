//! The probe against servers on real sockets whose guards can be wrong.

mod answers;
mod documents;
mod flaws;
mod inputs;
mod routes;
mod server;

use apikey_testkit::{
    emulator::Emulator,
    probe::{FindingKind, Probe, Report},
};
use serde_json::{Map, Value, json};
use server::{Route, Server};

/// A document with these operations: method, path and the members of the operation.
fn document(operations: &[(&str, &str, Value)]) -> Value {
    let mut paths = Map::new();
    for (method, path, operation) in operations {
        let item = paths.entry((*path).to_owned()).or_insert(json!({}));
        item[method.to_ascii_lowercase()] = operation.clone();
    }
    json!({
        "openapi": "3.1.0",
        "paths": paths,
        "components": {"securitySchemes": {
            "bearer": {"type": "http", "scheme": "Bearer"},
            "basic": {"type": "http", "scheme": "basic"},
            "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            "scheme": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "x-apikey-scheme": "ApiKey"},
            "query": {"type": "apiKey", "in": "query", "name": "key"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "key"},
            "oauth": {"type": "oauth2", "flows": {}},
            "openid": {"type": "openIdConnect", "openIdConnectUrl": "https://example.com"},
            "certificate": {"type": "mutualTLS"},
            "digest": {"type": "http", "scheme": "digest"},
        }},
    })
}

/// An operation that takes a bearer token with one of these sets of scopes.
fn bearer(alternatives: &[&[&str]]) -> Value {
    let alternatives: Vec<Value> = alternatives.iter().map(|scopes| json!({ "bearer": scopes })).collect();
    json!({ "security": alternatives })
}

async fn emulator() -> Emulator {
    Emulator::builder().without_authentication().start().await.unwrap()
}

/// Probes a server with these routes.
async fn probed(document: &Value, routes: Vec<Route>) -> Report {
    let emulator = emulator().await;
    let server = Server::start(&emulator, routes).await;
    Probe::new(document, &server.url()).unwrap().run(&emulator).await
}

/// The findings: their kinds and operations.
fn found(report: &Report) -> Vec<(FindingKind, &str)> {
    report
        .findings()
        .iter()
        .map(|finding| (finding.kind(), finding.operation().unwrap_or_default()))
        .collect()
}

/// That these are the findings, and that the only note is the one about the other direction.
#[track_caller]
fn assert_finds(report: &Report, kinds: &[FindingKind], words: &[&str]) {
    let text = report.to_string();
    assert_eq!(found(report).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), kinds, "{text}");
    for words in words {
        assert!(text.contains(words), "{words:?} is missing in:\n{text}");
    }
}
