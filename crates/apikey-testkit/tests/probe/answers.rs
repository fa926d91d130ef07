//! What the probe makes of answers that are neither a yes nor a no.

use std::time::Duration;

use apikey_testkit::probe::{FindingKind::*, Probe};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{Refusal, Route, Server};
use crate::{assert_finds, bearer, document, emulator, found, probed};

fn reader() -> Route {
    Route::new("GET", "/data", &[&["read"]])
}

fn one() -> serde_json::Value {
    document(&[("GET", "/data", bearer(&[&["read"]]))])
}

#[tokio::test]
async fn a_limit_and_a_failure_are_neither_pass_nor_alarm() {
    for (status, words) in
        [(429, "APIKEY_ATTEMPTS"), (500, "server's log"), (503, "this emulator, http://127.0.0.1:")]
    {
        let report = probed(&one(), vec![reader().with(|route| route.unknown = status)]).await;
        assert_finds(
            &report,
            &[NotChecked],
            &[&format!("got the status {status}"), "could not be checked: 1 of ", words],
        );
        let report = probed(&one(), vec![reader().with(|route| route.first = Some(status))]).await;
        assert_finds(&report, &[NotChecked], &[words]);
        let report = probed(&one(), vec![reader().with(|route| route.answer = status)]).await;
        assert_finds(&report, &[NotChecked], &[words]);
    }
}

#[tokio::test]
async fn a_hole_behind_a_failure_is_found_all_the_same() {
    let route = reader().with(|route| (route.unknown, route.scopes) = (500, vec![vec![]]));
    assert_finds(
        &probed(&one(), vec![route]).await,
        &[TooOpen, NotChecked],
        &["a key without scopes is let in"],
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_clean() {
    let emulator = emulator().await;
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let paths = ["/a", "/b", "/c", "/d", "/e"];
    let operations: Vec<_> = paths.iter().map(|path| ("GET", *path, bearer(&[&["read"]]))).collect();
    let probe = Probe::new(&document(&operations), &format!("http://{address}")).unwrap();
    let report = probe.run(&emulator).await;
    let words = [
        "no connection to 127.0.0.1",
        "GET /c, GET /d, GET /e: the server did not answer for 3 operations in a row",
    ];
    assert_finds(&report, &[NotChecked; 4], &words);
    assert_eq!(report.requests(), 3);
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let emulator = emulator().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let probe = Probe::new(&one(), &server).unwrap().request_timeout(Duration::from_millis(50));
    assert_finds(&probe.run(&emulator).await, &[NotChecked], &["no answer within 50ms"]);
}

#[tokio::test]
async fn a_server_that_speaks_no_http_is_a_finding() {
    let emulator = emulator().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"220 mail.example.com ESMTP\r\n").await;
        }
    });
    assert_finds(
        &Probe::new(&one(), &server).unwrap().run(&emulator).await,
        &[NotChecked],
        &["no answer in HTTP/1.1"],
    );
}

#[tokio::test]
async fn a_body_that_does_not_end_is_not_waited_for() {
    let emulator = emulator().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\n{").await;
                let _ = stream.read(&mut [0; 1]).await;
            });
        }
    });
    let probe = Probe::new(&one(), &server).unwrap().request_timeout(Duration::from_millis(50));
    let report = probe.run(&emulator).await;
    assert_finds(&report, &[TooStrict], &["a key with `read`, as a bearer token, is refused (401)"]);
}

#[tokio::test]
async fn no_more_requests_are_sent_than_allowed() {
    let emulator = emulator().await;
    let server = Server::start(&emulator, vec![reader()]).await;
    let probe = Probe::new(&one(), &server.url()).unwrap().max_requests(3);
    let report = probe.run(&emulator).await;
    assert_finds(&report, &[NotChecked], &["checked: GET /data: the limit of 3 requests was reached"]);
    assert_eq!(report.requests(), 3);
}

#[tokio::test]
async fn the_wrong_status_of_a_refusal_is_found() {
    for (route, words) in [
        (reader().with(|route| route.missing = 403), "without a key is answered 403, and not 401"),
        (reader().with(|route| route.missing = 302), "without a key is answered 302, and not 401"),
        (reader().with(|route| route.missing = 422), "without a key is answered 422, and not 401"),
        (reader().with(|route| route.unknown = 403), "that nobody issued is answered 403, and not 401"),
        (reader().with(|route| route.unknown = 400), "that nobody issued is answered 400, and not 401"),
        (
            reader().with(|route| route.insufficient = 401),
            "a key without scopes is answered 401 INSUFFICIENT_SCOPE, and not 403",
        ),
        (
            reader().with(|route| route.insufficient = 404),
            "a key without scopes is answered 404, and not 403",
        ),
    ] {
        assert_finds(&probed(&one(), vec![route]).await, &[WrongStatus], &[words]);
    }
}

