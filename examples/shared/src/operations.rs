//! What runs beside the API of a server.

use std::sync::Arc;

use crate::audit::AuditLog;

/// What runs beside the API. Keep it until the server has ended: dropping it writes the rest of the audit log.
#[derive(Debug)]
pub struct Operations {
    audit: Option<Arc<AuditLog>>,
}

impl Operations {
    pub(crate) fn new(audit: Option<Arc<AuditLog>>) -> Self {
        Self { audit }
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        if let Some(audit) = &self.audit {
            audit.finish();
        }
    }
}
