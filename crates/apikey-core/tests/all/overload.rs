//! A verifier that takes few calls at once. As many keys are let in as it can take. Time is paused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apikey_core::{
    Authenticator, Clock, Health, Judgement, PlainRequest, PresentedKey, Verification, Verifier,
    VerifierError, async_trait,
};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::*;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A clock that follows Tokio's paused time.
#[derive(Debug)]
struct PausedClock;

impl Clock for PausedClock {
    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// Takes ten calls at once, 50 ms each. Any further call draws overload after 1 ms.
#[derive(Default)]
struct TenAtOnce {
    in_service: AtomicUsize,
    refused: AtomicUsize,
    moment: Option<Duration>,
}

impl TenAtOnce {
    async fn call(&self) -> Result<(), VerifierError> {
        sleep(MILLISECOND).await;
        if self.in_service.fetch_add(1, Ordering::SeqCst) >= 10 {
            self.in_service.fetch_sub(1, Ordering::SeqCst);
            self.refused.fetch_add(1, Ordering::SeqCst);
            let busy = VerifierError::overload("ten calls are under way");
            return Err(self.moment.map_or(busy.clone(), |moment| busy.with_retry_after(moment)));
        }
        sleep(50 * MILLISECOND).await;
        self.in_service.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl Verifier for TenAtOnce {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.call().await?;
        Ok(Judgement::accepted(Verification::active(key.expose())))
    }

    async fn check(&self) -> Health {
        match self.call().await {
            Ok(()) => Health::Up,
            Err(error) => Health::Overload(error),
        }
    }
}

fn over(verifier: &Arc<TenAtOnce>) -> Authenticator {
    let builder = Authenticator::builder(Arc::clone(verifier)).clock(Arc::new(PausedClock));
    builder.verification_runtime(Handle::current()).build().unwrap()
}

/// Sends good keys of several clients, with this pause between two. Returns how many were let in, and how long the
/// last one took.
async fn come(
    authenticator: &Authenticator,
    keys: usize,
    clients: usize,
    pause: Duration,
) -> (usize, Duration) {
    let mut coming = JoinSet::new();
    let began = Instant::now();
    for number in 0..keys {
        let authenticator = authenticator.clone();
        let request = PlainRequest::new().with_header("authorization", format!("Bearer k{number}"));
        let request = request.with_peer([192, 0, 2, (number % clients) as u8].into());
        coming.spawn(async move {
            sleep(pause * number as u32).await;
            told(&authenticator.authenticate(&request).await) == format!("k{number}")
        });
    }
    let mut let_in = 0;
    while let Some(is_in) = coming.join_next().await {
        let_in += usize::from(is_in.unwrap());
    }
    (let_in, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn two_hundred_keys_at_once_after_a_start_are_all_let_in() {
    for clients in [1, 20] {
        for pause in [Duration::ZERO, MILLISECOND / 2, MILLISECOND, 2 * MILLISECOND] {
            let verifier = Arc::<TenAtOnce>::default();
            let (let_in, took) = come(&over(&verifier), 200, clients, pause).await;
            assert_eq!(let_in, 200, "{clients} clients, one key each {pause:?}");
            assert!(took <= Duration::from_secs(2), "{took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn under_more_load_than_it_takes_a_verifier_is_used_well() {
    for (moment, least) in [(None, 1_600), (Some(Duration::from_secs(1)), 800)] {
        for clients in [1, 20] {
            let verifier = Arc::new(TenAtOnce { moment, ..TenAtOnce::default() });
            let (let_in, _) = come(&over(&verifier), 3_000, clients, Duration::from_secs(1) / 300).await;
            assert!(let_in >= least, "{let_in} of 3000 keys of {clients} clients; {moment:?}");
            let refused = verifier.refused.load(Ordering::SeqCst);
            assert!(refused <= let_in / 2, "{refused} calls too many; {moment:?}");
        }
    }
}

/// Good keys take 50 ms. Odd keys draw overload after 1 ms.
struct OddOnes {
    moment: Option<Duration>,
}

#[async_trait]
impl Verifier for OddOnes {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        sleep(MILLISECOND).await;
        if key.expose().starts_with("odd") {
            let busy = VerifierError::overload("busy");
            return Err(self.moment.map_or(busy.clone(), |moment| busy.with_retry_after(moment)));
        }
        sleep(50 * MILLISECOND).await;
        Ok(Judgement::accepted(Verification::active(key.expose())))
    }

    async fn check(&self) -> Health {
        sleep(50 * MILLISECOND).await;
        Health::Up
    }
}

#[tokio::test(start_paused = true)]
async fn one_clients_keys_that_draw_overload_slow_nobody_else() {
    let second = Duration::from_secs(1);
    for moment in [None, Some(second), Some(3600 * second)] {
        for (odd, pause, least) in [(1, 5, 300), (50, 5, 285), (50, 20, 300), (50, 100, 300)] {
            let verifier = Arc::new(OddOnes { moment });
            let builder = Authenticator::builder(Arc::clone(&verifier)).clock(Arc::new(PausedClock));
            let authenticator = builder.verification_runtime(Handle::current()).build().unwrap();
            let flood = tokio::spawn(flood(authenticator.clone(), odd));
            // At first, only the odd client sends keys.
            sleep(2 * second).await;
            let (let_in, _) = come(&authenticator, 300, 20, pause * MILLISECOND).await;
            flood.abort();
            assert!(
                let_in >= least,
                "{let_in} of 300, one each {pause} ms beside {odd} odd ones; {moment:?}"
            );
        }
    }
}

/// One client repeats this many odd keys, 100 requests a second in all.
async fn flood(authenticator: Authenticator, odd: usize) {
    for number in (0..odd).cycle() {
        let request = PlainRequest::new().with_header("authorization", format!("Bearer odd{number}"));
        let request = request.with_peer([198, 51, 100, 1].into());
        let authenticator = authenticator.clone();
        tokio::spawn(async move { drop(authenticator.authenticate(&request).await) });
        sleep(10 * MILLISECOND).await;
    }
}
