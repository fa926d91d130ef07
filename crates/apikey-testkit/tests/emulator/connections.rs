//! Faults of single connections and of the listening socket.

use std::{io::ErrorKind, time::Duration};

use apikey_testkit::{
    emulator::{Endpoint, Fault, Gate},
    raw::{self, Connection, RawResponse},
};
use tokio::{net::TcpSocket, time::timeout};

use crate::Scene;

/// Longer than an answer takes on an idle machine.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Nothing arrives on this connection, neither an answer nor its end.
async fn assert_silent(connection: &mut Connection) {
    let heard = timeout(A_MOMENT, connection.read_response(false)).await;
    assert!(heard.is_err(), "{heard:?}");
}

fn is_valid(response: RawResponse) -> bool {
    response.json()["is_valid"] == true
}

#[tokio::test]
async fn each_connection_closes_at_its_nth_use() {
    let scene = Scene::new().await;
    for nth in 1..=3 {
        scene.emulator.close_connections_at_use(Some(nth));
        scene.emulator.reset_counters();
        for _ in 0..2 {
            let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
            for _ in 1..nth {
                assert!(is_valid(scene.ask_on(&mut connection).await.unwrap()));
            }
            let error = scene.ask_on(&mut connection).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        }
        let counters = scene.emulator.counters();
        assert_eq!((counters.verify_calls, counters.connections), (2 * nth, 2));
        assert_eq!(counters.verifications_in_flight, 0);
    }
    scene.emulator.close_connections_at_use(None);
    let mut connection = scene.used_connection().await;
    assert!(is_valid(scene.ask_on(&mut connection).await.unwrap()));
}

#[tokio::test]
async fn a_use_is_a_use_whatever_became_of_it() {
    let scene = Scene::new().await;
    scene.emulator.close_connections_at_use(Some(3));
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(503)), None, Some(Fault::Empty)]);
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    assert_eq!(scene.ask_on(&mut connection).await.unwrap().status, 503);
    connection.send(&raw::get("/_emulator/keys", &[])).await.unwrap();
    assert_eq!(connection.read_response(false).await.unwrap().status, 200);
    connection.send(&raw::get("/unknown", &[])).await.unwrap();
    assert_eq!(connection.read_response(false).await.unwrap().status, 404);
    assert_eq!(scene.ask_on(&mut connection).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    // The closed call used up no step of the script.
    assert!(is_valid(scene.try_verify().await.unwrap()));
}

