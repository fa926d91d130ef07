//! A service whose set-up is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apikey_core::{Authenticator, Health, Judgement, PresentedKey, Verifier, VerifierError, async_trait};
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::log::Log;

/// Refuses this service, in health checks, too.
#[derive(Default)]
struct Refusing(AtomicUsize);

#[async_trait]
impl Verifier for Refusing {
    async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(VerifierError::service_refused("grant the scope"))
    }

    async fn check(&self) -> Health {
        Health::Refused(VerifierError::service_refused("grant the scope"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_set_up_is_logged_once_a_minute() {
    let (log, _listening) = Log::listen().await;
    let verifier = Arc::new(Refusing::default());
    let authenticator = Authenticator::builder(Arc::clone(&verifier))
        .verification_runtime(Handle::current())
        .attempt_limit(None)
        .build()
        .unwrap();
    for number in 0..2000 {
        let answer = authenticator.verify(PresentedKey::parse(&format!("junk{number}")).unwrap()).await;
        assert_eq!(answer.unwrap_err().code().as_str(), "INTERNAL_ERROR");
        sleep(Duration::from_millis(10)).await;
    }
    let calls = verifier.0.load(Ordering::SeqCst);
    assert!(calls <= 60, "{calls} calls in 20 seconds");
    let log = log.take();
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(log.contains("grant the scope"), "{log}");
}
