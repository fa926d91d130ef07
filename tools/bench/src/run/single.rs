//! Single requests whose answers are all checked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::keys;
use crate::wire::Connection;

/// The first key that no server has in its cache at the start.
static NEXT: AtomicU64 = AtomicU64::new(1_000_000_000);

/// A good key that nobody has presented yet.
pub(super) fn new_key() -> String {
    keys::good(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The request to a server under measurement.
pub(super) fn request(key: &str) -> Vec<u8> {
    format!("GET /users HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\r\n").into_bytes()
}

/// The request of a server to the upstream.
pub(super) fn verify_request(key: &str) -> Vec<u8> {
    let body = format!(r#"{{"api_key":"{key}"}}"#);
    let head = "POST /api/v1/api_keys/verify HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(super) fn connect(address: SocketAddr) -> Result<Connection, String> {
    Connection::connect(address).map_err(|error| format!("cannot connect to {address}: {error}"))
}

/// Sends a request, and returns how long the answer took. The answer must be a 200.
pub(super) fn timed(connection: &mut Connection, request: &[u8]) -> Result<Duration, String> {
    let start = Instant::now();
    let answer = connection.exchange(request).map_err(|error| format!("no answer: {error}"))?;
    let took = start.elapsed();
    match answer.status() {
        Some(200) => Ok(took),
        _ => Err(format!("the answer was {}", answer.first_line)),
    }
}
