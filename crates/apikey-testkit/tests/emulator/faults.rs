//! Every fault, over a real socket.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use apikey_testkit::{
    emulator::{Emulator, Endpoint, Fault, Gate, ScriptedAnswer},
    raw::{self, Connection, RawResponse},
};

use crate::{Scene, token_form, token_request};

/// The answer to a verification of a good key under a fault.
async fn under(fault: Fault) -> std::io::Result<RawResponse> {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(fault));
    scene.try_verify().await
}

#[tokio::test]
async fn latency_delays_the_normal_answer() {
    let start = Instant::now();
    let response = under(Fault::Latency(Duration::from_millis(60))).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!(response.json()["is_valid"], true);
}

#[tokio::test]
async fn a_held_answer_comes_when_the_gate_opens_and_tells_the_past() {
    let scene = Scene::new().await;
    let gate = Gate::new();
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    scene.emulator.revoke(&scene.key.key_id);
    gate.open();
    assert_eq!(connection.read_response(false).await.unwrap().json()["is_valid"], true);
    assert_eq!(scene.try_verify().await.unwrap().json()["is_valid"], false);
}

#[tokio::test]
async fn a_hang_never_answers_and_ends_with_its_client() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    let answer = tokio::time::timeout(Duration::from_millis(50), connection.read_response(false)).await;
    assert!(answer.is_err(), "{answer:?}");
    drop(connection);
    let counters = scene.emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    assert_eq!(counters.most_verifications_in_flight, 1);
}

