//! The traffic to a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apikey_testkit::emulator::{Emulator, KeySpecification};
use apikey_testkit::raw;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use xtask::ops::faults::Traffic;

/// Sends requests, and counts the answers.
pub(super) struct Senders {
    server: SocketAddr,
    emulator: Arc<Emulator>,
    /// A key that is in the cache after its first request.
    known: String,
    number: AtomicU32,
    answers: Mutex<BTreeMap<String, u64>>,
}

/// Which key a request presents, and for which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hit,
    New,
    Junk,
    Limited,
}

impl Senders {
    pub(super) fn new(server: SocketAddr, emulator: Arc<Emulator>) -> Arc<Self> {
        let known = emulator.create_key(KeySpecification::new("known")).secret;
        let (number, answers) = (AtomicU32::new(0), Mutex::default());
        Arc::new(Self { server, emulator, known, number, answers })
    }

    /// Sends this traffic until the result is dropped.
    pub(super) fn send(self: &Arc<Self>, traffic: Traffic) -> JoinSet<()> {
        let mut senders = JoinSet::new();
        let rates = [
            (Kind::Hit, traffic.hits),
            (Kind::New, traffic.new),
            (Kind::Junk, traffic.junk),
            (Kind::Limited, traffic.limited),
        ];
        for (kind, rate) in rates.into_iter().filter(|(_, rate)| *rate > 0.0) {
            senders.spawn(Arc::clone(self).repeat(kind, Duration::from_secs(1).div_f64(rate)));
        }
        for _ in 0..traffic.callers {
            let this = Arc::clone(self);
            senders.spawn(async move {
                loop {
                    this.request(Kind::New).await;
                }
            });
        }
        senders
    }

    /// Hands over one webhook of Kinde's about a user. The server answers it when its fleet has the removal.
    pub(super) fn remove_by_webhook(self: &Arc<Self>) -> JoinSet<()> {
        let this = Arc::clone(self);
        let mut delivery = JoinSet::new();
        delivery.spawn(async move {
            let event = this.emulator.webhook("user.deleted", json!({ "user": { "id": "kp_removed" } }));
            let headers = [("Content-Type", "application/jwt"), ("webhook-id", "event_removed")];
            let request = raw::request("POST", "/kinde/webhook", &headers, event.as_bytes());
            // What it answers does not matter. The removal is done in any case.
            let _ = raw::exchange(this.server, &request).await;
        });
        delivery
    }

    /// Sends a request after each pause, and does not wait for its answer.
    async fn repeat(self: Arc<Self>, kind: Kind, pause: Duration) {
        let mut pauses = interval(pause);
        pauses.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut open = JoinSet::new();
        loop {
            pauses.tick().await;
            let this = Arc::clone(&self);
            open.spawn(async move { this.request(kind).await });
            while open.try_join_next().is_some() {}
        }
    }

    async fn request(&self, kind: Kind) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let key = match kind {
            Kind::Hit => self.known.clone(),
            Kind::New => self.emulator.create_key(KeySpecification::new("new")).secret,
            Kind::Junk | Kind::Limited => format!("k_live_junk_{number}"),
        };
        let headers = [
            ("Authorization", &*format!("Bearer {key}")),
            // The server trusts this header, because it comes from the loopback address.
            ("X-Forwarded-For", &client(kind, number)),
        ];
        let answer = raw::exchange(self.server, &raw::get("/api/me", &headers)).await;
        let answer = match answer {
            Ok(response) => response.status.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(answer).or_default() += 1;
    }

    /// How many answers there were with each status.
    pub(super) fn answers(&self) -> String {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = answers.iter().map(|(answer, count)| format!("{count} x {answer}"));
        answers.collect::<Vec<_>>().join(", ")
    }
}

/// The address of the client.
fn client(kind: Kind, number: u32) -> String {
    match kind {
        Kind::Hit => "192.0.2.1".to_owned(),
        Kind::Limited => "192.0.2.2".to_owned(),
        Kind::New | Kind::Junk => {
            let [_, a, b, c] = number.to_be_bytes();
            format!("10.{a}.{b}.{c}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_junk_and_new_keys_come_from_many_clients() {
        for (kind, many) in
            [(Kind::Hit, false), (Kind::Limited, false), (Kind::New, true), (Kind::Junk, true)]
        {
            assert_eq!(client(kind, 1) != client(kind, 2), many, "{kind:?}");
        }
        assert_eq!(client(Kind::New, 258), "10.0.1.2");
    }
}
