//! What runs beside the API of a server.

use std::sync::Arc;

use crate::Webhooks;
use crate::audit::AuditLog;

/// What runs beside the API. Keep it until the server has ended: dropping it writes the rest of the audit log.
#[derive(Debug)]
pub struct Operations {
    audit: Option<Arc<AuditLog>>,
    webhooks: Option<Webhooks>,
}

impl Operations {
    pub(crate) fn new(audit: Option<Arc<AuditLog>>, webhooks: Option<Webhooks>) -> Self {
        Self { audit, webhooks }
    }

    /// What takes Kinde's webhooks, if `KINDE_WEBHOOKS` is `on`.
    pub fn webhooks(&self) -> Option<Webhooks> {
        self.webhooks.clone()
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        if let Some(audit) = &self.audit {
            audit.finish();
        }
    }
}
