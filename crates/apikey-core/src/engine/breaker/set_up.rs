//! The memory of a service that is set up wrong.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::verifier::FailureClass;

/// How long a wrong set-up is remembered.
const MEMORY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct SetUp {
    /// The client whose key drew a failure that may come from this service's set-up. The next health check decides
    /// whether the set-up is wrong.
    doubted_by: Option<Option<Client>>,
    wrong: Option<WrongSetUp>,
}

#[derive(Clone, Copy)]
struct WrongSetUp {
    until: Instant,
    class: FailureClass,
    doubted_by: Option<Client>,
}

impl WrongSetUp {
    /// If Kinde does not say why it refuses this service, the reason may be the keys. So only the client whose key
    /// drew the failure gets it again without a call to Kinde.
    fn concerns(&self, client: Option<Client>) -> bool {
        self.class == FailureClass::SetUp || self.doubted_by == client
    }
}

impl SetUp {
    /// The class of failure that this client gets without a call to Kinde.
    pub(super) fn known_wrong_for(&self, client: Option<Client>, now: Instant) -> Option<FailureClass> {
        self.remembered(now).filter(|wrong| wrong.concerns(client)).map(|wrong| wrong.class)
    }

    pub(super) fn is_known_wrong(&self, now: Instant) -> bool {
        self.remembered(now).is_some()
    }

    fn remembered(&self, now: Instant) -> Option<WrongSetUp> {
        self.wrong.filter(|wrong| now < wrong.until)
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.doubted_by.is_some()
    }

    /// A key of this client drew a failure that may come from this service's set-up. Returns whether a health check
    /// is needed.
    pub(super) fn doubt(&mut self, client: Option<Client>, now: Instant) -> bool {
        let is_news = !self.is_known_wrong(now);
        if is_news {
            self.doubted_by = Some(client);
        }
        is_news
    }

    /// Notes that a health check found no mistake in the set-up.
    pub(super) fn clear_doubt(&mut self) {
        self.doubted_by = None;
    }

    /// Notes that a health check found a mistake in the set-up. The mistake is remembered if a caller's key drew such
    /// a failure, too.
    pub(super) fn confirm(&mut self, class: FailureClass, now: Instant) {
        self.wrong = self.doubted_by.take().and_then(|doubted_by| {
            let until = now.checked_add(MEMORY)?;
            Some(WrongSetUp { until, class, doubted_by })
        });
    }
}
