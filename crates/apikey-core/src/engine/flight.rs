//! Verifications under way: at most one per key, whoever waits for it.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::admission::{Applicant, Decided, Turn, Used};
use super::attempts::{CountedAttempt, Ended};
use super::breaker::Seen;
use super::crowd::WaitingSlot;
use super::purge::Purges;
use super::{CROWDED, Engine, Outcome, Report};
use crate::client::Client;
use crate::key::{Fingerprint, FingerprintHashing};
use crate::verifier::ServerFault;

/// Where the outcome of a flight comes.
#[derive(Default)]
pub(super) struct Landing {
    outcome: OnceLock<Outcome>,
    /// Kinde takes so long that an older answer may serve.
    is_slow: AtomicBool,
    news: Notify,
}

/// How often one flight asks anew because a purge came between; then it gives up, for callers wait.
const MOST_QUESTIONS: u32 = 4;

/// How often it is looked for flights that are stuck.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The flights, by key. Its lock also orders what is stored against what is purged.
#[derive(Default)]
pub(super) struct Flights {
    table: Mutex<Table>,
}

#[derive(Default)]
pub(super) struct Table {
    by_key: HashMap<Fingerprint, Entry, FingerprintHashing>,
    pub(super) purges: Purges,
    last_id: u64,
    /// Counts the flights that have landed, so that a look from before the lock can be told to be out of date.
    landed: u64,
    /// When it was last looked for flights that are stuck.
    looked_at: Option<Instant>,
}

/// A flight that was taken out because it is stuck, for example because its runtime is blocked.
pub(super) struct Stuck {
    pub(super) client: Option<Client>,
    pub(super) turn: Arc<Turn>,
    landing: Arc<Landing>,
}

struct Entry {
    id: u64,
    client: Option<Client>,
    turn: Arc<Turn>,
    began: Instant,
    landing: Arc<Landing>,
    /// The number of the latest purge when the question was asked.
    purges_seen: u64,
}

impl Entry {
    fn into_stuck(self) -> Stuck {
        Stuck { client: self.client, turn: self.turn, landing: self.landing }
    }
}

