//! A fleet whose clocks all follow Tokio's, and a verifier that counts what it is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apikey_core::fleet::SharedSecrets;
use apikey_core::{
    Authenticator, AuthenticatorBuilder, Clock, Denial, Judgement, PlainRequest, Policy, PresentedKey,
    Refusal, Verification, VerifiedKey, Verifier, VerifierError,
};
use apikey_testkit::store::MemoryStore;
use tokio::runtime::Handle;
use tokio::time::sleep;

/// An instance is linked after this time, if its store answers.
pub(crate) const LINKED: Duration = Duration::from_secs(3);
/// A removal reaches every linked instance within this time.
pub(crate) const BOUND: Duration = Duration::from_millis(900);
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const SECRET: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";
pub(crate) const NEWER_SECRET: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXpBQkNERUY=";

/// The clock of a paused test.
#[derive(Debug)]
struct TokiosClock;

impl Clock for TokiosClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// A Kinde that takes 20 ms. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Kinde(Arc<Inner>);

#[derive(Default)]
struct Inner {
    keys: Mutex<HashMap<String, Result<Verification, Refusal>>>,
    calls: AtomicUsize,
    is_down: Mutex<bool>,
    /// It does not say whether keys are good.
    is_unsure: Mutex<bool>,
    /// How long an answer takes longer than usual.
    delay: Mutex<Duration>,
    /// The next answers are refused as too many.
    is_busy: AtomicUsize,
}

impl Kinde {
    pub(crate) fn set(&self, secret: &str, verification: Verification) {
        self.0.keys.lock().unwrap().insert(secret.to_owned(), Ok(verification));
    }

    pub(crate) fn revoke(&self, secret: &str) {
        self.0.keys.lock().unwrap().insert(secret.to_owned(), Err(Refusal::Revoked));
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        *self.0.is_down.lock().unwrap() = is_down;
    }

    pub(crate) fn set_unjudged(&self, is_unsure: bool) {
        *self.0.is_unsure.lock().unwrap() = is_unsure;
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        *self.0.delay.lock().unwrap() = delay;
    }

    /// The next answers, as many as this, name a moment after 1 s.
    pub(crate) fn set_busy(&self, answers: usize) {
        self.0.is_busy.store(answers, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Verifier for Kinde {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        // What is said is what is true now, and it arrives later.
        let known = self.0.keys.lock().unwrap().get(key.expose()).cloned();
        let delay = *self.0.delay.lock().unwrap();
        sleep(Duration::from_millis(20) + delay).await;
        let busy =
            self.0.is_busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if busy.is_ok() {
            return Err(VerifierError::overload("busy").with_retry_after(SECOND));
        }
        if *self.0.is_down.lock().unwrap() {
            return Err(VerifierError::outage("down"));
        }
        if *self.0.is_unsure.lock().unwrap() {
            return Err(VerifierError::unjudged("unsure"));
        }
        Ok(match known {
            Some(Ok(verification)) => Judgement::accepted(verification),
            Some(Err(refusal)) => Judgement::refused(refusal),
            None => Judgement::refused(Refusal::Invalid),
        })
    }
}

pub(crate) fn secrets(list: &str) -> SharedSecrets {
    SharedSecrets::parse(list).unwrap()
}

pub(crate) fn alone(kinde: &Kinde) -> AuthenticatorBuilder {
    alone_with(kinde.clone())
}

pub(crate) fn alone_with(verifier: impl Verifier) -> AuthenticatorBuilder {
    Authenticator::builder(verifier)
        .clock(Arc::new(TokiosClock))
        .verification_runtime(Handle::current())
        .retries(false)
        .circuit_breaker(false)
        .attempt_limit(None)
}

pub(crate) fn instance(kinde: &Kinde, store: &MemoryStore) -> Authenticator {
    alone(kinde).shared(store.other_client(), secrets(SECRET)).build().unwrap()
}

/// Instances that are linked.
pub(crate) async fn fleet<const N: usize>(kinde: &Kinde, store: &MemoryStore) -> [Authenticator; N] {
    let fleet = std::array::from_fn(|_| instance(kinde, store));
    sleep(LINKED).await;
    fleet
}

pub(crate) async fn verify(keys: &Authenticator, secret: &str) -> Result<VerifiedKey, Denial> {
    keys.verify(PresentedKey::parse(secret).unwrap()).await
}

/// The source of the answer, or the code of the denial.
pub(crate) async fn told(keys: &Authenticator, secret: &str) -> &'static str {
    match verify(keys, secret).await {
        Ok(key) => key.source().as_str(),
        Err(denial) => denial.code().as_str(),
    }
}

/// The same for a request of this client.
pub(crate) async fn told_client(keys: &Authenticator, client: &str, secret: &str) -> &'static str {
    let request = PlainRequest::new()
        .with_peer(client.parse().unwrap())
        .with_header("authorization", format!("Bearer {secret}"));
    let policy = Policy::any_key();
    let decided = keys.gate(&policy).decide(keys.begin(&request), &request, |key| key).wait().await;
    match decided {
        Ok(key) => key.source().as_str(),
        Err(denial) => denial.code().as_str(),
    }
}
