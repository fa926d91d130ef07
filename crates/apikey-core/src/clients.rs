//! Whose attempt a request is, and what the operator is told where that can't be found out.

use std::mem::discriminant;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client_addr::{Client, Diagnosis, TrustedProxies, client_address, client_of};
use crate::extract::RequestHead;

/// Finds the clients of requests, where attempts are counted at all.
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
                     counted; let it record them, as the adapter's documentation says, or turn the limit off"
                );
            }
            return None;
        };
        let resolved = client_address(peer, request, &self.proxies);
        if let Some(diagnosis) = resolved.diagnosis {
            self.tell_once(diagnosis);
        }
        Some(client_of(resolved.address, self.ipv6_prefix))
    }

    fn tell_once(&self, diagnosis: Diagnosis) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.iter().all(|earlier| discriminant(earlier) != discriminant(&diagnosis)) {
            tracing::warn!("{diagnosis}");
            told.push(diagnosis);
        }
    }
}
