//! What a method does about the key of its caller.

use apikey_axum::{Authenticator, Denial, Policy, VerifiedKey};
use tonic::{Code, Request, Status};

/// The key that the layer let in.
pub(crate) fn key_of<T>(request: &Request<T>) -> Result<VerifiedKey, Status> {
    let key = request.extensions().get::<VerifiedKey>();
    // It is always there behind the layer. Without the layer, nobody gets in, and the log says why.
    let mistake = "put keys.require(policy).named_layer(..) around this service";
    key.cloned().ok_or_else(|| status(&Denial::wiring_mistake(mistake)))
}

/// Asks for more than the layer did. It makes no call.
pub(crate) fn allow(keys: &Authenticator, key: &VerifiedKey, policy: &Policy) -> Result<(), Status> {
    keys.authorize(key, policy).map_err(|denial| status(&denial))
}

/// The same code and message that the layer would send.
fn status(denial: &Denial) -> Status {
    Status::new(Code::from_i32(denial.code().grpc_status().into()), denial.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_its_layer_lets_nobody_in() {
        let status = key_of(&Request::new(())).unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, "Internal server error"));
    }
}
