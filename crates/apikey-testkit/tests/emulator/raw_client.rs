//! How the raw client reads answers and renders requests.

use std::{io::ErrorKind, time::Duration};

use apikey_testkit::{
    emulator::{Endpoint, Fault},
    raw::{self, Connection, RawResponse},
};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};

use crate::Scene;

/// What the client reads if the server sends exactly these bytes and closes the connection.
async fn reading(bytes: &[u8]) -> std::io::Result<RawResponse> {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::RawAnswer(bytes.to_vec())));
    scene.try_verify().await
}

#[tokio::test]
async fn every_framing_of_a_body_is_understood() {
    for (answer, body) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"[..], "abc"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", "to the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\nabc", ""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\x20\r\nContent-Length: 1\r\n\r\na", "a"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nt: 1\r\n\r\n",
            "abc0123456789",
        ),
    ] {
        assert_eq!(reading(answer).await.unwrap().body_text(), body, "{}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn headers_keep_their_order_and_their_bytes() {
    let response = reading(b"HTTP/1.1 401 No\r\nB:  two \r\nA: \xff\r\nb: 3\r\n\r\n").await.unwrap();
    let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((response.status, names.as_slice()), (401, ["b", "a", "b"].as_slice()));
    assert_eq!((response.header("B"), response.header_values("b")), (Some("two"), vec!["two", "3"]));
    assert_eq!((response.header("a"), response.headers[1].1.as_slice()), (None, b"\xff".as_slice()));
}

#[tokio::test]
async fn broken_answers_are_errors() {
    for (answer, kind) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..], ErrorKind::UnexpectedEof),
        (b"HTTP/1.1 200 OK\r\nContent-Le", ErrorKind::UnexpectedEof),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ErrorKind::UnexpectedEof),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", ErrorKind::InvalidData),
        (b"HTTP/1.1 200 OK\r\nContent-Length: some\r\n\r\n", ErrorKind::InvalidData),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", ErrorKind::InvalidData),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", ErrorKind::InvalidData),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", ErrorKind::InvalidData),
    ] {
        assert_eq!(reading(answer).await.unwrap_err().kind(), kind, "{}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn a_head_request_is_answered_without_a_body() {
    let scene = Scene::new().await;
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    for _ in 0..2 {
        connection.send(&raw::request("HEAD", "/nowhere", &[], b"")).await.unwrap();
        let response = connection.read_response(true).await.unwrap();
        assert_eq!((response.status, response.body.len()), (404, 0));
    }
    let response = scene.send(&raw::request("HEAD", "/nowhere", &[], b"")).await.unwrap();
    assert_eq!((response.status, response.body.len()), (404, 0));
}

#[tokio::test]
async fn a_server_that_answers_before_it_has_read_everything_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(b"HTTP/1.1 431 Enough\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream
    });
    let request = vec![b'a'; 32 * 1024 * 1024];
    let response = tokio::time::timeout(Duration::from_secs(5), raw::exchange(address, &request)).await;
    assert_eq!(response.unwrap().unwrap().status, 431);
    server.await.unwrap();
}

#[test]
fn requests_are_rendered_with_what_they_lack() {
    for (request, expected) in [
        (
            raw::get("/a", &[("X", "1"), ("X", "2")]),
            "GET /a HTTP/1.1\r\nHost: localhost\r\nX: 1\r\nX: 2\r\n\r\n",
        ),
        (raw::get("/", &[("host", "h")]), "GET / HTTP/1.1\r\nhost: h\r\n\r\n"),
        (
            raw::request("POST", "/", &[], b"{}"),
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
        ),
        (
            raw::request("POST", "/", &[], b""),
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            raw::request("PUT", "/", &[("content-length", "9")], b"a"),
            "PUT / HTTP/1.1\r\nHost: localhost\r\ncontent-length: 9\r\n\r\na",
        ),
        (
            raw::request("PUT", "/", &[("Transfer-Encoding", "chunked")], b"0\r\n\r\n"),
            "PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ] {
        assert_eq!(String::from_utf8(request).unwrap(), expected);
    }
}
