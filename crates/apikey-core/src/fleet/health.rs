//! What the log says about the store: each thing once.

use std::time::{Duration, Instant};

use super::StoreError;

/// How far apart two attempts to find the store again are at least.
const BETWEEN_REDISCOVERIES: Duration = Duration::from_secs(1);
/// For how long appends must fail until the log says so. Most failures are over before.
const APPENDS_MAY_FAIL: Duration = Duration::from_millis(900);

/// What the log said last about the store.
pub(super) struct Health {
    is_linked: bool,
    /// It has told why the store does not serve.
    has_told: bool,
    rediscovered: Instant,
    /// Since when every append has failed.
    appends_fail_since: Option<Instant>,
    /// It has told why the store takes no removals.
    has_told_of_appends: bool,
}

impl Health {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            is_linked: false,
            has_told: false,
            rediscovered: now,
            appends_fail_since: None,
            has_told_of_appends: false,
        }
    }

    /// A pull succeeded. One that does not link the instance may be followed by a failure, and so on.
    pub(super) fn pulled(&mut self, is_linked: bool) {
        if !is_linked {
            return;
        }
        self.has_told = false;
        if !std::mem::replace(&mut self.is_linked, true) {
            tracing::info!("this instance is linked with its fleet");
        }
    }

    /// A pull failed. Returns whether to find the store again.
    pub(super) fn pull_failed(&mut self, is_linked: bool, error: &StoreError, now: Instant) -> bool {
        if is_linked {
            return false;
        }
        self.is_linked = false;
        if !std::mem::replace(&mut self.has_told, true) {
            match error {
                StoreError::Misconfigured(_) => tracing::error!("the fleet's store is {error}"),
                _ => tracing::warn!(
                    "the fleet's store is {error}; until it serves again, this instance verifies and limits by itself"
                ),
            }
        }
        let is_due = now.saturating_duration_since(self.rediscovered) >= BETWEEN_REDISCOVERIES;
        if is_due {
            self.rediscovered = now;
        }
        is_due
    }

    pub(super) fn appended(&mut self) {
        (self.appends_fail_since, self.has_told_of_appends) = (None, false);
    }

    /// An append failed. Pulls may work nevertheless, so nothing else tells of it.
    pub(super) fn append_failed(&mut self, error: &StoreError, now: Instant) {
        let since = *self.appends_fail_since.get_or_insert(now);
        let is_brief = now.saturating_duration_since(since) < APPENDS_MAY_FAIL;
        if is_brief || std::mem::replace(&mut self.has_told_of_appends, true) {
            return;
        }
        let text = "the fleet does not hear of this instance's removals, because it can't add to the log in the store, which is";
        match error {
            StoreError::Misconfigured(_) => tracing::error!("{text} {error}"),
            _ => tracing::warn!("{text} {error}"),
        }
    }
}