impl Flights {
    /// Nothing but the table's own work happens under this lock: no code of an adapter, no log line, no other cache's
    /// maintenance.
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock runs code that could leave the table half-changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    pub(super) fn under_way(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn landed(&self) -> u64 {
        self.landed
    }

    /// Where to wait for the flight of this key, if one is under way. One that began longer than `overdue` ago is stuck, for
    /// example because its runtime is blocked, and nobody joins it any more.
    pub(super) fn join(&self, key: &Fingerprint, now: Instant, overdue: Duration) -> Option<Arc<Landing>> {
        let entry = self.by_key.get(key)?;
        (now.saturating_duration_since(entry.began) <= overdue).then(|| Arc::clone(&entry.landing))
    }

    /// Takes out the flights that are stuck: they are disowned. At most four times a second, because it looks at all.
    pub(super) fn take_stuck(&mut self, now: Instant, overdue: Duration) -> Vec<Stuck> {
        if self.looked_at.is_some_and(|at| now.saturating_duration_since(at) < BETWEEN_LOOKS) {
            return Vec::new();
        }
        self.looked_at = Some(now);
        let is_stuck =
            |_: &Fingerprint, entry: &mut Entry| now.saturating_duration_since(entry.began) > overdue;
        let stuck: Vec<Stuck> =
            self.by_key.extract_if(is_stuck).map(|(_, entry)| entry.into_stuck()).collect();
        if !stuck.is_empty() {
            self.forget_purges();
        }
        stuck
    }

    /// Starts a flight. One of this key that is still under way is stuck, and taken out.
    pub(super) fn start(
        &mut self,
        engine: Arc<Engine>,
        fingerprint: Fingerprint,
        applicant: Applicant,
        turn: Arc<Turn>,
        is_probe: bool,
        now: Instant,
    ) -> (Flight, Arc<Landing>, Option<Stuck>) {
        let landing = Arc::<Landing>::default();
        self.last_id += 1;
        let (id, purges_seen) = (self.last_id, self.purges.now());
        let (client, seat) = (applicant.client, Arc::clone(&turn));
        let entry = Entry { id, client, turn: seat, began: now, landing: Arc::clone(&landing), purges_seen };
        let replaced = self.by_key.insert(fingerprint, entry).map(Entry::into_stuck);
        let flight = Flight {
            engine,
            fingerprint,
            id,
            asked_at: now,
            questions: 1,
            landing: Arc::clone(&landing),
            client: applicant.client,
            has_older_answer: applicant.has_older_answer,
            is_probe,
            has_landed: false,
            stage: Stage::Waiting(turn),
            attempt: None,
        };
        (flight, landing, replaced)
    }

    /// The number of the latest purge when this flight asked; `None` if it is disowned.
    pub(super) fn purges_seen(&self, flight: &Flight) -> Option<u64> {
        let entry = self.by_key.get(&flight.fingerprint).filter(|entry| entry.id == flight.id)?;
        Some(entry.purges_seen)
    }

    /// From now on the flight heeds later purges only, because it asks now.
    pub(super) fn ask_now(&mut self, flight: &Flight) {
        let now = self.purges.now();
        if let Some(entry) = self.by_key.get_mut(&flight.fingerprint).filter(|entry| entry.id == flight.id) {
            entry.purges_seen = now;
        }
        self.forget_purges();
    }

    /// From now on this is what a flight holds that may be stuck.
    fn set_turn(&mut self, flight: &Flight, turn: &Arc<Turn>) {
        if let Some(entry) = self.by_key.get_mut(&flight.fingerprint).filter(|entry| entry.id == flight.id) {
            entry.turn = Arc::clone(turn);
        }
    }

    pub(super) fn end(&mut self, flight: &Flight) {
        self.landed = self.landed.wrapping_add(1);
        if self.purges_seen(flight).is_some() {
            self.by_key.remove(&flight.fingerprint);
            self.forget_purges();
        }
    }

    fn forget_purges(&mut self) {
        if !self.purges.is_empty() {
            let oldest = self.by_key.values().map(|entry| entry.purges_seen).min();
            self.purges.forget_before(oldest);
        }
    }
}

/// The duty to verify one key. Exactly one outcome reaches everyone who waits, even if the verifier panics or its
/// task is aborted.
pub(crate) struct Flight {
    pub(super) engine: Arc<Engine>,
    pub(super) fingerprint: Fingerprint,
    id: u64,
    pub(super) asked_at: Instant,
    questions: u32,
    landing: Arc<Landing>,
    pub(super) client: Option<Client>,
    pub(super) has_older_answer: bool,
    pub(super) is_probe: bool,
    has_landed: bool,
    stage: Stage,
    attempt: Option<CountedAttempt>,
}

enum Stage {
    /// For a place among the calls that are under way.
    Waiting(Arc<Turn>),
    Flying(Arc<Turn>),
    /// Without a place, until the moment that Kinde named.
    Resting,
    Landed,
}

/// Why a flight may not ask.
pub(crate) enum NoTurn {
    Crowded,
    Limited(super::Limited),
}

impl Flight {
    /// Waits for this flight's turn to ask; at once if a place was free. Whoever stops waiting must land the flight.
    ///
    /// # Errors
    /// [`NoTurn`], if the turn will not come.
    pub(crate) async fn turn(&mut self) -> Result<(), NoTurn> {
        let turn = match &self.stage {
            Stage::Waiting(turn) => Arc::clone(turn),
            Stage::Flying(_) => return Ok(()),
            Stage::Resting | Stage::Landed => return Err(NoTurn::Crowded),
        };
        match turn.decided().await {
            Decided::Come(attempt) => {
                self.stage = Stage::Flying(turn);
                // After a rest the attempt is open already.
                if attempt.is_some() {
                    self.attempt = attempt;
                }
                Ok(())
            }
            Decided::Limited(limited) => {
                self.stage = Stage::Landed;
                Err(NoTurn::Limited(limited))
            }
            Decided::Crowded => {
                self.stage = Stage::Landed;
                Err(NoTurn::Crowded)
            }
        }
    }

    /// How long this flight must wait although its turn has come: while it waited, the breaker opened, or everybody was asked to
    /// wait; and whether it is the latter.
    pub(crate) fn must_still_wait(&self, now: Instant) -> Option<(Duration, bool)> {
        if self.is_probe { None } else { self.engine.breaker.wait(now) }
    }

    /// Whose call it is.
    pub(crate) fn client(&self) -> Option<Client> {
        self.client
    }

    /// Whether somebody could be served an older answer meanwhile.
    pub(crate) fn has_older_answer(&self) -> bool {
        self.has_older_answer
    }

    /// Tells that the question is asked now: the answer is as old as that, and purges before it are none of its business.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.asked_at = now;
        self.engine.flights.lock().ask_now(self);
    }

    /// Tells who waits that Kinde takes long.
    pub(crate) fn tell_slow(&self) {
        self.landing.is_slow.store(true, Ordering::Release);
        self.landing.news.notify_waiters();
    }

    /// Gives the place up until the moment that Kinde named. `false` if too many wait already.
    pub(crate) fn rest(&mut self, now: Instant) -> bool {
        let Stage::Flying(turn) = &self.stage else { return false };
        let rests = self.engine.admission.rest(self.client, turn, now);
        self.stage = if rests { Stage::Resting } else { Stage::Landed };
        rests
    }

    /// Ends the rest: the flight waits for a place again, until this moment.
    pub(crate) fn apply_again(&mut self, until: Instant, now: Instant) {
        if matches!(self.stage, Stage::Resting) {
            let admission = &self.engine.admission;
            let turn = admission.apply_again(self.client, self.has_older_answer, until, now);
            self.engine.flights.lock().set_turn(self, &turn);
            self.stage = Stage::Waiting(turn);
        }
    }