#[tokio::test]
async fn cut_connections_end_idle_or_not_and_new_ones_are_served() {
    let scene = Scene::new().await;
    let mut idle = Connection::connect(scene.emulator.address()).await.unwrap();
    idle.send(&scene.verification(&scene.key.secret)).await.unwrap();
    assert_eq!(idle.read_response(false).await.unwrap().status, 200);
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    let mut asking = Connection::connect(scene.emulator.address()).await.unwrap();
    asking.send(&scene.verification(&scene.key.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    scene.emulator.cut_connections();
    assert!(idle.read_response(false).await.is_err());
    assert!(asking.read_response(false).await.is_err());
    scene.emulator.set_fault(Endpoint::Verify, None);
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    assert_eq!(under(Fault::Reset).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_hits_a_connection_that_was_kept_alive() {
    let scene = Scene::new().await;
    scene.emulator.script_faults(Endpoint::Verify, vec![None, Some(Fault::Reset)]);
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    assert_eq!(connection.read_response(false).await.unwrap().status, 200);
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    assert_eq!(connection.read_response(false).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_close_is_an_end_without_an_answer() {
    assert_eq!(under(Fault::Close).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_status_has_kindes_error_shape() {
    let response = under(Fault::status(503)).await.unwrap();
    assert_eq!(
        (response.status, &response.json()["errors"][0]["code"]),
        (503, &"SERVICE_UNAVAILABLE".into())
    );
    let response = under(Fault::status(404)).await.unwrap();
    assert_eq!((response.status, &response.json()["errors"]["code"]), (404, &"ROUTE_NOT_FOUND".into()));
    let response = under(Fault::Status { status: 599, body: "no JSON".to_owned() }).await.unwrap();
    assert_eq!((response.status, response.body_text().as_str()), (599, "no JSON"));
}

#[tokio::test]
async fn a_429_says_when_to_come_back_or_does_not() {
    let both = Fault::TooManyRequests { rate_limit_reset: Some(5), retry_after: Some(7) };
    let response = under(both).await.unwrap();
    assert_eq!((response.status, response.header("RateLimit-Reset")), (429, Some("5")));
    assert_eq!(response.header("Retry-After"), Some("7"));
    let neither = Fault::TooManyRequests { rate_limit_reset: None, retry_after: None };
    let response = under(neither).await.unwrap();
    assert_eq!((response.header("ratelimit-reset"), response.header("retry-after")), (None, None));
    assert_eq!(response.json()["errors"][0]["code"], "TOO_MANY_REQUESTS");
}

#[tokio::test]
async fn garbage_claims_to_be_json_and_is_not() {
    let response = under(Fault::Garbage).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.header("content-type").unwrap().starts_with("application/json"));
    assert!(serde_json::from_slice::<serde_json::Value>(&response.body).is_err());
}

#[tokio::test]
async fn raw_garbage_is_not_http() {
    assert_eq!(under(Fault::RawGarbage).await.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_raw_answer_is_sent_bit_for_bit() {
    let bytes = b"HTTP/1.1 200 Fine\r\nA: \xff\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\nxyz";
    let error = under(Fault::RawAnswer(bytes.to_vec())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);

    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::RawAnswer(bytes.to_vec())));
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    assert_eq!(connection.read_to_end().await.unwrap(), bytes);
}

#[tokio::test]
async fn a_huge_body_has_the_size_asked_for_and_announces_none() {
    for size in [1, 10, 100_000, 3_000_000] {
        let response = under(Fault::HugeBody(size)).await.unwrap();
        assert_eq!((response.status, response.body.len()), (200, size));
        assert!(response.header("content-length").is_none());
        assert!(response.body.starts_with(&b"{\"code\":\""[..size.min(9)]));
    }
}

#[tokio::test]
async fn an_empty_answer_is_a_200_without_a_body() {
    let response = under(Fault::Empty).await.unwrap();
    assert_eq!((response.status, response.body.len()), (200, 0));
}

#[tokio::test]
async fn a_slow_body_drips_the_normal_answer() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::SlowBody(Duration::from_millis(1))));
    let start = Instant::now();
    let response = scene.try_verify().await.unwrap();
    assert_eq!(response.json()["is_valid"], true);
    assert!(start.elapsed() >= Duration::from_millis(response.body.len() as u64 - 1));
    assert_eq!(scene.emulator.counters().verifications_in_flight, 0);
}

#[tokio::test]
async fn a_slow_bodys_headers_do_not_wait() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::SlowBody(Duration::from_secs(3600))));
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    // Reading it like the answer to a HEAD request stops after the headers.
    let response = connection.read_response(true).await.unwrap();
    assert!(response.header("content-length").unwrap().parse::<u32>().unwrap() > 100);
    assert_eq!(scene.emulator.counters().verifications_in_flight, 1);
    drop(connection);
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
}

#[tokio::test]
async fn a_redirect_names_its_location() {
    let response = under(Fault::Redirect("http://127.0.0.1:9/elsewhere".to_owned())).await.unwrap();
    assert_eq!((response.status, response.header("location")), (302, Some("http://127.0.0.1:9/elsewhere")));
}

#[tokio::test]
async fn a_flap_fails_every_second_call() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::Flap));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(scene.try_verify().await.unwrap().status);
    }
    assert_eq!(statuses, [200, 503, 200, 503]);
}

#[tokio::test]
async fn a_scripted_answer_is_sent_as_it_is() {
    let answer = ScriptedAnswer::json(418, &serde_json::json!([1])).header("x-one", "1");
    let response = under(Fault::Answer(answer)).await.unwrap();
    assert_eq!((response.status, response.body_text().as_str()), (418, "[1]"));
    assert_eq!(response.header("x-one"), Some("1"));
}

#[tokio::test]
async fn a_stalled_body_sends_half_of_what_it_announces() {
    let scene = Scene::new().await;
    let answer = ScriptedAnswer::new(503, "0123456789").header("retry-after", "3600");
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::StalledBody(answer)));
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    // Reading it like the answer to a HEAD request stops after the headers.
    let response = connection.read_response(true).await.unwrap();
    assert_eq!((response.status, response.header("retry-after")), (503, Some("3600")));
    assert_eq!(response.header("content-length"), Some("10"));
    scene.emulator.set_fault(Endpoint::Verify, None);
    assert_eq!(scene.emulator.counters().verifications_in_flight, 1);
    let rest = tokio::time::timeout(Duration::from_millis(50), connection.read_to_end()).await;
    assert!(rest.is_err(), "{rest:?}");
    scene.emulator.cut_connections();
    assert_eq!(connection.read_to_end().await.unwrap(), b"01234");
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
}

