//! A proxy at a Unix socket names the client.
#![cfg(unix)]

use std::time::Duration;

use actix_web::{App, HttpServer, rt, web};
use apikey_actix::{ApiKey, AttemptLimit, TrustedProxies};
use apikey_testkit::raw::{self, Connection};
use tokio::net::UnixStream;

use crate::world::{builder, verifier};

async fn me(_: ApiKey) -> &'static str {
    "hello"
}

#[actix_web::test]
async fn clients_behind_a_proxy_at_a_unix_socket_are_limited_apart() {
    let path = std::env::temp_dir().join(format!("apikey-actix-{}.sock", std::process::id()));
    let keys = builder(&verifier())
        .attempt_limit(AttemptLimit::new(1, Duration::from_secs(900)))
        .trusted_proxies(TrustedProxies::parse("unix").unwrap())
        .build()
        .unwrap();
    let server = HttpServer::new(move || App::new().app_data(keys.clone()).route("/", web::get().to(me)));
    let server = server.workers(1).disable_signals().bind_uds(&path).unwrap().run();
    let handle = server.handle();
    rt::spawn(server);
    let attempt = async |header: &[(&str, &str)]| {
        let headers = [&[("Authorization", "Bearer nobody")], header].concat();
        let mut connection = Connection::over(UnixStream::connect(&path).await.unwrap());
        connection.send(&raw::get("/", &headers)).await.unwrap();
        connection.read_response(false).await.unwrap().status
    };
    for client in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(attempt(&[("X-Forwarded-For", client)]).await, 401);
        assert_eq!(attempt(&[("X-Forwarded-For", &format!("203.0.113.9, {client}"))]).await, 429);
    }
    // All whom nobody names count as one client.
    assert_eq!(attempt(&[]).await, 401);
    for unnamed in [&[][..], &[("X-Forwarded-For", "unknown")], &[("Forwarded", "for=198.51.100.3")]] {
        assert_eq!(attempt(unnamed).await, 429);
    }
    handle.stop(false).await;
    // actix has removed the file or not.
    let _ = std::fs::remove_file(path);
}