    /// Hands in what came of it. The flight comes back if a purge came between, so that the question must be asked again.
    pub(crate) fn land(mut self, report: Report, now: Instant) -> Option<Self> {
        if self.questions < MOST_QUESTIONS && self.engine.must_ask_again(&self, &report) {
            self.questions += 1;
            self.ask(now);
            return Some(self);
        }
        self.publish(report, now);
        None
    }

    fn publish(&mut self, report: Report, now: Instant) {
        if std::mem::replace(&mut self.has_landed, true) {
            return;
        }
        let took = now.saturating_duration_since(self.asked_at);
        let (used, seen, ended) = match &report {
            Report::Judged(judgement) => {
                let ended = if judgement.is_accepted() { Ended::Accepted } else { Ended::Refused };
                (Used::Judged(took), Seen::Judged, ended)
            }
            Report::Failed(error) => {
                let rule = error.class().rule();
                let may_be_an_outage = rule.is_an_outage_if_confirmed;
                let is_overload = error.class() == crate::verifier::FailureClass::Overload;
                let used = if is_overload { Used::Overloaded } else { Used::Otherwise };
                let seen = match rule.is_set_up {
                    true => Seen::SetUp,
                    false => Seen::Bad { never_connected: error.is_without_connection() },
                };
                (used, seen, Ended::NotJudged { may_be_an_outage })
            }
            // A bug of the verifier's, which this key may have met.
            Report::Lost(ServerFault::Internal) => {
                (Used::Otherwise, Seen::Nothing, Ended::NotJudged { may_be_an_outage: false })
            }
            Report::Crowded | Report::NotYet(_) | Report::Limited(_) | Report::Lost(_) => {
                (Used::Otherwise, Seen::Nothing, Ended::NotMade)
            }
        };
        let engine = Arc::clone(&self.engine);
        let outcome = engine.settle(self, report, now);
        // First what others may need, then the outcome: whoever hears it finds everything else done.
        if let Some(attempt) = self.attempt.take() {
            attempt.end(ended);
        }
        self.leave(used, now);
        engine.learn(seen, self, now);
        let _first = self.landing.outcome.set(outcome);
        self.landing.news.notify_waiters();
    }

    /// Gives back whatever place the flight has.
    fn leave(&mut self, used: Used, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Landed) {
            Stage::Waiting(turn) | Stage::Flying(turn) => {
                self.engine.admission.leave(self.client, &turn, used, now);
            }
            Stage::Resting => self.engine.admission.stop_resting(self.client, now),
            // An attempt may have been decided.
            Stage::Landed => self.engine.admission.attend(now),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.has_landed {
            return;
        }
        // A panic is a bug of the verifier's; otherwise the runtime that carried the flight is shutting down.
        let fault = if std::thread::panicking() {
            tracing::error!("the verifier panicked; the key was not judged");
            ServerFault::Internal
        } else {
            ServerFault::UNAVAILABLE
        };
        let asked_at = self.asked_at;
        self.publish(Report::Lost(fault), asked_at);
    }
}

/// Waits for a flight; clones share its slot in the crowd.
#[derive(Clone)]
pub(crate) struct Waiter {
    landing: Arc<Landing>,
    /// Only of those who wait for somebody else's flight.
    slot: Option<Arc<WaitingSlot>>,
}

/// What somebody who waits hears.
pub(crate) enum News {
    Landed(Outcome),
    /// Not yet landed, and Kinde takes long.
    Slow,
}

impl Stuck {
    /// Tells those who wait that nobody could answer.
    pub(super) fn give_up(&self) {
        let outcome = Outcome::Failed { fault: ServerFault::UNAVAILABLE, older_may_serve: true };
        let _first = self.landing.outcome.set(outcome);
        self.landing.news.notify_waiters();
    }
}

impl Waiter {
    pub(super) fn new(landing: Arc<Landing>, slot: Option<WaitingSlot>) -> Self {
        Self { landing, slot: slot.map(Arc::new) }
    }

    /// Takes the slot again, if it was given up: a request may wait a second time, for a surer answer.
    pub(crate) fn enter(&self) {
        if let Some(slot) = &self.slot {
            slot.enter();
        }
    }

    /// Gives the slot up: a request may live on for long after its key was verified, and keep a clone.
    pub(crate) fn leave(&self) {
        if let Some(slot) = &self.slot {
            slot.leave();
        }
    }

    /// The outcome; or that it takes long, if `heeds_slowness`.
    pub(crate) async fn news(&self, heeds_slowness: bool) -> News {
        loop {
            let mut news = pin!(self.landing.news.notified());
            // From here on nothing is missed, so the look comes after it.
            news.as_mut().enable();
            if let Some(outcome) = self.landing.outcome.get() {
                return News::Landed(match outcome {
                    // It is the limit of the client whose flight it was. This one made no attempt.
                    Outcome::Limited(_) if self.slot.is_some() => Outcome::Failed {
                        fault: ServerFault::Unavailable { retry_after: CROWDED },
                        older_may_serve: false,
                    },
                    outcome => outcome.clone(),
                });
            }
            if heeds_slowness && self.landing.is_slow.load(Ordering::Acquire) {
                return News::Slow;
            }
            news.await;
        }
    }
}