#[tokio::test]
async fn an_overused_connection_closes_at_its_next_use() {
    let scene = Scene::new().await;
    let mut connection = scene.used_connection().await;
    scene.emulator.close_connections_at_use(Some(1));
    assert_eq!(scene.ask_on(&mut connection).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
#[should_panic(expected = "number 1")]
async fn a_use_number_0_is_a_mistake() {
    Scene::new().await.emulator.close_connections_at_use(Some(0));
}

#[tokio::test]
async fn an_idle_close_is_not_announced_by_the_answer() {
    let scene = Scene::new().await;
    scene.emulator.close_idle_connections(Some(Duration::from_millis(1)));
    let mut unused = Connection::connect(scene.emulator.address()).await.unwrap();
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    let response = scene.ask_on(&mut connection).await.unwrap();
    assert_eq!((response.status, response.header("connection")), (200, None));
    assert_eq!(connection.read_to_end().await.unwrap(), b"");
    assert!(is_valid(scene.ask_on(&mut unused).await.unwrap()));
}

#[tokio::test]
async fn a_call_under_way_is_not_idle() {
    let scene = Scene::new().await;
    scene.emulator.close_idle_connections(Some(Duration::from_millis(1)));
    let gate = Gate::new();
    let script = vec![None, Some(Fault::Hold(gate.clone())), Some(Fault::SlowBody(Duration::from_millis(1)))];
    scene.emulator.script_faults(Endpoint::Verify, script);
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    let request = scene.verification(&scene.key.secret);
    connection.send(&[request.as_slice(); 3].concat()).await.unwrap();
    assert!(is_valid(connection.read_response(false).await.unwrap()));
    assert_silent(&mut connection).await;
    gate.open();
    for _ in 0..2 {
        assert!(is_valid(connection.read_response(false).await.unwrap()));
    }
    assert_eq!(connection.read_to_end().await.unwrap(), b"");
}

#[tokio::test]
async fn silenced_connections_hear_nothing_and_stay_open() {
    let scene = Scene::new().await;
    let (mut idle, mut asking) = (scene.used_connection().await, scene.used_connection().await);
    let gate = Gate::new();
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    asking.send(&scene.verification(&scene.key.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    assert_eq!(scene.emulator.silence_connections(), 2);
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    gate.open();
    let calls = scene.emulator.counters().verify_calls;
    idle.send(&scene.verification(&scene.key.secret)).await.unwrap();
    assert_silent(&mut idle).await;
    assert_silent(&mut asking).await;
    assert_eq!(scene.emulator.counters().verify_calls, calls);
    // Silent connections stay silent, whatever happens to the others.
    let mut living = scene.used_connection().await;
    assert_eq!(scene.emulator.cut_connections(), 1);
    assert!(living.read_response(false).await.is_err());
    assert_silent(&mut idle).await;
    assert_eq!(scene.emulator.silence_connections(), 0);
    scene.emulator.stop().await;
    assert!(idle.read_response(false).await.is_err());
}

#[tokio::test]
async fn open_connections_are_reset_once_at_their_next_use() {
    let scene = Scene::new().await;
    let (mut idle, mut asking) = (scene.used_connection().await, scene.used_connection().await);
    let gate = Gate::new();
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    asking.send(&scene.verification(&scene.key.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    assert_eq!(scene.emulator.reset_connections_once(), 2);
    gate.open();
    assert!(is_valid(asking.read_response(false).await.unwrap()));
    let calls = scene.emulator.counters().verify_calls;
    for connection in [&mut idle, &mut asking] {
        assert_eq!(scene.ask_on(connection).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(scene.emulator.counters().verify_calls, calls + 2);
    let mut new = scene.used_connection().await;
    assert!(is_valid(scene.ask_on(&mut new).await.unwrap()));
}

#[tokio::test]
async fn drained_connections_end_after_their_answer() {
    let scene = Scene::new().await;
    let (mut idle, mut asking) = (scene.used_connection().await, scene.used_connection().await);
    let gate = Gate::new();
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    asking.send(&scene.verification(&scene.key.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    assert_eq!(scene.emulator.drain_connections(), 2);
    assert_eq!(idle.read_to_end().await.unwrap(), b"");
    gate.open();
    let response = asking.read_response(false).await.unwrap();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert_eq!(asking.read_to_end().await.unwrap(), b"");
    assert!(is_valid(scene.try_verify().await.unwrap()));
}

#[tokio::test]
async fn refused_connections_leave_the_open_ones_alone() {
    let scene = Scene::new().await;
    let address = scene.emulator.address();
    let mut open = scene.used_connection().await;
    for _ in 0..3 {
        // The client takes itself for connected, whether or not the emulator has accepted it.
        let mut waiting = Connection::connect(address).await.unwrap();
        scene.emulator.refuse_connections(true).await.unwrap();
        scene.emulator.refuse_connections(true).await.unwrap();
        let error = Connection::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(is_valid(scene.ask_on(&mut open).await.unwrap()));
        assert!(is_valid(scene.ask_on(&mut waiting).await.unwrap()));
        // The port stays taken, so the system gives it to nobody.
        let error = TcpSocket::new_v4().unwrap().bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        scene.emulator.refuse_connections(false).await.unwrap();
        scene.emulator.refuse_connections(false).await.unwrap();
        assert!(is_valid(scene.try_verify().await.unwrap()));
    }
}

#[tokio::test]
async fn new_connections_hang_from_their_first_byte() {
    let scene = Scene::new().await;
    let mut old = scene.used_connection().await;
    scene.emulator.hang_new_connections(true);
    let connections = scene.emulator.counters().connections;
    let mut hanging = Connection::connect(scene.emulator.address()).await.unwrap();
    hanging.send(&scene.verification(&scene.key.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.connections == connections + 1).await;
    assert_silent(&mut hanging).await;
    assert!(is_valid(scene.ask_on(&mut old).await.unwrap()));
    scene.emulator.hang_new_connections(false);
    assert!(is_valid(scene.try_verify().await.unwrap()));
    assert_silent(&mut hanging).await;
}

#[tokio::test]
async fn connections_are_commanded_over_the_control_plane() {
    let scene = Scene::new().await;
    let path = |name: &str| format!("/_emulator/connections/{name}");
    let concerned = |response: RawResponse| response.json()["connections"].as_u64().unwrap();

    assert_eq!(scene.call("PUT", &path("close_at_use"), r#"{"nth":2}"#).await.status, 204);
    let mut connection = scene.used_connection().await;
    assert_eq!(scene.ask_on(&mut connection).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(scene.call("PUT", &path("close_at_use"), r#"{"nth":0}"#).await.status, 400);
    assert_eq!(scene.call("DELETE", &path("close_at_use"), "").await.status, 204);

    assert_eq!(scene.call("PUT", &path("close_idle"), r#"{"milliseconds":1}"#).await.status, 204);
    assert_eq!(scene.used_connection().await.read_to_end().await.unwrap(), b"");
    assert_eq!(scene.call("DELETE", &path("close_idle"), "").await.status, 204);

    let mut connection = scene.used_connection().await;
    assert_eq!(concerned(scene.call("POST", &path("reset_once"), "").await), 1);
    assert_eq!(scene.ask_on(&mut connection).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    for way in ["cut", "drain"] {
        let mut connection = scene.used_connection().await;
        assert_eq!(concerned(scene.call("POST", &path(way), "").await), 1, "{way}");
        assert_eq!(connection.read_to_end().await.unwrap(), b"", "{way}");
    }
    let mut connection = scene.used_connection().await;
    assert_eq!(concerned(scene.call("POST", &path("silence"), "").await), 1);
    assert_silent(&mut connection).await;

    let mut open = scene.used_connection().await;
    let (hour, no_time) = (r#"{"milliseconds":3600000}"#, r#"{"milliseconds":0}"#);
    assert_eq!(scene.call("POST", &path("hang_new"), hour).await.status, 204);
    assert_silent(&mut Connection::connect(scene.emulator.address()).await.unwrap()).await;
    assert_eq!(post_on(&mut open, &path("hang_new"), no_time).await, 204);
    while timeout(A_MOMENT, scene.try_verify()).await.is_err() {}
    assert_eq!(scene.call("POST", &path("refuse"), hour).await.status, 204);
    assert_eq!(scene.try_verify().await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(post_on(&mut open, &path("refuse"), no_time).await, 204);
    while scene.try_verify().await.is_err() {}

    assert_eq!(scene.call("GET", &path("cut"), "").await.status, 405);
    assert_eq!(scene.call("POST", &path("other"), "").await.status, 404);
}

/// The status of a control command on this connection.
async fn post_on(connection: &mut Connection, path: &str, body: &str) -> u16 {
    connection.send(&raw::request("POST", path, &[], body.as_bytes())).await.unwrap();
    connection.read_response(false).await.unwrap().status
}
