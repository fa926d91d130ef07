//! What becomes of what a flight brings back: what is kept, and what everybody hears.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::breaker::{Seen, Transition};
use super::{CROWDED, CachedKey, Engine, EngineSettings, Flight, Freshness, Outcome, Report, tell};
use crate::evidence::OlderAnswer;
use crate::verification::{Judgement, Refusal, Verdict};
use crate::verifier::FailureClass;
use crate::verifier::ServerFault;

impl Engine {
    /// Makes a positive answer of a judgement, as old as its question.
    fn answer(&self, flight: &Flight, judgement: Judgement) -> Result<Arc<CachedKey>, Refusal> {
        let asked_at = judgement.asked_at().map_or(flight.asked_at, |asked_at| asked_at.min(flight.asked_at));
        let expires_at = judgement.expires_at();
        let mut verification = match judgement.into_verdict() {
            Verdict::Accepted(verification) => verification,
            Verdict::Refused(refusal) => return Err(refusal),
        };
        self.interner.intern(&mut verification);
        let Self { settings: EngineSettings { time_to_live, stale_if_error, .. }, .. } = self;
        let bits = flight.id.key.bits();
        let answer = CachedKey::new(verification, asked_at, bits, *time_to_live, *stale_if_error, expires_at);
        Ok(Arc::new(answer))
    }

    /// Whether a purge or a rotation that concerns this answer came between question and answer.
    pub(super) fn must_ask_again(&self, flight: &Flight, report: &Report) -> bool {
        let Report::Judged(judgement) = report else { return false };
        let key = flight.id.key;
        let flights = self.flights.lock();
        let Some(asked) = flights.purges_seen(flight.id) else { return false };
        match judgement.verdict() {
            Verdict::Accepted(verification) => {
                flights.purges.concerns(asked, key, Some(verification))
                    || self.is_rotated(flight, verification.key_id())
            }
            // A refusal tells no identity: if only that could tell, it is served, but not remembered.
            Verdict::Refused(_) => flights.purges.names(asked, key),
        }
    }

    /// Whether another secret of the same key id was asked about later than this one, and accepted.
    fn is_rotated(&self, flight: &Flight, key_id: &str) -> bool {
        if !self.settings.one_secret_per_key_id {
            return false;
        }
        let known = self.cache.answer_for_id(key_id);
        known.is_some_and(|known| known.asked_at() > flight.asked_at)
            && self.cache.answer(&flight.id.key, |_| true).is_none()
    }

    /// Ends a flight: keeps what it brought back, and tells what everybody is to hear.
    pub(super) fn settle(&self, flight: &Flight, report: Report, now: Instant) -> Outcome {
        let key = flight.id.key;
        let judged = match report {
            Report::Judged(judgement) => self.answer(flight, judgement),
            other => {
                let outcome = self.not_judged(flight, other, now);
                self.flights.lock().end(flight.id);
                return outcome;
            }
        };
        self.overloads.forget(&key);
        let mut flights = self.flights.lock();
        // What a disowned flight brings back may be older than a purge that nobody has noted for it.
        let asked = flights.purges_seen(flight.id);
        let mut remembered = None;
        // If a purge came between once more, or since the look before, nobody may rely on what is heard.
        let outcome = match judged {
            Ok(answer) => {
                let verification = &answer.verification;
                let is_void = asked
                    .is_none_or(|asked| flights.purges.concerns(asked, key, Some(verification)))
                    || self.is_rotated(flight, verification.key_id());
                if is_void {
                    Outcome::Failed { fault: ServerFault::UNAVAILABLE, older_may_serve: false }
                } else {
                    if answer.freshness(answer.asked_at()) == Freshness::Fresh {
                        self.cache.store(key, Arc::clone(&answer));
                    }
                    Outcome::Accepted(answer)
                }
            }
            Err(refusal) => {
                // Whenever it was asked for: Kinde has refused the key, so no outage brings it back.
                self.cache.remove(&key);
                if asked.is_none_or(|asked| flights.purges.names(asked, key)) {
                    Outcome::Failed { fault: ServerFault::UNAVAILABLE, older_may_serve: false }
                } else {
                    if asked.is_some_and(|asked| !flights.purges.concerns(asked, key, None)) {
                        remembered = Some((refusal, flights.purges.now()));
                    }
                    Outcome::Refused(refusal)
                }
            }
        };
        let is_accepted = matches!(outcome, Outcome::Accepted(_));
        flights.end(flight.id);
        drop(flights);
        if let Some((refusal, purges)) = remembered {
            self.negative.store(key, refusal, flight.asked_at);
            // A purge may have looked for it before it was there.
            if self.flights.lock().purges.now() != purges {
                self.negative.remove(&key);
            }
        } else if is_accepted {
            self.negative.remove(&key);
        }
        outcome
    }

    /// What a flight is worth that judged nothing.
    fn not_judged(&self, flight: &Flight, report: Report, now: Instant) -> Outcome {
        let key = flight.id.key;
        let error = match report {
            Report::Limited(limited) => return Outcome::Limited(limited),
            Report::Crowded | Report::Judged(_) => {
                let fault = ServerFault::Unavailable { retry_after: CROWDED };
                return Outcome::Failed { fault, older_may_serve: false };
            }
            Report::NotYet(retry_after) => {
                let fault = ServerFault::Unavailable { retry_after };
                return Outcome::Failed { fault, older_may_serve: true };
            }
            Report::Lost(fault) => {
                // A verifier that panics may do so about this key alone.
                let older_may_serve = fault != ServerFault::Internal || self.breaker.is_open();
                if !older_may_serve {
                    self.cache.end_extension(&key);
                }
                return Outcome::Failed { fault, older_may_serve };
            }
            Report::Failed(error) => error,
        };
        let rule = error.class().rule();
        let older_may_serve = match rule.older_answer {
            OlderAnswer::Serves => true,
            OlderAnswer::ServesWhileOpen => self.breaker.is_open(),
        };
        if !older_may_serve {
            self.cache.end_extension(&key);
        }
        let wait = match error.class() {
            FailureClass::Overload => self.overloads.wait(&key, now),
            _ => None,
        };
        let fault = match (rule.is_set_up, wait) {
            (true, _) => ServerFault::Internal,
            (false, Some(retry_after)) => ServerFault::Unavailable { retry_after },
            (false, None) => ServerFault::UNAVAILABLE,
        };
        Outcome::Failed { fault, older_may_serve }
    }

    /// Takes in what a flight says about Kinde's health.
    pub(super) fn learn(&self, seen: Seen, flight: &Flight, now: Instant) {
        let transition = self.breaker.record(seen, flight.client, flight.is_probe, now);
        if let Some(transition) = transition {
            if let (Transition::Closed, Some(attempts)) = (&transition, &self.attempts) {
                attempts.forget_the_outage();
            }
            tell(&transition);
        }
    }

    /// Notes that a key drew overload. Returns how long it must wait.
    pub(crate) fn note_overload(&self, flight: &Flight, named: Option<Duration>, now: Instant) -> Duration {
        self.overloads.note(flight.id.key, named, now)
    }
}
