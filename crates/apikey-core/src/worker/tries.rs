//! The tries of one question: when the verifier is called again, and how many calls run at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::client::Client;
use crate::engine::Engine;
use crate::evidence::Retry;
use crate::hedge::{HedgePermit, Hedges};
use crate::key::PresentedKey;
use crate::retry::{Allowance, RetryBudget};
use crate::verification::Judgement;
use crate::verifier::{FailureClass, FirstTry, Verifier, VerifierError};

/// How many tries of one question may run at once.
const MOST_AT_ONCE: usize = 3;

/// One call of the verifier.
type Call<'t> = Pin<Box<dyn Future<Output = Result<Judgement, VerifierError>> + Send + 't>>;

/// A try that is under way.
struct Try<'t> {
    began: Instant,
    call: Call<'t>,
    /// `None` for the first try.
    _permit: Option<HedgePermit<'t>>,
}

pub(super) struct Tries {
    verifier: Arc<dyn Verifier>,
    engine: Arc<Engine>,
    timeout: Duration,
    /// `None` if failed calls are not tried again.
    retries: Option<RetryBudget>,
    hedges: Hedges,
}

impl Tries {
    pub(super) fn new(
        verifier: Arc<dyn Verifier>,
        engine: Arc<Engine>,
        timeout: Duration,
        retries: Option<RetryBudget>,
    ) -> Self {
        Self { verifier, engine, timeout, retries, hedges: Hedges::new(timeout) }
    }

    /// Notes that a verification begins. Returns its own retries.
    pub(super) fn begin(&self) -> Allowance {
        if let Some(retries) = &self.retries {
            retries.earn();
        }
        Allowance::default()
    }

    /// Whether one more try may be made.
    pub(super) fn may_retry(&self, allowance: &mut Allowance) -> bool {
        self.retries.as_ref().is_some_and(|retries| allowance.take(retries))
    }

    /// Counts a call that begins now.
    fn count_call(&self, allowance: &mut Allowance) {
        if allowance.is_another_call() {
            self.engine.telemetry().retried();
        }
    }

    /// How many retries are left in the budget that all verifications share.
    pub(super) fn budget(&self) -> u64 {
        self.retries.as_ref().map_or(0, RetryBudget::left)
    }

    /// Asks until Kinde judges the key, until a failure comes that is not tried again, or until the budget is
    /// used up.
    pub(super) async fn ask(
        &self,
        key: &PresentedKey,
        client: Option<Client>,
        deadline: Instant,
        allowance: &mut Allowance,
    ) -> Result<Judgement, VerifierError> {
        let mut earlier: Option<VerifierError> = None;
        loop {
            self.count_call(allowance);
            let first = match earlier {
                None => self.verifier.verify(key),
                Some(_) => self.verifier.verify_again(key, FirstTry::Failed),
            };
            let error =
                match timeout_at(deadline, self.with_second_tries(first, key, client, allowance)).await {
                    // An earlier error says more than the silence after it.
                    Err(_elapsed) => return Err(earlier.unwrap_or_else(|| self.too_late())),
                    Ok(Ok(judgement)) => return Ok(judgement),
                    Ok(Err(error)) => error,
                };
            if error.class().rule().retry != Retry::OnANewConnection {
                return Err(error);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(wait) = allowance.wait_after_outage(random()).filter(|wait| *wait < left) else {
                return Err(error);
            };
            if !self.may_retry(allowance) {
                return Err(error);
            }
            earlier = Some(error);
            sleep(wait).await;
        }
    }

    /// Makes one try. If the latest try is silent for a third of the budget, another one begins beside it. The
    /// first complete answer counts. If a try fails because of its connection, the others go on.
    async fn with_second_tries<'t>(
        &'t self,
        first: Call<'t>,
        key: &'t PresentedKey,
        client: Option<Client>,
        allowance: &mut Allowance,
    ) -> Result<Judgement, VerifierError> {
        let mut tries = vec![Try { began: Instant::now(), call: first, _permit: None }];
        let mut may_begin_another = self.retries.is_some();
        loop {
            let latest = tries.last().map_or_else(Instant::now, |latest| latest.began);
            let another = async {
                sleep_until(latest + self.hedges.silence()).await;
                self.hedges.permit(client, self.engine.calls_under_way()).await
            };
            let (index, answer) = tokio::select! {
                biased;
                ready = first_ready(&mut tries) => ready,
                permit = another, if may_begin_another => {
                    let is_useful = self.hedges.are_useful(Instant::now());
                    may_begin_another = is_useful && self.may_retry(allowance);
                    if may_begin_another {
                        self.count_call(allowance);
                        let call = self.verifier.verify_again(key, FirstTry::Silent);
                        tries.push(Try { began: Instant::now(), call, _permit: Some(permit) });
                        may_begin_another = tries.len() < MOST_AT_ONCE;
                    }
                    continue;
                }
            };
            let Try { began, .. } = tries.remove(index);
            let is_complete = match &answer {
                Ok(_) => {
                    self.hedges.succeeded(began, Instant::now());
                    true
                }
                Err(error) => error.class() != FailureClass::Outage,
            };
            if is_complete || tries.is_empty() {
                return answer;
            }
        }
    }

    fn too_late(&self) -> VerifierError {
        let timeout = self.timeout.as_millis();
        VerifierError::outage(format!("no answer within verification_timeout ({timeout} ms)"))
    }
}

/// Waits until the first of the tries ends. Returns its index, and its answer.
async fn first_ready(tries: &mut [Try<'_>]) -> (usize, Result<Judgement, VerifierError>) {
    poll_fn(|context| {
        for (index, one) in tries.iter_mut().enumerate() {
            if let Poll::Ready(answer) = one.call.as_mut().poll(context) {
                return Poll::Ready((index, answer));
            }
        }
        Poll::Pending
    })
    .await
}

/// A random number, uniform in `0.0..1.0`. It is 0.5 if the operating system gives no random numbers.
pub(super) fn random() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
}
