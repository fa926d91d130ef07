//! Finds the client that a request's attempt counts for. If that is not possible, tells the operator why.

use std::mem::discriminant;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Client, Diagnosis, TrustedProxies, client_address};
use crate::request::RequestHead;

/// Finds the clients of requests. Used only for requests whose attempts count.
pub(crate) struct Clients {
    proxies: TrustedProxies,
    ipv6_prefix: u8,
    told_of_no_address: AtomicBool,
    told: Mutex<Vec<Diagnosis>>,
}

impl Clients {
    pub(crate) fn new(proxies: TrustedProxies, ipv6_prefix: u8) -> Self {
        Self { proxies, ipv6_prefix, told_of_no_address: AtomicBool::new(false), told: Mutex::default() }
    }

    pub(crate) fn client_of(&self, request: &impl RequestHead) -> Option<Client> {
        let Some(peer) = request.peer() else {
            if !self.told_of_no_address.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    "attempt_limit: the server does not know its clients' addresses, so nobody's attempts are \
                     counted; make it record them, as the adapter's documentation says, or turn the limit off"
                );
            }
            return None;
        };
        let resolved = client_address(peer, request, &self.proxies);
        if let Some(diagnosis) = resolved.diagnosis {
            self.tell_once(diagnosis);
        }
        Some(Client::of_address(resolved.address, self.ipv6_prefix))
    }

    fn tell_once(&self, diagnosis: Diagnosis) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.iter().all(|earlier| discriminant(earlier) != discriminant(&diagnosis)) {
            tracing::warn!("{diagnosis}");
            told.push(diagnosis);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::PlainRequest;
    use std::net::IpAddr;
    use std::sync::Arc;

    fn request(peer: &str) -> PlainRequest {
        PlainRequest::new().with_peer(peer.parse().unwrap())
    }

    #[test]
    fn the_client_is_found_by_the_settings() {
        let address = |text: &str| Client::of_address(text.parse::<IpAddr>().unwrap(), 48);
        let clients = Clients::new(TrustedProxies::parse("10.0.0.0/8").unwrap(), 48);
        assert_eq!(clients.client_of(&request("192.0.2.1")), Some(address("192.0.2.1")));
        assert_eq!(clients.client_of(&request("2001:db8:1:2::3")), Some(address("2001:db8:1::")));
        let forwarded = request("10.0.0.1").with_header("x-forwarded-for", "192.0.2.1");
        assert_eq!(clients.client_of(&forwarded), Some(address("192.0.2.1")));
        assert_eq!(clients.client_of(&PlainRequest::new()), None, "no address, no client");
    }

    /// The log that the operator reads.
    fn told(requests: &[PlainRequest]) -> String {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || Log(Arc::clone(&writer))).finish();
        tracing::subscriber::with_default(subscriber, || {
            let clients = Clients::new(TrustedProxies::parse("10.0.0.0/8").unwrap(), 56);
            for request in requests {
                clients.client_of(request);
            }
        });
        String::from_utf8(log.lock().unwrap().clone()).unwrap()
    }

    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_kind_of_mistake_is_told_once() {
        assert_eq!(told(&[request("192.0.2.1"), request("10.0.0.1")]), "");
        let untrusted = |peer| request(peer).with_header("x-forwarded-for", "192.0.2.1");
        let other_header = |peer| request(peer).with_header("forwarded", "for=192.0.2.1");
        let log = told(&[
            untrusted("192.168.0.1"),
            PlainRequest::new(),
            other_header("10.0.0.1"),
            untrusted("192.168.0.2"),
            other_header("10.0.0.2"),
            PlainRequest::new(),
        ]);
        let lines: Vec<&str> = log.lines().collect();
        let [untrusted, no_address, other_header] = lines[..] else { panic!("{log}") };
        assert!(untrusted.contains("WARN") && untrusted.contains("192.168.0.1 in trusted_proxies"), "{log}");
        assert!(no_address.contains("ERROR") && no_address.contains("attempt_limit"), "{log}");
        assert!(other_header.contains("WARN") && other_header.contains("TrustedProxies::header"), "{log}");
    }
}
