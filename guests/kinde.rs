//! What every program does with its adapter.

use apikey_axum::{Authenticator, KindeSettings, KindeVerifier};

/// Makes an authenticator and asks Kinde whether it lets the service verify keys, as a server does when it starts. The
/// connection has TLS.
pub fn call() {
    let root =
        std::env::var("ROOT_CERTIFICATE").expect("the test names the root certificate of its emulator");
    let settings = KindeSettings::from_env().expect("the settings are good").root_certificate(root);
    let verifier = KindeVerifier::new(settings).expect("TLS can be set up");
    let keys = Authenticator::builder(verifier).build().expect("the authenticator can be built");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built");
    let health = runtime.block_on(async { keys.check().await });
    health.into_result().expect("Kinde lets the service verify keys");
}
