//! Finds the client that a request's attempt counts for. If that is not possible, tells the operator why.

use std::mem::discriminant;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Client, Diagnosis, TrustedProxies, client_address};
use crate::request::RequestHead;

/// So many requests without an address are not worth an error. A unit test makes no more than these, and its requests have
/// no address. A server that does not record addresses is past them at once.
const FEW_REQUESTS: u32 = 10;

/// Finds the clients of requests. Used only for requests whose attempts count.
pub(crate) struct Clients {
    proxies: TrustedProxies,
    ipv6_prefix: u8,
    requests_without_address: AtomicU32,
    told: Mutex<Vec<Diagnosis>>,
}

impl Clients {
    pub(crate) fn new(proxies: TrustedProxies, ipv6_prefix: u8) -> Self {
        Self { proxies, ipv6_prefix, requests_without_address: AtomicU32::new(0), told: Mutex::default() }
    }

    pub(crate) fn client_of(&self, request: &impl RequestHead) -> Option<Client> {
        let resolved = client_address(request.peer()?, request, &self.proxies);
        if let Some(diagnosis) = resolved.diagnosis {
            self.tell_once(diagnosis);
        }
        Some(Client::of_address(resolved.address, self.ipv6_prefix))
    }

    /// Notes a request without a client, whose attempt should have been counted.
    pub(crate) fn note_missing_address(&self) {
        if self.requests_without_address.fetch_add(1, Ordering::Relaxed) == FEW_REQUESTS {
            tracing::error!(
                "attempt_limit: the server does not know its clients' addresses, so nobody's attempts are \
                 counted; make it record them, as the adapter's documentation says, or turn the limit off"
            );
        }
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
}
