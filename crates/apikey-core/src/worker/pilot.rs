//! The way of one flight: it waits for its turn, asks, and lands.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::tries::{Tries, random};
use crate::clock::Clock;
use crate::engine::{Engine, Flight, NoTurn, Report};
use crate::evidence::Retry;
use crate::key::PresentedKey;
use crate::log_gate::LogGate;
use crate::retry::Allowance;
use crate::verification::Judgement;
use crate::verifier::VerifierError;

/// How long a flight whose turn has come waits for the end of a pause. If that is farther away, its caller is told to come back.
const LONGEST_WAIT_FOR_EVERYBODY: Duration = Duration::from_secs(1);
/// Keys that wait for the same moment are spread over a quarter of the wait after it, but over no more than this.
const LONGEST_SPREAD: Duration = Duration::from_millis(250);

pub(super) struct Pilot {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Arc<LogGate>,
    pub(super) tries: Tries,
    /// What one verification may take.
    pub(super) timeout: Duration,
    /// After how long a wait for Kinde a stale answer may serve; `None` if none ever does.
    pub(super) slow_after: Option<Duration>,
}

impl Pilot {
    /// Verifies until the flight has landed.
    pub(super) async fn fly(self: Arc<Self>, mut flight: Flight, key: PresentedKey) {
        let deadline = Instant::now() + self.timeout;
        let mut allowance = self.tries.begin();
        let mut turn_until = Instant::now() + self.engine.queue_patience().min(self.timeout);
        let mut overload = None;
        loop {
            if let Err(no_turn) = self.take_turn(&mut flight, turn_until, deadline).await {
                let now = self.clock.now();
                // If the key was asked about before, what it drew then says more.
                let report = overload.map_or(no_turn, |error| {
                    self.log.tell(&error, now);
                    Report::Failed(error)
                });
                let _landed = flight.land(report, now);
                return;
            }
            flight.ask(self.clock.now());
            let report = match self.ask(&flight, &key, deadline, &mut allowance).await {
                Ok(judgement) => Report::Judged(judgement),
                Err(error) if self.rest(&mut flight, &error, deadline, &mut allowance).await => {
                    // It has waited already, so it may wait for its turn as long as its budget lasts.
                    turn_until = deadline;
                    overload = Some(error);
                    continue;
                }
                Err(error) => {
                    self.log.tell(&error, self.clock.now());
                    Report::Failed(error)
                }
            };
            match flight.land(report, self.clock.now()) {
                Some(again) => flight = again,
                None => return,
            }
        }
    }

    /// Waits for the flight's turn, and then while everybody waits.
    async fn take_turn(&self, flight: &mut Flight, until: Instant, deadline: Instant) -> Result<(), Report> {
        match timeout_at(until, flight.turn()).await {
            Ok(Ok(())) => self.wait_for_everybody(flight, deadline).await,
            Ok(Err(NoTurn::Limited(limited))) => Err(Report::Limited(limited)),
            Ok(Err(NoTurn::Crowded)) | Err(_) => Err(Report::Crowded),
        }
    }

    /// Waits while everybody does, if that ends within the budget.
    async fn wait_for_everybody(&self, flight: &Flight, deadline: Instant) -> Result<(), Report> {
        while let Some((wait, is_pause)) = flight.must_still_wait(self.clock.now()) {
            let ends_soon = is_pause && wait <= LONGEST_WAIT_FOR_EVERYBODY;
            if !ends_soon || Instant::now() + wait >= deadline {
                return Err(Report::NotYet(wait));
            }
            sleep(wait).await;
        }
        Ok(())
    }

    /// Asks, and tells callers that have a stale answer when it takes long.
    async fn ask(
        &self,
        flight: &Flight,
        key: &PresentedKey,
        deadline: Instant,
        allowance: &mut Allowance,
    ) -> Result<Judgement, VerifierError> {
        let asking = self.tries.ask(key, flight.client(), deadline, allowance);
        let Some(slow_after) = self.slow_after.filter(|_| flight.has_answer()) else {
            return asking.await;
        };
        let mut asking = std::pin::pin!(asking);
        tokio::select! {
            biased;
            asked = &mut asking => return asked,
            () = sleep(slow_after) => flight.tell_slow(),
        }
        asking.await
    }

    /// If Kinde is overloaded, gives the place up until the moment that it named, and asks for a place again. `false` if the flight
    /// must land with the error instead.
    async fn rest(
        &self,
        flight: &mut Flight,
        error: &VerifierError,
        deadline: Instant,
        allowance: &mut Allowance,
    ) -> bool {
        if error.class().rule().retry != Retry::AfterTheMoment {
            return false;
        }
        let now = self.clock.now();
        let wait = flight.note_overload(error.asked_to_wait(), now);
        let left = deadline.saturating_duration_since(Instant::now());
        if wait >= left || !self.tries.may_retry(allowance) {
            return false;
        }
        // A call that is refused at once holds its place for as long as any other. Otherwise all who wait would come to be refused
        // in no time.
        let held = self.engine.usual_time_of_a_call().saturating_sub(flight.time_since_asked(now)).min(wait);
        sleep(held).await;
        if !flight.rest(self.clock.now()) {
            return false;
        }
        sleep(spread(wait, left).saturating_sub(held)).await;
        let now = self.clock.now();
        flight.apply_again(now + deadline.saturating_duration_since(Instant::now()), now);
        true
    }
}

/// Spreads keys that wait for the same moment over a little time after it.
fn spread(wait: Duration, left: Duration) -> Duration {
    (wait + (wait / 4).min(LONGEST_SPREAD).mul_f64(random())).min(left)
}