#[tokio::test]
async fn a_body_that_never_starts_has_no_length() {
    let scene = Scene::new().await;
    let fault = Fault::StalledBody(ScriptedAnswer::new(200, ""));
    scene.emulator.set_fault(Endpoint::Verify, Some(fault));
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    let response = connection.read_response(true).await.unwrap();
    assert_eq!((response.status, response.header("content-length")), (200, None));
    let rest = tokio::time::timeout(Duration::from_millis(50), connection.read_to_end()).await;
    assert!(rest.is_err(), "{rest:?}");
}

#[tokio::test]
async fn any_fault_can_come_late() {
    let late = |fault| Fault::After(Duration::from_millis(30), Box::new(fault));
    let start = Instant::now();
    assert_eq!(under(late(Fault::status(503))).await.unwrap().status, 503);
    assert_eq!(under(late(Fault::Reset)).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let response = under(late(Fault::Latency(Duration::from_millis(30)))).await.unwrap();
    assert_eq!(response.json()["is_valid"], true);
    assert!(start.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_scripted_length_may_promise_too_much() {
    let answer = ScriptedAnswer::new(200, "{}").header("Content-Length", "50");
    assert_eq!(under(Fault::Answer(answer)).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn an_answer_that_cannot_be_sent_says_so() {
    let response = under(Fault::Answer(ScriptedAnswer::new(200, "").header("a b", "c"))).await.unwrap();
    assert_eq!(response.status, 500);
    assert!(response.body_text().contains("can't be sent"), "{}", response.body_text());
}

#[tokio::test]
async fn a_script_is_consumed_before_the_standing_fault() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
    let script = vec![Some(Fault::status(502)), None, Some(Fault::status(503))];
    scene.emulator.script_faults(Endpoint::Verify, script);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(scene.try_verify().await.unwrap().status);
    }
    assert_eq!(statuses, [502, 200, 503, 500, 500]);
    scene.emulator.set_fault(Endpoint::Verify, None);
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_fault_precedes_the_token_check_and_counts_nothing() {
    let mut scene = Scene::new().await;
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(500)), Some(Fault::status(500))]);
    assert_eq!(scene.try_verify().await.unwrap().status, 500);
    let token = std::mem::take(&mut scene.token);
    assert_eq!(scene.try_verify().await.unwrap().status, 500);
    scene.token = token;
    assert_eq!(scene.try_verify().await.unwrap().json()["verification_count"], 1);
}

#[tokio::test]
async fn the_token_endpoint_has_faults_of_its_own() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Token, Some(Fault::Reset));
    let request = token_request(&token_form(&scene.emulator));
    assert_eq!(scene.send(&request).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    scene.emulator.set_fault(Endpoint::Token, Some(Fault::SlowBody(Duration::ZERO)));
    assert!(scene.send(&request).await.unwrap().json()["access_token"].is_string());
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_stopped_emulator_cuts_its_connections_and_frees_its_port() {
    // If there is a loopback address that no other test uses, the test takes it: another test may soon get a freed
    // port.
    let [.., high, low] = std::process::id().to_be_bytes();
    let loopback = if cfg!(target_os = "linux") { [127, 77, high, low | 1] } else { [127, 0, 0, 1] };
    let emulator = Emulator::builder().listen((loopback, 0).into()).start().await.unwrap();
    let scene = Scene::with(emulator).await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    let address = scene.emulator.address();
    let mut connection = Connection::connect(address).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    scene.emulator.stop().await;
    assert_eq!(connection.read_response(false).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(Connection::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let again = Emulator::builder().listen(address).start().await.unwrap();
    assert_eq!(again.address(), address);
}

#[tokio::test]
async fn a_dropped_emulator_cuts_its_connections() {
    let emulator = Emulator::start().await.unwrap();
    let mut connection = Connection::connect(emulator.address()).await.unwrap();
    connection.send(&raw::get("/_emulator/counters", &[])).await.unwrap();
    assert_eq!(connection.read_response(false).await.unwrap().status, 200);
    drop(emulator);
    assert_eq!(connection.read_to_end().await.unwrap(), b"");
}
