//! A flight: one verification that is under way for one key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Engine;
use super::admission::{Applicant, Decided, Turn, Used};
use super::attempts::{CountedAttempt, Limited, WindowOfClient};
use super::flights::FlightId;
use super::outcome::{Outcome, SharedOutcome};
use super::report::{Lessons, Report};
use super::settle::{Question, Settled};
use crate::client::Client;
use crate::telemetry::{VerificationRecord, VerificationResult};
use crate::verification::Judgement;
use crate::verifier::ServerFault;

/// How often one flight asks Kinde at most. It asks again if a purge came between question and answer. Then it
/// gives up, because callers wait.
const MOST_QUESTIONS: u32 = 4;

/// One verification that is under way for one key. All callers with this key share it. Whoever holds the flight
/// must land it. Exactly one outcome reaches all waiters, even if the verifier panics or the task is aborted.
pub(crate) struct Flight {
    engine: Arc<Engine>,
    id: FlightId,
    began: Instant,
    /// When it began by the system's clock. If the flight is lost, nobody hands in the time.
    began_by_the_system: Instant,
    asked_at: Instant,
    questions: u32,
    outcome: Arc<SharedOutcome>,
    client: Option<Client>,
    has_answer: bool,
    is_probe: bool,
    /// Its caller waits until there is room to ask.
    waits_for_room: bool,
    has_landed: bool,
    stage: Stage,
    attempt: Option<CountedAttempt>,
}

pub(super) enum Stage {
    /// It looks into the fleet's store. Then it asks for a place.
    Looking(Box<Applicant>),
    /// It waits for a place among the calls that are under way.
    Waiting(Arc<Turn>),
    /// It has a place.
    Flying(Arc<Turn>),
    /// It has no place until the moment that Kinde named.
    Resting,
    /// It has neither a place nor a place in the queue.
    Landed,
}

/// What becomes of a flight that handed in its report.
pub(crate) enum Landing {
    /// A purge came between question and answer. The flight must ask again.
    AskAgain(Flight),
    Landed(Landed),
}

