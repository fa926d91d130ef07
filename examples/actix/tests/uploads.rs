//! What a client gets that sends a whole upload before it reads, if its key is refused.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::{App, HttpServer, rt};
use apikey_actix::{Authenticator, Verification};
use apikey_testkit::FakeVerifier;
use apikey_testkit::raw::{Connection, RawResponse};
use example_shared::Store;

/// In this time a server that does not read on has closed its connection.
const A_MOMENT: Duration = Duration::from_millis(150);
const PIECE: [u8; 10_000] = [b'x'; 10_000];
const PIECES: usize = 100;

fn server() -> SocketAddr {
    let reader = Verification::active("key_reader").with_scopes(["read:users"]);
    let fake = FakeVerifier::new().with_key("reader", reader);
    let keys = Authenticator::builder(fake).attempt_limit(None).build().unwrap();
    let api = example_actix::app(keys, Store::new(), None).unwrap();
    let app = move || App::new().configure(api.clone());
    let server = HttpServer::new(app).client_disconnect_timeout(example_actix::REFUSED_UPLOADS);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    rt::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
    address
}

async fn upload(server: SocketAddr, path: &str, key: &str, is_chunked: bool) -> RawResponse {
    let (before, after) =
        if is_chunked { (format!("{:x}\r\n", PIECE.len()), "\r\n") } else { (String::new(), "") };
    let length = PIECE.len() * PIECES;
    let header = if is_chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {length}")
    };
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{key}{header}\r\n\r\n");
    let mut client = Connection::connect(server).await.unwrap();
    client.send(head.as_bytes()).await.unwrap();
    rt::time::sleep(A_MOMENT).await;
    for _ in 0..PIECES {
        client.send(&[before.as_bytes(), &PIECE, after.as_bytes()].concat()).await.unwrap();
    }
    if is_chunked {
        client.send(b"0\r\n\r\n").await.unwrap();
    }
    client.read_response(false).await.unwrap()
}

#[actix_web::test]
async fn a_client_that_sends_first_gets_the_refusal() {
    let server = server();
    for path in ["/api/data", "/ai/chat", "/workflow/automate"] {
        for is_chunked in [false, true] {
            for (key, status, code) in [
                ("", 401, "MISSING_KEY"),
                ("Authorization: Bearer nobody\r\n", 401, "INVALID_KEY"),
                ("Authorization: Bearer reader\r\n", 403, ""),
            ] {
                let answer = upload(server, path, key, is_chunked).await;
                assert_eq!(answer.status, status, "{path} {key}");
                assert!(answer.body_text().contains(code), "{path} {key}: {}", answer.body_text());
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{path} {key}");
            }
        }
    }
}
