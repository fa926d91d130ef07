//! The background work: verifications that no caller can cancel, health checks, and the watch for a machine that
//! slept. All of it ends with its authenticator.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::Instrument as _;

use crate::client::Client;
use crate::clock::Clock;
use crate::engine::{Engine, Flight, NoTurn, Report};
use crate::evidence::Retry;
use crate::hedge::{HedgePermit, Hedges};
use crate::key::PresentedKey;
use crate::log_gate::LogGate;
use crate::retry::{Allowance, RetryBudget};
use crate::runtime::VerificationRuntime;
use crate::verification::Judgement;
use crate::verifier::{FailureClass, FirstTry, Health, Verifier, VerifierError};

/// How often the clock that counts sleep is compared with the one that does not.
const SLEEP_WATCH: Duration = Duration::from_secs(1);
/// A gap between the two clocks that is no sleep.
const NO_SLEEP: Duration = Duration::from_millis(100);
/// A health check may take at least this long, because nobody waits for it.
const LEAST_HEALTH_CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// A flight whose turn has come waits so long for a pause to end; past it its caller is told to come back.
const LONGEST_WAIT_FOR_EVERYBODY: Duration = Duration::from_secs(1);
/// For how long an answer to the application's own check is handed on.
const CHECK_MEMORY: Duration = Duration::from_secs(1);
/// Tries of one question that may be under way at once.
const MOST_TRIES_AT_ONCE: usize = 3;

/// One call of the verifier.
type Try<'t> = Pin<Box<dyn Future<Output = Result<Judgement, VerifierError>> + Send + 't>>;

/// Verifies keys in tasks of its own. Dropping it ends them.
pub(crate) struct Worker {
    tools: Arc<Tools>,
    runtime: VerificationRuntime,
    /// Nothing is ever sent: that this end is gone is the message.
    alive: watch::Sender<()>,
}

pub(crate) struct WorkerSettings {
    pub(crate) timeout: Duration,
    pub(crate) retries: bool,
    pub(crate) max_in_flight: usize,
    /// After how much of a question an older answer may serve; `None` if none ever does.
    pub(crate) slow_after: Option<Duration>,
}

struct Tools {
    verifier: Arc<dyn Verifier>,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    settings: WorkerSettings,
    retries: Option<RetryBudget>,
    hedges: Hedges,
    log: LogGate,
    /// When the application asked last whether verifying works, and the answer. One asks at a time.
    checked: tokio::sync::Mutex<Option<(std::time::Instant, Health)>>,
}

/// How long a health check may take, for this verification timeout.
pub(crate) fn health_check_timeout(verification_timeout: Duration) -> Duration {
    verification_timeout.max(LEAST_HEALTH_CHECK_TIMEOUT)
}

impl Worker {
    pub(crate) fn new(
        verifier: Arc<dyn Verifier>,
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        runtime: VerificationRuntime,
        settings: WorkerSettings,
    ) -> Self {
        let retries = settings.retries.then(|| RetryBudget::new(settings.max_in_flight));
        let hedges = Hedges::new(settings.timeout);
        let log = LogGate::default();
        let tools = Arc::new(Tools {
            verifier,
            engine,
            clock,
            settings,
            retries,
            hedges,
            log,
            checked: tokio::sync::Mutex::default(),
        });
        let worker = Self { tools, runtime, alive: watch::channel(()).0 };
        worker.spawn(Arc::clone(&worker.tools).check_health_when_wanted());
        worker.spawn(Arc::clone(&worker.tools).watch_for_sleep());
        worker
    }

    /// Verifies in a task of its own, so that a caller who hangs up cancels nobody else's answer.
    pub(crate) fn launch(&self, flight: Flight, key: PresentedKey) {
        // The verification may outlive its caller, whose span must not wait for it.
        let span = tracing::info_span!(parent: None, "apikey.verification");
        span.follows_from(tracing::Span::current());
        self.spawn(Arc::clone(&self.tools).fly(flight, key).instrument(span));
    }

