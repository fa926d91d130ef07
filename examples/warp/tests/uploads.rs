//! Refused uploads, over a raw socket: a client that sends its whole body first gets the answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use apikey_testkit::FakeVerifier;
use apikey_warp::{Authenticator, Verification};
use example_shared::Store;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// In this time a server that does not read on has closed its connection.
const A_MOMENT: Duration = Duration::from_millis(150);
const LENGTH: usize = 500_000;
const ROUTES: [&str; 3] = ["/api/data", "/ai/chat", "/workflow/automate"];

async fn server() -> SocketAddr {
    let reader = Verification::active("reader").with_scopes(["read:users"]);
    let keys = Authenticator::builder(FakeVerifier::new().with_key("reader", reader)).build().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = example_warp::app(keys, Store::new(), None).unwrap();
    tokio::spawn(warp::serve(app).incoming(listener).run());
    address
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "it ended early");
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_client_that_sends_first_gets_the_refusal_on_every_route() {
    let server = server().await;
    for path in ROUTES {
        for (key, status) in
            [("", 401), ("Authorization: Bearer nobody\r\n", 401), ("Authorization: Bearer reader\r\n", 403)]
        {
            let mut stream = TcpStream::connect(server).await.unwrap();
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{key}Content-Length: {LENGTH}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            tokio::time::sleep(A_MOMENT).await;
            for piece in vec![b'x'; LENGTH].chunks(10_000) {
                stream.write_all(piece).await.unwrap_or_else(|error| panic!("{path} {status}: {error}"));
            }
            let refused = answer(&mut stream).await;
            assert!(refused.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {refused}");
            // The connection serves its next request.
            let next = "GET /api/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer reader\r\n\r\n";
            stream.write_all(next.as_bytes()).await.unwrap();
            let served = answer(&mut stream).await;
            assert!(served.starts_with("HTTP/1.1 200 "), "{path}: {served}");
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_for_leave_is_refused_at_once() {
    let server = server().await;
    for path in ROUTES {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {LENGTH}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let refused = answer(&mut stream).await;
        assert!(refused.starts_with("HTTP/1.1 401 "), "{path}: {refused}");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap(); // it closed the connection
    }
}
