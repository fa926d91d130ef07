//! The resilience table. Each case has a bound and reports what it measured.
//!
//! "Over sockets" means a client's request to the reference server on axum. "In process" means a call of
//! `Authenticator::begin` or one of its siblings. Each loopback connection takes two of the files that a process may
//! have open, so the largest crowds come partly in process. Each line says how many did.

mod arrivals;
mod connections;
mod counters;
mod crowds;
mod hangs;
mod junk;
mod odd_keys;
mod outage;
mod overload;
mod recovery;
mod revocation;
mod token;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use apikey_core::PlainRequest;
use apikey_testkit::raw::Connection;

use crate::memory::open_files_limit;
use crate::report::Row;

/// The result of a case: lines of the table, or the reason why it could not run.
pub type Running = Pin<Box<dyn Future<Output = Result<Vec<Row>, String>>>>;

/// A case. `true` makes it shorter.
pub type Case = fn(bool) -> Running;

/// All cases by name.
pub const ALL: &[(&str, Case)] = &[
    ("concurrent requests with one cold key", |is_quick| Box::pin(crowds::one_key(is_quick))),
    ("concurrent requests with distinct cold keys", |is_quick| Box::pin(crowds::distinct_keys(is_quick))),
    ("distinct junk keys", |is_quick| Box::pin(junk::flood(is_quick))),
    ("Kinde is down", |is_quick| Box::pin(outage::down(is_quick))),
    ("Kinde hangs", |is_quick| Box::pin(hangs::hang(is_quick))),
    ("odd keys beside good ones", |is_quick| Box::pin(odd_keys::beside_good_keys(is_quick))),
    ("dead connections", |is_quick| Box::pin(connections::dead(is_quick))),
    ("closed connections", |is_quick| Box::pin(connections::closed(is_quick))),
    ("one of three machines hangs", |is_quick| Box::pin(connections::one_machine_hangs(is_quick))),
    ("Kinde has too much to do", |is_quick| Box::pin(overload::ten_at_once(is_quick))),
    ("Kinde asks for silence", |is_quick| Box::pin(overload::silence(is_quick))),
    ("slow successes", |is_quick| Box::pin(recovery::slow_successes(is_quick))),
    ("Kinde comes back slow", |is_quick| Box::pin(recovery::back_and_slow(is_quick))),
    ("Kinde's address moves", |is_quick| Box::pin(recovery::moved(is_quick))),
    ("revocation beside a slow answer", |is_quick| Box::pin(revocation::purge(is_quick))),
    ("counters at rest", |is_quick| Box::pin(counters::at_rest(is_quick))),
    ("the service's token is refused", |_| Box::pin(async { token::refused() })),
];

/// As many connections as the limit on open files allows, but at most the number wanted.
async fn connect(address: SocketAddr, wanted: usize) -> Result<Vec<Connection>, String> {
    // The rest is for the emulator's connections and for other open files.
    let most = open_files_limit().saturating_sub(1_000) / 2;
    let mut connections = Vec::new();
    for _ in 0..wanted.min(most) {
        connections.push(Connection::connect(address).await.map_err(crate::world::socket)?);
    }
    Ok(connections)
}

/// The head of a request within the process.
fn head(secret: &str) -> PlainRequest {
    PlainRequest::new().with_header("Authorization", format!("Bearer {secret}"))
}
