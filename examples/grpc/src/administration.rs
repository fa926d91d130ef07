//! The service `Administration`.

use apikey_axum::Authenticator;
use tonic::{Request, Response, Status};

use crate::generated::administration_server::Administration;
use crate::generated::{ForgetKeyRequest, ForgetKeyResponse};

/// The keys that this process has cached.
pub(crate) struct Keys {
    keys: Authenticator,
}

impl Keys {
    pub(crate) fn new(keys: Authenticator) -> Self {
        Self { keys }
    }
}

#[tonic::async_trait]
impl Administration for Keys {
    async fn forget_key(
        &self,
        request: Request<ForgetKeyRequest>,
    ) -> Result<Response<ForgetKeyResponse>, Status> {
        // The layer has asked for the scope `admin`.
        let forgotten = self.keys.remove_key_id(&request.into_inner().key_id).removed();
        Ok(Response::new(ForgetKeyResponse { forgotten: forgotten.try_into().unwrap_or(u32::MAX) }))
    }
}
