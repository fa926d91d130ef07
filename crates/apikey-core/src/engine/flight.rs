//! The duty to verify one key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Engine;
use super::admission::{Applicant, Decided, Turn, Used};
use super::attempts::{CountedAttempt, Limited};
use super::flights::FlightId;
use super::outcome::SharedOutcome;
use super::report::{Lessons, Report};
use super::settle::{Question, Settled};
use crate::client::Client;
use crate::verifier::ServerFault;

/// How often one flight asks anew because a purge came between; then it gives up, for callers wait.
const MOST_QUESTIONS: u32 = 4;

/// The duty to verify one key. Exactly one outcome reaches everyone who waits, even if the verifier panics or its
/// task is aborted.
pub(crate) struct Flight {
    engine: Arc<Engine>,
    id: FlightId,
    asked_at: Instant,
    questions: u32,
    outcome: Arc<SharedOutcome>,
    client: Option<Client>,
    has_answer: bool,
    is_probe: bool,
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
    Limited(Limited),
}

impl Flight {
    pub(super) fn new(
        engine: Arc<Engine>,
        id: FlightId,
        outcome: Arc<SharedOutcome>,
        applicant: &Applicant,
        turn: Arc<Turn>,
        is_probe: bool,
        now: Instant,
    ) -> Self {
        Self {
            engine,
            id,
            asked_at: now,
            questions: 1,
            outcome,
            client: applicant.client,
            has_answer: applicant.has_answer,
            is_probe,
            has_landed: false,
            stage: Stage::Waiting(turn),
            attempt: None,
        }
    }

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

    /// Whether somebody could be served a stale answer meanwhile.
    pub(crate) fn has_answer(&self) -> bool {
        self.has_answer
    }

    /// Tells that the question is asked now: the answer is as old as that, and purges before it are none of its business.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.asked_at = now;
        self.engine.flights.lock().ask_now(self.id);
    }

    /// How long ago the question was asked.
    pub(crate) fn time_since_asked(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked_at)
    }

    /// Notes that the key drew overload. Returns how long it must wait.
    pub(crate) fn note_overload(&self, named: Option<Duration>, now: Instant) -> Duration {
        self.engine.overloads.note(self.id.key, named, now)
    }

    /// Tells who waits that Kinde takes long.
    pub(crate) fn tell_slow(&self) {
        self.outcome.tell_slow();
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
            let turn = admission.apply_again(self.client, self.has_answer, until, now);
            self.engine.flights.lock().set_turn(self.id, &turn);
            self.stage = Stage::Waiting(turn);
        }
    }

    /// Hands in what came of it, and so lands the flight. It comes back if a purge came between, so that the question must be asked
    /// again.
    pub(crate) fn land(mut self, report: Report, now: Instant) -> Option<Self> {
        self.hand_in(report, now);
        (!self.has_landed).then_some(self)
    }

    fn hand_in(&mut self, report: Report, now: Instant) {
        let question = Question {
            flight: self.id,
            asked_at: self.asked_at,
            may_be_repeated: self.questions < MOST_QUESTIONS,
        };
        let Lessons { used, seen, ended } = report.lessons(now.saturating_duration_since(self.asked_at));
        match self.engine.settle(&question, report, now) {
            Settled::AskAgain => {
                self.questions += 1;
                self.asked_at = now;
            }
            Settled::Landed(outcome) => {
                // First what others may need, then the outcome: whoever hears it finds everything else done.
                if let Some(attempt) = self.attempt.take() {
                    attempt.end(ended);
                }
                self.leave(used, now);
                self.engine.learn(seen, self.client, self.is_probe, now);
                self.outcome.publish(outcome);
                self.has_landed = true;
            }
        }
    }

    /// Gives back whatever place the flight has.
    fn leave(&mut self, used: Used, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Landed) {
            Stage::Waiting(turn) | Stage::Flying(turn) => {
                self.engine.admission.leave(self.client, &turn, used, now);
            }
            Stage::Resting => self.engine.admission.stop_resting(self.client, now),
            // An attempt may have been decided.
            Stage::Landed => self.engine.admission.dispatch(now),
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
        self.hand_in(Report::Lost(fault), self.asked_at);
    }
}
