//! The stand-in for Kinde: answers the verify endpoint at once or after a delay, and counts. The emulator of the
//! testkit is faithful. This one is fast, so that it never limits a measurement.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::keys;
use crate::wire::{Connection, Message, announce};

#[derive(Default)]
struct Upstream {
    delay_milliseconds: AtomicU64,
    calls: AtomicU64,
    /// Hashes of the keys in the calls.
    keys: Mutex<HashSet<u64>>,
}

/// Serves until the process ends, with one thread per connection. There are few connections, and a sleeping thread
/// wakes up more precisely than a timer of Tokio's.
pub(crate) fn serve() -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("cannot listen: {error}"))?;
    announce(listener.local_addr());
    let upstream = Arc::new(Upstream::default());
    for stream in listener.incoming().flatten() {
        let upstream = Arc::clone(&upstream);
        let started = thread::Builder::new().stack_size(128 * 1024).spawn(move || {
            // An error means that the client closed the connection.
            let _ = upstream.talk(stream);
        });
        if let Err(error) = started {
            eprintln!("apikey-bench: the upstream can't start a thread: {error}");
        }
    }
    Ok(())
}

impl Upstream {
    fn talk(&self, stream: TcpStream) -> io::Result<()> {
        let mut connection = Connection::accepted(stream)?;
        while let Some(request) = connection.receive()? {
            let body = match request.first_line.split(' ').nth(1).unwrap_or_default() {
                "/api/v1/api_keys/verify" => self.verify(&request),
                "/counters" => self.counters(),
                target => match target.strip_prefix("/reset/").and_then(|delay| delay.parse().ok()) {
                    Some(delay) => self.reset(delay),
                    None => json!({"errors": "nothing is here"}).to_string(),
                },
            };
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
            connection.send(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())?;
        }
        Ok(())
    }

    fn verify(&self, request: &Message) -> String {
        // The body is {"api_key":"..."}, with or without a space.
        let key = request.body.split(|byte| *byte == b'"').nth(3).unwrap_or_default();
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(hasher.finish());
        let delay = self.delay_milliseconds.load(Ordering::Relaxed);
        if delay > 0 {
            thread::sleep(Duration::from_millis(delay));
        }
        if !keys::is_good(key) {
            return r#"{"code":"INVALID_API_KEY","message":"The API key is invalid","is_valid":false}"#
                .to_owned();
        }
        let key_id = keys::id(&String::from_utf8_lossy(key));
        format!(
            r#"{{"code":"API_KEY_VERIFIED","message":"API key verified","is_valid":true,"key_id":"{key_id}","status":"active","scopes":["read:users","read:tickets"],"org_code":"org_bench","user_id":null,"last_verified_on":"2024-11-18T13:32:03+11","verification_count":7}}"#
        )
    }

    fn counters(&self) -> String {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner).len();
        json!({"calls": self.calls.load(Ordering::Relaxed), "keys": keys}).to_string()
    }

    fn reset(&self, delay: u64) -> String {
        self.delay_milliseconds.store(delay, Ordering::Relaxed);
        self.calls.store(0, Ordering::Relaxed);
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.counters()
    }
}
