//! Finds the client that a request's attempt counts for. If that is not possible, tells the operator why.

use std::mem::discriminant;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};

use super::proxies::RANGES_SETTING;
use super::{Client, Diagnosis, TrustedProxies, client_address, client_behind_unix_socket};
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
        let (address, diagnosis) = match request.peer() {
            Some(peer) => {
                let resolved = client_address(peer, request, &self.proxies);
                (Some(resolved.address), resolved.diagnosis)
            }
            None if self.proxies.trusts_unix_sockets() => client_behind_unix_socket(request, &self.proxies),
            None => return None,
        };
        if let Some(diagnosis) = diagnosis {
            self.tell_once(diagnosis);
        }
        let of_address = |address| Client::of_address(address, self.ipv6_prefix);
        Some(address.map_or(Client::UNIX_SOCKET, of_address))
    }

    /// Notes a request without a client, whose attempt should have been counted.
    pub(crate) fn note_missing_address<R: RequestHead>(&self) {
        if self.requests_without_address.fetch_add(1, Ordering::Relaxed) == FEW_REQUESTS {
            tracing::error!("{}", without_addresses::<R>());
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

/// What the operator is told if the server does not know its clients' addresses.
fn without_addresses<R: RequestHead>() -> String {
    format!(
        "attempt_limit: the server does not know its clients' addresses, so nobody's attempts are counted; {}; if a \
         proxy connects over a Unix socket, name \"unix\" in {RANGES_SETTING}; or turn the limit off",
        R::HOW_TO_KNOW_PEERS
    )
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

    #[test]
    fn a_client_over_a_unix_socket_is_whom_the_proxy_names() {
        let clients = Clients::new(TrustedProxies::parse("unix, 10.0.0.0/8").unwrap(), 56);
        let over_unix = |line| PlainRequest::new().with_header("x-forwarded-for", line);
        let address = |text: &str| Some(Client::of_address(text.parse().unwrap(), 56));
        assert_eq!(clients.client_of(&over_unix("192.0.2.1")), address("192.0.2.1"));
        assert_eq!(clients.client_of(&over_unix("192.0.2.1, 10.0.0.1")), address("192.0.2.1"));
        assert_eq!(clients.client_of(&over_unix("garbage, 10.0.0.1")), address("10.0.0.1"));
        for unnamed in [over_unix("192.0.2.1, garbage"), over_unix(""), PlainRequest::new()] {
            assert_eq!(clients.client_of(&unnamed), Some(Client::UNIX_SOCKET));
        }
        // Connections with an address are judged by it.
        assert_eq!(
            clients.client_of(&request("192.0.2.2").with_header("x-forwarded-for", "192.0.2.1")),
            address("192.0.2.2")
        );
    }

    #[test]
    fn a_unix_socket_is_not_believed_unless_it_is_trusted() {
        for proxies in ["", "10.0.0.0/8"] {
            let clients = Clients::new(TrustedProxies::parse(proxies).unwrap(), 56);
            let request = PlainRequest::new().with_header("x-forwarded-for", "192.0.2.1");
            assert_eq!(clients.client_of(&request), None, "{proxies:?}");
        }
    }

    #[test]
    fn the_way_to_addresses_is_told_in_the_frameworks_words() {
        struct Framework;
        impl RequestHead for Framework {
            const HOW_TO_KNOW_PEERS: &'static str = "serve it with addresses";
            fn header_values<'a>(&'a self, _: &'a str) -> impl Iterator<Item = &'a [u8]> {
                std::iter::empty()
            }
            fn query(&self) -> Option<&str> {
                None
            }
            fn peer(&self) -> Option<IpAddr> {
                None
            }
        }
        let told = without_addresses::<Framework>();
        assert!(told.contains("; serve it with addresses; ") && told.contains("trusted_proxies"), "{told}");
        let told = without_addresses::<PlainRequest>();
        assert!(told.contains("as the adapter's documentation says"), "{told}");
    }
}
