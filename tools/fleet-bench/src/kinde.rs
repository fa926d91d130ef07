//! A stand-in for Kinde without sockets, for measurements with many instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apikey_core::{Judgement, PresentedKey, Verifier, VerifierError};
use async_trait::async_trait;
use decision_bench::verification;

/// Accepts every key of [`decision_bench::secret`] after a while, and counts. Clones count together.
#[derive(Debug, Clone)]
pub struct Kinde {
    takes: Duration,
    calls: Arc<AtomicU64>,
}

impl Kinde {
    /// One that answers after this time.
    #[must_use]
    pub fn new(takes: Duration) -> Self {
        Self { takes, calls: Arc::default() }
    }

    /// How often it was asked.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Verifier for Kinde {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.takes).await;
        // Each secret has its own last 16 digits, and so its own key id.
        let secret = key.expose();
        let digits = secret.get(secret.len().saturating_sub(16)..).unwrap_or_default();
        let number = u64::from_str_radix(digits, 16);
        let number = number.map_err(|_| VerifierError::outage("a key that nobody issued"))?;
        Ok(Judgement::accepted(verification(number)))
    }
}
