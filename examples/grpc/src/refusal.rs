//! What a method does about the key of its caller.

use apikey_axum::{Authenticator, Denial, Policy, VerifiedKey};
use tonic::{Code, Request, Status};

/// The key that the layer let in.
pub(crate) fn key_of<T>(request: &Request<T>) -> Result<VerifiedKey, Status> {
    let key = request.extensions().get::<VerifiedKey>();
    // The layer always puts it there. Without the layer, nobody gets in.
    key.cloned().ok_or_else(|| Status::internal("no layer stands in front of this service"))
}

/// Asks for more than the layer did. It makes no call.
pub(crate) fn allow(keys: &Authenticator, key: &VerifiedKey, policy: &Policy) -> Result<(), Status> {
    keys.authorize(key, policy).map_err(|denial| status(&denial))
}

/// The same code and message that the layer would send.
fn status(denial: &Denial) -> Status {
    Status::new(Code::from_i32(denial.code().grpc_status().into()), denial.message())
}
