//! Decides what becomes of a flight's report: whether the flight lands, what is cached, and which outcome the
//! waiters get.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::cached_key::{CachedKey, Freshness};
use super::flights::{FlightId, Table};
use super::outcome::{LandedAnswer, Outcome};
use super::report::Report;
use super::{CROWDED, Engine};
use crate::evidence::StaleAnswer;
use crate::key::Fingerprint;
use crate::telemetry::PurgedBy;
use crate::verification::{Judgement, Refusal, Verdict};
use crate::verifier::FailureClass;
use crate::verifier::ServerFault;

/// What a flight asked Kinde, and when.
pub(super) struct Question {
    pub(super) flight: FlightId,
    pub(super) asked_at: Instant,
    /// When the answer of another instance came. `None` if Kinde answered.
    pub(super) shared_at: Option<Instant>,
    /// Whether the flight may ask once more if a purge came between question and answer.
    pub(super) may_be_repeated: bool,
}

/// What becomes of a flight.
pub(super) enum Settled {
    /// The flight lands with this outcome.
    Landed {
        outcome: Outcome,
        /// Its key replaced an older secret of the same key id.
        is_rotation: bool,
    },
    /// A purge came between question and answer. The flight goes on and asks again.
    AskAgain,
}

/// For an answer that a purge or a rotation made void. A stale answer must not serve either.
const VOID: Outcome = Outcome::Failed { fault: ServerFault::UNAVAILABLE, stale_may_serve: false };

impl Engine {
    /// Takes a flight's report. The table of flights is locked once, from the look for purges until the flight
    /// is taken out of the table, so no purge can come between.
    pub(super) fn settle(&self, question: &Question, report: Report, now: Instant) -> Settled {
        match report {
            Report::Judged(judgement) => {
                self.overloads.forget(&question.flight.key);
                match self.answer(question, judgement) {
                    Ok(answer) => self.accepted(question, answer, now),
                    Err(refusal) => self.refused(question, refusal),
                }
            }
            Report::Failed(error) => {
                let outcome = self.failed(question.flight.key, error.class(), now);
                self.end(question, outcome)
            }
            Report::Lost(fault) => {
                let outcome = self.lost(question.flight.key, fault, now);
                self.end(question, outcome)
            }
            Report::SetUp { stale_may_serve } => {
                self.end(question, Outcome::Failed { fault: ServerFault::Internal, stale_may_serve })
            }
            Report::Limited(limited) => self.end(question, Outcome::Limited(limited)),
            Report::Crowded => self.end(question, unavailable(CROWDED, false)),
            Report::NotYet(wait) => self.end(question, unavailable(wait, true)),
        }
    }

    /// Takes an answer that another instance got. `None` if it is of no use: void, or due for renewal.
    pub(super) fn settle_shared(
        &self,
        question: &Question,
        judgement: Judgement,
        now: Instant,
    ) -> Option<Outcome> {
        let answer = self.answer(question, judgement).ok()?;
        if !answer.is_quiet(self.lifetime.moment(now)) || self.freshness(&answer, now) != Freshness::Fresh {
            return None;
        }
        match self.accepted(question, answer, now) {
            Settled::Landed { outcome: Outcome::Accepted(landed), .. } => Some(Outcome::Shared(landed)),
            Settled::Landed { outcome, .. } => Some(outcome),
            Settled::AskAgain => None,
        }
    }

    /// Makes an answer of what Kinde judged. The answer is as old as its question.
    fn answer(&self, question: &Question, judgement: Judgement) -> Result<Arc<CachedKey>, Refusal> {
        let asked_at = question.asked_at;
        let asked_at = judgement.asked_at().map_or(asked_at, |earlier| earlier.min(asked_at));
        let expires_at = judgement.expires_at();
        let mut verification = match judgement.into_verdict() {
            Verdict::Accepted(verification) => verification,
            Verdict::Refused(refusal) => return Err(refusal),
        };
        self.interner.intern(&mut verification);
        let key = question.flight.key;
        Ok(Arc::new(CachedKey::new(key, verification, asked_at, expires_at, &self.lifetime)))
    }