/// What others must hear of a flight that has landed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Landed {
    /// Its key replaced an older secret of the same key id.
    pub(crate) is_rotation: bool,
    /// The attempt of its client stays counted.
    pub(crate) is_used: bool,
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
        stage: Stage,
        now: Instant,
    ) -> Self {
        Self {
            engine,
            id,
            began: now,
            began_by_the_system: Instant::now(),
            asked_at: now,
            questions: 1,
            outcome,
            client: applicant.client,
            has_answer: applicant.has_answer,
            is_probe: false,
            waits_for_room: false,
            has_landed: false,
            stage,
            attempt: None,
        }
    }

    pub(super) fn probing(mut self, is_probe: bool) -> Self {
        self.is_probe = is_probe;
        self
    }

    /// Whether the flight should look into the fleet's store before it asks Kinde.
    pub(crate) fn looks(&self) -> bool {
        matches!(self.stage, Stage::Looking(_))
    }

    /// If there is no room when the flight has looked into the fleet's store, it is not turned away.
    pub(crate) fn wait_for_room(&mut self) {
        self.waits_for_room = true;
    }

    /// Whether the flight should ask for a place again when one may be free.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.waits_for_room
    }

    /// Asks for a place, if the flight has looked into the fleet's store in vain.
    ///
    /// # Errors
    /// What it must land with instead, if Kinde must not be asked now.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Report> {
        let Stage::Looking(applicant) = &self.stage else { return Ok(()) };
        match self.engine.admit(self.id, applicant, now) {
            Ok((turn, is_probe)) => {
                self.is_probe = is_probe;
                self.stage = Stage::Waiting(turn);
                Ok(())
            }
            Err(instead) => {
                if !(self.waits_for_room && matches!(instead, Report::Crowded)) {
                    self.stage = Stage::Landed;
                }
                Err(instead)
            }
        }
    }

    /// Waits for this flight's turn to ask. If a place was free, the turn has come already. If the caller stops
    /// waiting, it must land the flight.
    ///
    /// # Errors
    /// [`NoTurn`], if the turn will not come.
    pub(crate) async fn turn(&mut self) -> Result<(), NoTurn> {
        let turn = match &self.stage {
            Stage::Waiting(turn) => Arc::clone(turn),
            Stage::Flying(_) => return Ok(()),
            Stage::Looking(_) | Stage::Resting | Stage::Landed => return Err(NoTurn::Crowded),
        };
        match turn.decided().await {
            Decided::Come(attempt) => {
                self.stage = Stage::Flying(turn);
                // After a rest the attempt is still open.
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

    /// How long this flight must still wait although its turn has come, because the breaker opened or Kinde
    /// asked everybody to wait. The flag says that it is the latter.
    pub(crate) fn must_still_wait(&self, now: Instant) -> Option<(Duration, bool)> {
        if self.is_probe { None } else { self.engine.breaker.wait(now) }
    }

    /// The client whose request started the flight.
    pub(crate) fn client(&self) -> Option<Client> {
        self.client
    }

    /// Whether the cache has an answer that may serve meanwhile.
    pub(crate) fn has_answer(&self) -> bool {
        self.has_answer
    }

    /// The flight asks now. Its answer is as old as this moment, and purges from before it don't concern the
    /// answer.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.asked_at = now;
        self.engine.flights.lock().ask_now(self.id);
    }

    /// The client and the window that its attempt counts in, if it counts.
    pub(crate) fn counted_for(&self) -> Option<(Client, WindowOfClient)> {
        Some((self.client?, self.attempt.as_ref()?.counted_in()))
    }

    /// Notes that the client has used up its attempts elsewhere in the fleet. The flight must land with this report.
    pub(crate) fn is_limited_elsewhere(&mut self, resets_in: Duration, now: Instant) -> Report {
        match self.attempt.take() {
            Some(attempt) => Report::Limited(attempt.refuse_for(resets_in, now)),
            None => Report::Crowded,
        }
    }

    /// How long ago the question was asked.
    pub(crate) fn time_since_asked(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked_at)
    }

    /// Notes that the key drew overload. Returns how long it must wait.
    pub(crate) fn note_overload(&self, named: Option<Duration>, now: Instant) -> Duration {
        self.engine.overloads.note(self.id.key, named, now)
    }

    /// Tells the waiters that Kinde takes long.
    pub(crate) fn tell_slow(&self) {
        self.outcome.tell_slow();
    }

    /// Gives the place up until the moment that Kinde named. `false` if too many flights wait already. Then the
    /// flight must land.
    pub(crate) fn rest(&mut self, now: Instant) -> bool {
        self.give_way(Used::Overloaded, now)
    }

    /// The same until attempts of its client have ended elsewhere in the fleet.
    pub(crate) fn rest_unused(&mut self, now: Instant) -> bool {
        self.give_way(Used::Otherwise, now)
    }

    fn give_way(&mut self, used: Used, now: Instant) -> bool {
        let Stage::Flying(turn) = &self.stage else { return false };
        let rests = self.engine.admission.rest(self.client, turn, used, now);
        self.stage = if rests { Stage::Resting } else { Stage::Landed };
        rests
    }

    /// Ends the rest: the flight waits for a place again, at most until this moment.
    pub(crate) fn apply_again(&mut self, until: Instant, now: Instant) {
        if matches!(self.stage, Stage::Resting) {
            let admission = &self.engine.admission;
            let turn = admission.apply_again(self.client, self.has_answer, until, now);
            self.engine.flights.lock().set_turn(self.id, &turn);
            self.stage = Stage::Waiting(turn);
        }
    }

    /// Lands the flight with this report, unless a purge came between question and answer.
    pub(crate) fn land(mut self, report: Report, now: Instant) -> Landing {
        match self.hand_in(report, now) {
            Some(landed) => Landing::Landed(landed),
            None => Landing::AskAgain(self),
        }
    }

    /// Lands the flight with an answer that another instance got. `None` if it has landed. Otherwise a purge or a
    /// rotation made the answer void, or it is due for renewal, so that Kinde must be asked.
    pub(crate) fn land_shared(mut self, judgement: Judgement, now: Instant) -> Option<Self> {
        let asked_at = judgement.asked_at().unwrap_or(now);
        let question = Question { flight: self.id, asked_at, shared_at: Some(now), may_be_repeated: true };
        let Some(outcome) = self.engine.settle_shared(&question, judgement, now) else { return Some(self) };
        self.leave(Used::Otherwise, now);
        self.outcome.publish(outcome);
        self.has_landed = true;
        None
    }

    /// `None` if the flight must ask again.
    fn hand_in(&mut self, report: Report, now: Instant) -> Option<Landed> {
        let question = Question {
            flight: self.id,
            asked_at: self.asked_at,
            shared_at: None,
            may_be_repeated: self.questions < MOST_QUESTIONS,
        };
        let Lessons { used, seen, ended } = report.lessons(now.saturating_duration_since(self.asked_at));
        let (result, error_type) = report.verdict();
        match self.engine.settle(&question, report, now) {
            Settled::AskAgain => {
                self.questions += 1;
                self.asked_at = now;
                None
            }
            Settled::Landed { outcome, is_rotation } => {
                // Waiters get the outcome last, so that they find everything else done.
                let is_used = self.attempt.take().is_some_and(|attempt| attempt.end(ended));
                self.leave(used, now);
                self.engine.learn(seen, self.client, self.is_probe, now);
                let key = match &outcome {
                    Outcome::Accepted(landed) => Some(&landed.answer.verification),
                    _ => None,
                };
                // A purge or a rotation may have made the answer void.
                let is_judged = matches!(result, VerificationResult::Accepted | VerificationResult::Refused);
                let is_void = is_judged && matches!(outcome, Outcome::Failed { .. });
                self.engine.telemetry.verification_ended(&VerificationRecord {
                    result: if is_void { VerificationResult::Unjudged } else { result },
                    error_type: if is_void { Some("void") } else { error_type },
                    key,
                    took: now.saturating_duration_since(self.began),
                });
                self.outcome.publish(outcome);
                self.has_landed = true;
                Some(Landed { is_rotation, is_used })
            }
        }
    }

    /// Gives back the place, or the place in the queue.
    fn leave(&mut self, used: Used, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Landed) {
            Stage::Waiting(turn) | Stage::Flying(turn) => {
                self.engine.admission.leave(self.client, &turn, used, now);
            }
            Stage::Resting => self.engine.admission.stop_resting(self.client, now),
            // It has nothing to give back. But its attempt was decided, and that may let another flight go.
            Stage::Looking(_) | Stage::Landed => self.engine.admission.dispatch(now),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.has_landed {
            return;
        }
        // If this thread panics, the verifier has a bug. Otherwise the runtime that carried the flight shuts
        // down.
        let fault = if std::thread::panicking() {
            tracing::error!("the verifier panicked; the key was not judged");
            ServerFault::Internal
        } else {
            ServerFault::UNAVAILABLE
        };
        let now = self.began + self.began_by_the_system.elapsed();
        let _landed = self.hand_in(Report::Lost(fault), now.max(self.asked_at));
    }
}