    /// Asks whether verifying works; once more if the other side can't answer. Callers within one second share an answer.
    pub(crate) async fn check(&self) -> Health {
        let tools = Arc::clone(&self.tools);
        let check = async move {
            let mut latest = tools.checked.lock().await;
            let now = tools.clock.now();
            if let Some((at, health)) = &*latest
                && now.saturating_duration_since(*at) < CHECK_MEMORY
            {
                return health.clone();
            }
            let health = match tools.health_check().await {
                Health::Down(_) | Health::Overload(_) => tools.health_check().await,
                health => health,
            };
            *latest = Some((tools.clock.now(), health.clone()));
            health
        };
        let (answer, answered) = oneshot::channel();
        self.runtime.spawn(async move { drop(answer.send(check.await)) });
        answered.await.unwrap_or_else(|_| Health::Down(VerifierError::outage("the task that asks was ended")))
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut alive = self.alive.subscribe();
        self.runtime.spawn(async move {
            tokio::select! {
                () = work => {}
                _authenticator_is_gone = alive.changed() => {}
            }
        });
    }
}

impl Tools {
    /// Verifies until the flight has landed.
    async fn fly(self: Arc<Self>, mut flight: Flight, key: PresentedKey) {
        let timeout = self.settings.timeout;
        let deadline = Instant::now() + timeout;
        let mut allowance = Allowance::default();
        if let Some(retries) = &self.retries {
            retries.earn();
        }
        let mut overload = None;
        let mut patience = self.engine.queue_patience().min(timeout);
        loop {
            let turn = match timeout_at(deadline.min(Instant::now() + patience), flight.turn()).await {
                Ok(Ok(())) => self.wait_for_everybody(&flight, deadline).await,
                Ok(Err(NoTurn::Limited(limited))) => Some(Report::Limited(limited)),
                Ok(Err(NoTurn::Crowded)) | Err(_) => Some(Report::Crowded),
            };
            if let Some(no_turn) = turn {
                let now = self.clock.now();
                // A flight that was asked about before tells what it drew.
                if let Some(error) = &overload {
                    self.log.tell(error, now);
                }
                let report = overload.map_or(no_turn, Report::Failed);
                let _landed = flight.land(report, now);
                return;
            }
            let asked_at = self.clock.now();
            flight.ask(asked_at);
            let asked = self.ask_once(&flight, &key, deadline, &mut allowance).await;
            let now = self.clock.now();
            let report = match asked {
                Ok(judgement) => Report::Judged(judgement),
                Err(error) => {
                    if error.class().rule().retry == Retry::AfterTheMoment {
                        let wait = flight.note_overload(error.asked_to_wait(), now);
                        let left = deadline.saturating_duration_since(Instant::now());
                        if wait < left && self.may_retry(&mut allowance) {
                            // A call that is refused at once holds its place for as long as any other. Otherwise all who
                            // wait would come to be refused in no time.
                            let took = now.saturating_duration_since(asked_at);
                            let held = self.engine.usual_time_of_a_call().saturating_sub(took).min(wait);
                            sleep(held).await;
                            if flight.rest(self.clock.now()) {
                                sleep(self.spread(wait, left).saturating_sub(held)).await;
                                // It has waited already, so it may wait for its turn as long as its budget lasts.
                                patience = deadline.saturating_duration_since(Instant::now());
                                let now = self.clock.now();
                                flight.apply_again(now + patience, now);
                                overload = Some(error);
                                continue;
                            }
                        }
                    }
                    self.log.tell(&error, now);
                    Report::Failed(error)
                }
            };
            match flight.land(report, now) {
                Some(again) => flight = again,
                None => return,
            }
        }
    }

    /// Waits while everybody does, if that ends within the budget.
    async fn wait_for_everybody(&self, flight: &Flight, deadline: Instant) -> Option<Report> {
        while let Some((wait, is_pause)) = flight.must_still_wait(self.clock.now()) {
            let ends_soon = is_pause && wait <= LONGEST_WAIT_FOR_EVERYBODY;
            if !ends_soon || Instant::now() + wait >= deadline {
                return Some(Report::NotYet(wait));
            }
            sleep(wait).await;
        }
        None
    }

    /// Asks, and tells those who have an older answer when it takes long.
    async fn ask_once(
        &self,
        flight: &Flight,
        key: &PresentedKey,
        deadline: Instant,
        allowance: &mut Allowance,
    ) -> Result<Judgement, VerifierError> {
        let asking = self.ask(key, flight.client(), deadline, allowance);
        match self.settings.slow_after.filter(|_| flight.has_older_answer()) {
            None => asking.await,
            Some(slow_after) => {
                let mut asking = std::pin::pin!(asking);
                tokio::select! {
                    biased;
                    asked = &mut asking => return asked,
                    () = sleep(slow_after) => flight.tell_slow(),
                }
                asking.await
            }
        }
    }