    fn accepted(&self, question: &Question, answer: Arc<CachedKey>, now: Instant) -> Settled {
        let key = question.flight.key;
        let verification = &answer.verification;
        let mut flights = self.flights.lock();
        // A disowned flight may bring back an answer from before a purge that was not noted for it.
        let is_void = flights
            .purges_seen(question.flight)
            .is_none_or(|seen| flights.purges.concerns(seen, key, Some(verification)))
            || self.is_rotated(question, verification.key_id())
            // The process may have stood still, and missed removals meanwhile.
            || !self.confirmations.may_land(answer.asked_at(), now, &self.lifetime)
            || question.shared_at.is_some_and(|now| !flights.takes_age(question.flight, answer.age(now)));
        if is_void {
            return ask_again(flights, question);
        }
        let is_kept = answer.freshness(answer.asked_at()) == Freshness::Fresh;
        let is_rotation = is_kept && self.cache.store(Arc::clone(&answer));
        flights.end(question.flight);
        let purges_seen = flights.purges.now();
        drop(flights);
        if is_rotation {
            self.telemetry.purged(PurgedBy::Rotation, Some(answer.verification.key_id()), 1);
        }
        self.negative.remove(&key);
        Settled::Landed { outcome: Outcome::Accepted(LandedAnswer { answer, purges_seen }), is_rotation }
    }

    /// Whether Kinde accepted another secret of the same key id that was asked about later. Then this secret
    /// was rotated, and its answer is void.
    fn is_rotated(&self, question: &Question, key_id: &str) -> bool {
        if !self.settings.one_secret_per_key_id {
            return false;
        }
        let known = self.cache.answer_for_id(key_id);
        known.is_some_and(|known| known.asked_at() > question.asked_at)
            && self.cache.answer(&question.flight.key, |_| true).is_none()
    }

    /// A refusal carries no key id, user or organization, so a purge by one of these can't be matched to it.
    /// Callers that wait get the refusal. It is not remembered.
    fn refused(&self, question: &Question, refusal: Refusal) -> Settled {
        let key = question.flight.key;
        let mut flights = self.flights.lock();
        // Kinde has refused the key, so no outage may bring it back. That holds even if a purge came between.
        self.cache.remove(&key);
        let Some(seen) =
            flights.purges_seen(question.flight).filter(|seen| !flights.purges.names(*seen, key))
        else {
            return ask_again(flights, question);
        };
        let is_remembered = !flights.purges.concerns(seen, key, None);
        let forgotten = self.negative.forgotten();
        flights.end(question.flight);
        drop(flights);
        if is_remembered {
            self.negative.store(key, refusal, question.asked_at, forgotten);
        }
        landed(Outcome::Refused(refusal))
    }

    /// The verifier asked, and the key was not judged.
    fn failed(&self, key: Fingerprint, class: FailureClass, now: Instant) -> Outcome {
        let rule = class.rule();
        let stale_may_serve = match rule.stale_answer {
            StaleAnswer::Serves => true,
            StaleAnswer::ServesWhileOpen => self.breaker.is_open(),
        };
        if !stale_may_serve {
            self.forget_what_is_stale(key, now);
        }
        let wait = match class {
            FailureClass::Overload => self.overloads.wait(&key, now),
            _ => None,
        };
        let fault = match (rule.is_set_up, wait) {
            (true, _) => ServerFault::Internal,
            (false, Some(retry_after)) => ServerFault::Unavailable { retry_after },
            (false, None) => ServerFault::UNAVAILABLE,
        };
        Outcome::Failed { fault, stale_may_serve }
    }

    /// The flight's task ended without a report. If the verifier panicked, this key alone may make it panic, so
    /// its stale answer is forgotten.
    fn lost(&self, key: Fingerprint, fault: ServerFault, now: Instant) -> Outcome {
        let stale_may_serve = fault != ServerFault::Internal || self.breaker.is_open();
        if !stale_may_serve {
            self.forget_what_is_stale(key, now);
        }
        Outcome::Failed { fault, stale_may_serve }
    }

    /// What may serve only while Kinde can't answer is forgotten. A fresh answer stays until its time to live ends.
    fn forget_what_is_stale(&self, key: Fingerprint, now: Instant) {
        let is_unconfirmed =
            || self.cache.answer(&key, |answer| self.freshness(answer, now) != Freshness::Fresh).is_some();
        if !self.is_linked(now) && is_unconfirmed() {
            self.cache.remove(&key);
        } else {
            self.cache.end_extension(&key);
        }
    }

    fn end(&self, question: &Question, outcome: Outcome) -> Settled {
        self.flights.lock().end(question.flight);
        landed(outcome)
    }
}

/// A purge or a rotation made the answer void. The flight asks again if it may. Otherwise, or if it is
/// disowned, it lands.
fn ask_again(mut flights: MutexGuard<'_, Table>, question: &Question) -> Settled {
    if question.may_be_repeated && flights.ask_now(question.flight) {
        return Settled::AskAgain;
    }
    flights.end(question.flight);
    landed(VOID)
}

fn landed(outcome: Outcome) -> Settled {
    Settled::Landed { outcome, is_rotation: false }
}

fn unavailable(retry_after: Duration, stale_may_serve: bool) -> Outcome {
    Outcome::Failed { fault: ServerFault::Unavailable { retry_after }, stale_may_serve }
}