#[tokio::test]
async fn a_hole_behind_a_404_is_found() {
    // Nothing has the id 1, so a handler answers 404.
    let document = document(&[("GET", "/data/{id}", bearer(&[&["read"]]))]);
    let route = Route::new("GET", "/data/{id}", &[&["read"]]).with(|route| route.answer = 404);
    for (change, kind) in [
        ((|route: &mut Route| route.guarded = false) as fn(&mut Route), NoSuchRoute),
        (|route| route.optional = true, KeyOptional),
        (|route| route.verifies = false, KeyNotVerified),
        (|route| route.scopes = vec![vec![]], TooOpen),
    ] {
        assert_finds(&probed(&document, vec![route.clone().with(change)]).await, &[kind], &["404"]);
    }
}

#[tokio::test]
async fn the_same_answer_to_everybody_proves_nothing() {
    for (status, words) in [
        (422, "Either nothing guards the route"),
        (400, "`example`"),
        (307, "the server redirects every request"),
    ] {
        let report = probed(&one(), vec![reader().with(|route| route.first = Some(status))]).await;
        assert_finds(&report, &[NotChecked], &[words]);
    }
}

#[tokio::test]
async fn a_route_that_the_server_lacks_is_found() {
    let bare = bearer(&[&["read"]]);
    for (operation, words) in [
        (("GET", "/other", bare.clone()), "every request is answered 404"),
        (("POST", "/data", bare.clone()), "every request is answered 405"),
        (("GET", "/other/{id}", bare.clone()), "Either the server has no such route"),
        (("GET", "/other", json!({})), "every request is answered 404"),
        (("POST", "/data", json!({})), "every request is answered 405"),
    ] {
        assert_finds(&probed(&document(&[operation]), vec![reader()]).await, &[NoSuchRoute], &[words]);
    }
    // A guard in front of all routes hides that there is none.
    let report = probed(&one(), vec![reader().with(|route| route.answer = 405)]).await;
    assert_finds(&report, &[NoSuchRoute], &["a key that may do everything is answered 405"]);
    let report = probed(&one(), vec![reader().with(|route| route.answer = 404)]).await;
    assert_finds(&report, &[], &["note: GET /data: a key that may do everything is answered 404"]);
    // An open route whose object is missing proves nothing, and needs no proof.
    let open =
        Route::new("GET", "/data/{id}", &[]).with(|route| (route.guarded, route.answer) = (false, 404));
    assert_finds(
        &probed(&document(&[("GET", "/data/{id}", json!({}))]), vec![open]).await,
        &[],
        &["note: GET /data/{id}"],
    );
}

#[tokio::test]
async fn a_server_that_asks_another_kinde_is_told_so() {
    let (emulator, other) = (emulator().await, emulator().await);
    let server = Server::start(&other, vec![reader()]).await;
    let report = Probe::new(&one(), &server.url()).unwrap().run(&emulator).await;
    let words = format!(
        "has not asked the emulator about it. Point `KINDE_DOMAIN` of the server at {}",
        emulator.url()
    );
    assert_finds(&report, &[TooStrict], &[&words]);
}

#[tokio::test]
async fn a_server_that_has_asked_is_told_so() {
    let route = reader().with(|route| (route.scopes, route.insufficient) = (vec![vec!["nobody"]], 401));
    let words = "is refused (401 INSUFFICIENT_SCOPE). The server has asked the emulator about it";
    assert_finds(&probed(&one(), vec![route]).await, &[TooStrict], &[words]);
}

#[tokio::test]
async fn no_key_is_in_a_report() {
    let emulator = emulator().await;
    let server = Server::start(&emulator, vec![reader().with(|route| route.refusal = Refusal::Echo)]).await;
    let report = Probe::new(&one(), &server.url()).unwrap().run(&emulator).await;
    assert_finds(&report, &[OtherScopes], &["names the required scopes `[a key]`"]);
    assert!(!format!("{report} {report:?}").contains("k_live_"), "{report:?}");
    assert_eq!(found(&report)[0].1, "GET /data");
}