    /// Asks until the key was judged, the failure is one that is not tried again, or the budget is used up.
    async fn ask(
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
            let wait = allowance.wait_after_outage(random());
            if wait.is_none_or(|wait| wait >= left) || !self.may_retry(allowance) {
                return Err(error);
            }
            earlier = Some(error);
            sleep(wait.unwrap_or_default()).await;
        }
    }

    /// One try. While the latest try is silent for a third of the budget, another one begins beside it. The first complete
    /// answer counts; a try that fails for want of a connection leaves the others to answer.
    async fn with_second_tries<'t>(
        &'t self,
        first: Try<'t>,
        key: &'t PresentedKey,
        client: Option<Client>,
        allowance: &mut Allowance,
    ) -> Result<Judgement, VerifierError> {
        let mut tries = vec![(Instant::now(), first, None)];
        let mut may_begin_another = self.retries.is_some();
        loop {
            let latest = tries.last().map_or_else(Instant::now, |(began, ..)| *began);
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
                        let second = self.verifier.verify_again(key, FirstTry::Silent);
                        tries.push((Instant::now(), second, Some(permit)));
                        may_begin_another = tries.len() < MOST_TRIES_AT_ONCE;
                    }
                    continue;
                }
            };
            let (began, ..) = tries.remove(index);
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

    /// Whether one more try may be made.
    fn may_retry(&self, allowance: &mut Allowance) -> bool {
        self.retries.as_ref().is_some_and(|retries| allowance.take(retries))
    }

    /// Spreads those who wait for the same moment over a little time after it.
    fn spread(&self, wait: Duration, left: Duration) -> Duration {
        (wait + (wait / 4).min(Duration::from_millis(250)).mul_f64(random())).min(left)
    }

    fn too_late(&self) -> VerifierError {
        let timeout = self.settings.timeout.as_millis();
        VerifierError::outage(format!("no answer within verification_timeout ({timeout} ms)"))
    }
}

impl Tools {
    /// Checks the health whenever the engine wants it.
    async fn check_health_when_wanted(self: Arc<Self>) {
        loop {
            let now = self.clock.now();
            match self.engine.next_health_check(now) {
                None => self.engine.health_check_wanted().await,
                Some(wait) if !wait.is_zero() => {
                    tokio::select! {
                        () = self.engine.health_check_wanted() => {}
                        () = sleep(wait) => {}
                    }
                }
                Some(_) => {
                    if self.engine.begin_health_check(now) {
                        let health = self.health_check().await;
                        let now = self.clock.now();
                        if let Health::Refused(error) = &health {
                            self.log.tell(error, now);
                        }
                        self.engine.end_health_check(health, now);
                    }
                }
            }
        }
    }

    /// Checks the health once.
    async fn health_check(&self) -> Health {
        let patience = health_check_timeout(self.settings.timeout);
        let verifier = Arc::clone(&self.verifier);
        // In a task of its own, so that a panic ends the check alone.
        let mut task = JoinSet::new();
        task.spawn(async move { verifier.check().await });
        match timeout(patience, task.join_next()).await {
            Ok(Some(Ok(health))) => health,
            Ok(_) => Health::Down(VerifierError::outage("the verifier's check panicked")),
            Err(_elapsed) => {
                let patience = patience.as_millis();
                Health::Down(VerifierError::outage(format!(
                    "no answer to the health check within {patience} ms"
                )))
            }
        }
    }

    /// Compares the clock that counts the machine's sleep with the one that does not.
    async fn watch_for_sleep(self: Arc<Self>) {
        let Some(mut known) = self.clock.suspended() else { return };
        loop {
            sleep(SLEEP_WATCH).await;
            let Some(suspended) = self.clock.suspended() else { return };
            let slept = suspended.saturating_sub(known);
            if slept > NO_SLEEP {
                tracing::info!(
                    "the machine slept for {} ms: cached answers are asked for again",
                    slept.as_millis()
                );
                self.engine.slept(slept);
            }
            known = suspended;
        }
    }
}

/// Waits for whichever try ends first; its index, and what it said.
async fn first_ready(
    tries: &mut [(Instant, Try<'_>, Option<HedgePermit<'_>>)],
) -> (usize, Result<Judgement, VerifierError>) {
    poll_fn(|context| {
        for (index, (_, one, _)) in tries.iter_mut().enumerate() {
            if let Poll::Ready(answer) = one.as_mut().poll(context) {
                return Poll::Ready((index, answer));
            }
        }
        Poll::Pending
    })
    .await
}

/// Uniform in `0.0..1.0`; the middle if the operating system gives no random numbers.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
}
