//! Kinde's webhooks at all reference servers: `KINDE_WEBHOOKS`. Each answer is the same on all of them.

use crate::server::{SERVERS, Server, request};
use apikey_testkit::emulator::{Endpoint, Fault};
use apikey_testkit::raw::{self, RawResponse};
use example_shared::LONGEST_WEBHOOK;
use serde_json::{Value, json};

const PATH: &str = "/kinde/webhook";

async fn server(package: &str) -> Server {
    Server::start(package, &[("KINDE_WEBHOOKS", "on".to_owned())]).await
}

async fn post(server: &Server, headers: &[(&str, &str)], body: &str) -> RawResponse {
    let headers = [&[("Content-Type", "application/jwt")], headers].concat();
    let response = raw::exchange(server.api, &raw::request("POST", PATH, &headers, body.as_bytes())).await;
    let response = response.unwrap();
    assert_eq!(response.header("content-type"), Some("application/json"));
    response
}

async fn result(server: &Server, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let response = post(server, headers, body).await;
    let body: Value = response.json();
    (response.status, body.get("result").or_else(|| body.get("code")).cloned().unwrap())
}

async fn status(server: &Server, key: &str) -> u16 {
    raw::exchange(server.api, &request("/api/me", Some(key))).await.unwrap().status
}

#[tokio::test]
async fn a_webhook_ends_the_keys_of_who_is_gone() {
    for package in SERVERS {
        let server = server(package).await;
        let (user, organization) = ("k_live_user", "k_live_organization");
        for key in [user, organization] {
            assert_eq!(status(&server, key).await, 200, "{package}");
        }
        server.emulator.revoke("api_key_user");
        server.emulator.revoke("api_key_organization");
        for key in [user, organization] {
            assert_eq!(status(&server, key).await, 200, "{package}: the answer is cached");
        }
        let suspended = json!({"user": {"id": "kp_alice", "is_suspended": true}});
        let suspended = server.emulator.webhook("user.updated", suspended);
        assert_eq!(result(&server, &[], &suspended).await, (200, json!("removed")), "{package}");
        assert_eq!(
            [status(&server, user).await, status(&server, organization).await],
            [401, 200],
            "{package}"
        );
        let deleted = json!({"organization": {"code": "org_acme"}});
        let deleted = server.emulator.webhook("organization.deleted", deleted);
        assert_eq!(result(&server, &[], &deleted).await, (200, json!("removed")), "{package}");
        assert_eq!(status(&server, organization).await, 401, "{package}");
        let metrics = server.metrics_when(|_| true).await;
        assert_eq!(metrics.total("apikey_webhooks_total", "result=\"removed\""), 2, "{package}");
        server.running.terminate().await.unwrap();
    }
}

/// The answers to the same webhooks, in which only the names of the servers differ.
async fn answers(server: &Server) -> Vec<(u16, Value)> {
    let emulator = &server.emulator;
    let deleted = || emulator.webhook("user.deleted", json!({"user": {"id": "kp_alice"}}));
    // Anybody can choose Kinde's id of a delivery, so it does not count.
    let (id, another) = ([("Webhook-Id", "msg_1")], [("Webhook-Id", "msg_2")]);
    let mut answers = Vec::new();
    emulator.set_fault(Endpoint::KeySet, Some(Fault::status(503)));
    answers.push(result(server, &id, &deleted()).await);
    emulator.set_fault(Endpoint::KeySet, None);
    // A fetch is tried again after 4 s.
    tokio::time::sleep(std::time::Duration::from_millis(4_100)).await;
    let once = deleted();
    answers.push(result(server, &id, &once).await);
    answers.push(result(server, &id, &once).await);
    answers.push(result(server, &another, &once).await);
    answers.push(result(server, &[], &once).await);
    answers.push(result(server, &[], &format!("{}\n", deleted())).await);
    answers.push(result(server, &[], &emulator.webhook("made.up", json!(null))).await);
    answers.push(result(server, &[], "").await);
    answers.push(result(server, &[], r#"{"type":"user.deleted"}"#).await);
    answers.push(result(server, &[], &"x".repeat(LONGEST_WEBHOOK)).await);
    answers.push(result(server, &[], &"x".repeat(LONGEST_WEBHOOK + 1)).await);
    let forged = emulator.sign(&json!({"alg": "RS256", "kid": "another"}), b"{}");
    answers.push(result(server, &[], &forged).await);
    let header = json!({"alg": "RS256", "kid": emulator.webhook_key()});
    let old = json!({"type": "user.deleted", "event_id": "1", "timestamp": 1_700_000_000, "data": {}});
    answers.push(result(server, &[], &emulator.sign(&header, old.to_string().as_bytes())).await);
    answers
}

#[tokio::test]
async fn every_server_answers_a_webhook_alike() {
    let expected = [
        (503, "WEBHOOK_UNAVAILABLE"),
        (200, "removed"),
        (200, "repeated"),
        (200, "repeated"),
        (200, "repeated"),
        (200, "removed"),
        (200, "ignored"),
        (400, "INVALID_WEBHOOK"),
        (400, "INVALID_WEBHOOK"),
        (400, "INVALID_WEBHOOK"),
        (413, "BODY_TOO_LARGE"),
        (401, "INVALID_SIGNATURE"),
        (400, "WEBHOOK_EXPIRED"),
    ];
    let expected = expected.map(|(status, word)| (status, json!(word)));
    for package in SERVERS {
        let server = server(package).await;
        assert_eq!(answers(&server).await, expected, "{package}");
        server.running.terminate().await.unwrap();
    }
}

#[tokio::test]
async fn the_bytes_of_an_answer_do_not_depend_on_the_server() {
    let mut first = None;
    for package in SERVERS {
        let server = server(package).await;
        let mut bodies = Vec::new();
        for body in ["x".to_owned(), "x".repeat(LONGEST_WEBHOOK + 1), server.emulator.webhook("x", json!({}))]
        {
            bodies.push(post(&server, &[], &body).await.body_text());
        }
        // A body of unknown length has the same limit.
        let chunk = "x".repeat(LONGEST_WEBHOOK + 1);
        let chunked = format!(
            "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
            chunk.len()
        );
        bodies.push(raw::exchange(server.api, chunked.as_bytes()).await.unwrap().body_text());
        assert_eq!(*first.get_or_insert_with(|| bodies.clone()), bodies, "{package}");
        server.running.terminate().await.unwrap();
    }
}

#[tokio::test]
async fn there_is_no_route_for_webhooks_unless_they_are_turned_on() {
    for package in SERVERS {
        let server = Server::start(package, &[]).await;
        let webhook = server.emulator.webhook("user.deleted", json!({"user": {"id": "kp_alice"}}));
        let request = raw::request("POST", PATH, &[], webhook.as_bytes());
        assert_eq!(raw::exchange(server.api, &request).await.unwrap().status, 404, "{package}");
        assert_eq!(server.emulator.counters().key_set_calls, 0, "{package}");
        server.running.terminate().await.unwrap();
    }
}
