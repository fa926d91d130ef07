//! A small API that is protected by the core. Its guards can be wrong.

use std::net::SocketAddr;

use apikey_core::{Authenticator, Denial, KindeSettings, KindeVerifier, PlainRequest, Policy};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is wrong with the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// `POST /users` has no guard.
    Dropped,
    /// `POST /users` asks for another scope than the document says.
    Exchanged,
}

impl Flaw {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "dropped" => Self::Dropped,
            "exchanged" => Self::Exchanged,
            _ => Self::None,
        }
    }
}

pub(crate) fn document() -> Value {
    let secured = |scopes: &[&str]| json!({"security": [{"key": scopes}], "responses": {}});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Users", "version": "1"},
        "paths": {
            "/health": {"get": {"security": [], "responses": {}}},
            "/users": {"get": secured(&["read:users"]), "post": secured(&["read:users", "write:users"])},
        },
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    })
}

/// Serves until it is dropped. `variable` gives the settings of Kinde.
pub(crate) async fn serve(listen: SocketAddr, flaw: Flaw, variable: impl Fn(&str) -> Option<String>) {
    let settings = KindeSettings::from_variables(variable).unwrap();
    let verifier = KindeVerifier::new(settings).unwrap();
    let keys: Authenticator = Authenticator::builder(verifier).attempt_limit(None).build().unwrap();
    let listener = TcpListener::bind(listen).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let keys = keys.clone();
        tokio::spawn(async move { answer(stream, &keys, flaw).await });
    }
}

async fn answer(mut stream: TcpStream, keys: &Authenticator, flaw: Flaw) {
    let mut request = Vec::new();
    let head = loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            break head.to_ascii_lowercase();
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let policy = match (head.split(' ').next(), head.split(' ').nth(1)) {
        (Some("get"), Some("/health" | "/hidden")) => None,
        (Some("get"), Some("/openapi.json")) => return send(stream, 200, &document().to_string()).await,
        (Some("get"), Some("/large.json")) => return send(stream, 200, &"9".repeat(21 << 20)).await,
        (Some("get"), Some("/users")) => Some(Policy::all(["read:users"])),
        (Some("post"), Some("/users")) => match flaw {
            Flaw::None => Some(Policy::all(["read:users", "write:users"])),
            Flaw::Dropped => None,
            Flaw::Exchanged => Some(Policy::all(["read:users", "admin"])),
        },
        _ => return send(stream, 404, "{}").await,
    };
    let Some(policy) = policy else { return send(stream, 200, "{}").await };
    // A key has letters in lower case only.
    let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: "));
    let authorization = authorization.map(str::to_owned);
    let presented = PlainRequest::new();
    let presented = match authorization {
        Some(value) => presented.with_header("Authorization", value),
        None => presented,
    };
    let decided = match keys.authenticate(&presented).await {
        Ok(key) => keys.authorize(&key, &policy),
        Err(denial) => Err(denial),
    };
    match decided.as_ref().map_err(Denial::response) {
        Ok(()) => send(stream, 200, "{}").await,
        Err(denied) => send(stream, denied.status, &String::from_utf8_lossy(&denied.body)).await,
    }
}

async fn send(mut stream: TcpStream, status: u16, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await;
}
