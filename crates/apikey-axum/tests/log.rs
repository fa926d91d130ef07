//! What the log tells an operator whose server records no addresses. It is a program of its own, because `tracing` decides
//! once for the whole process whether anybody listens.

use std::io::Write;
use std::sync::{Arc, Mutex};

use apikey_axum::{ApiKey, Authenticator};
use apikey_testkit::{FakeVerifier, raw};
use axum::{Router, routing::get};
use tokio::net::TcpListener;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_server_without_addresses_is_told_axums_way_to_them() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();

    let keys: Authenticator = Authenticator::builder(FakeVerifier::new()).build().unwrap();
    let app = Router::new().route("/", get(|_: ApiKey| async {})).with_state(keys);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    for number in 0..12 {
        let key = format!("Bearer k_{number}");
        let response = raw::exchange(address, &raw::get("/", &[("Authorization", &key)])).await;
        assert_eq!(response.unwrap().status, 401);
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    let [told] = told[..] else { panic!("{log}") };
    assert!(told.contains("into_make_service_with_connect_info::<SocketAddr>()"), "{told}");
    assert!(told.contains("PeerAddress") && told.contains("unix"), "{told}");
}
