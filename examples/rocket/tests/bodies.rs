//! How Rocket reads bodies before any handler sees them, and what this server does about it.

use std::net::{Ipv4Addr, SocketAddr};

use apikey_rocket::{Authenticator, Verification};
use apikey_testkit::FakeVerifier;
use example_shared::Store;
use rocket::Config;
use rocket::config::{LogLevel, Shutdown};
use rocket::fairing::AdHoc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn server() -> SocketAddr {
    let writer = Verification::active("key_writer").with_scopes(["read:users", "write:users"]);
    let reader = Verification::active("key_reader").with_scopes(["read:users"]);
    let verifier = FakeVerifier::new().with_key("writer", writer).with_key("reader", reader);
    let keys = Authenticator::builder(verifier).build().unwrap();
    let shutdown = Shutdown { ctrlc: false, ..Shutdown::default() };
    let config = Config { port: 0, log_level: LogLevel::Off, shutdown, ..Config::default() };
    let (sender, address) = tokio::sync::oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let announce = AdHoc::on_liftoff("address", move |rocket| {
        if let Some(sender) = sender.lock().unwrap().take() {
            sender.send(rocket.config().port).unwrap();
        }
        Box::pin(async {})
    });
    let app = example_rocket::app(rocket::custom(config), keys, Store::new(), None).unwrap();
    tokio::spawn(app.attach(announce).launch());
    SocketAddr::from((Ipv4Addr::LOCALHOST, address.await.unwrap()))
}

/// The response to a POST of a body. If the body is cut off, the client closes its side.
async fn post(server: SocketAddr, headers: &str, body: &str, breaks_off: bool) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let head = format!(
        "POST /api/data HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer writer\r\n{headers}\r\n"
    );
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    if breaks_off {
        stream.shutdown().await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken_for_whole() {
    let server = server().await;
    for body in [r#"{"a":1}"#, r#"{"a":1,"b":2}"#, r#"{"a":1,"b":22}"#, r#"{"a":1,"b":22222222222}"#] {
        let answer = post(server, "Content-Length: 1000", body, true).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("INVALID_BODY"), "{body}: {answer}");
        let answer = post(server, &format!("Content-Length: {}", body.len()), body, false).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{body}: {answer}");
    }
}

/// A client that sends its whole body before it reads. Its key is bad, or lacks what the route asks for.
#[tokio::test]
async fn a_refused_upload_gets_its_answer_on_every_route() {
    static PIECE: [u8; 50_000] = [b'x'; 50_000];
    let server = server().await;
    for (path, authorization, status) in [
        ("/api/data", "", 401),
        ("/api/data", "Bearer nobody", 401),
        ("/api/data", "Bearer reader", 403),
        ("/ai/chat", "", 401),
        ("/ai/chat", "Bearer nobody", 401),
        ("/ai/chat", "Bearer writer", 403),
        ("/workflow/automate", "", 401),
        ("/workflow/automate", "Bearer nobody", 401),
        ("/workflow/automate", "Bearer writer", 403),
    ] {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {authorization}\r\n\
             Content-Length: 500000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..10 {
            stream.write_all(&PIECE).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {authorization}: {answer}");
        assert!(answer.ends_with('}'), "{path} {authorization}: {answer}");
    }
}

#[tokio::test]
async fn no_form_chooses_the_method() {
    let server = server().await;
    for body in
        ["_method=GET", "_method=get&a=b", "&_method=PUT", "&&_method=get", "_method=HEAD", "_method=TRACE&x"]
    {
        let form = "Content-Type: application/x-www-form-urlencoded";
        let answer = post(server, &format!("{form}\r\nContent-Length: {}", body.len()), body, false).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("INVALID_BODY"), "{body}: {answer}");
    }
}
