//! The tries of one question: how often the verifier is called, and how many calls there are at once.

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

/// How many tries of one question may be under way at once.
const MOST_AT_ONCE: usize = 3;

/// One call of the verifier.
type Call<'t> = Pin<Box<dyn Future<Output = Result<Judgement, VerifierError>> + Send + 't>>;

/// A call that is under way.
struct Try<'t> {
    began: Instant,
    call: Call<'t>,
    /// Of a second try.
    _permit: Option<HedgePermit<'t>>,
}

pub(super) struct Tries {
    verifier: Arc<dyn Verifier>,
    engine: Arc<Engine>,
    timeout: Duration,
    /// `None` if nothing is tried again.
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

    /// A verification begins. It has these retries.
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

    /// Asks until the key was judged, the failure is one that is not tried again, or the budget is used up.
    pub(super) async fn ask(
        &self,
        key: &PresentedKey,
        client: Option<Client>,
        deadline: Instant,
        allowance: &mut Allowance,
    ) -> Result<Judgement, VerifierError> {
        let mut earlier: Option<VerifierError> = None;
        loop {
            let first = match earlier {
                None => self.verifier.verify(key),
                Some(_) => self.verifier.verify_again(key, FirstTry::Failed),
            };
            let error =
                match timeout_at(deadline, self.with_second_tries(first, key, client, allowance)).await {
                    // What went wrong before the silence says more than the silence.
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

    /// One try. While the latest try is silent for a third of the budget, another one begins beside it. The first complete
    /// answer counts. A try that fails because of its connection leaves the others to answer.
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

/// Waits for whichever try ends first. Returns its index, and what it said.
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

/// Uniform in `0.0..1.0`. If the operating system gives no random numbers, it is the middle.
pub(super) fn random() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
}
