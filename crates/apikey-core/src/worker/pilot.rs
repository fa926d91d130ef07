//! Flies one flight: waits for its turn, asks, and lands it.

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use tokio::time::{Instant, sleep, timeout_at};

use super::tries::{Tries, random};
use crate::client::Client;
use crate::clock::Clock;
use crate::engine::{Engine, Flight, Landed, Landing, NoTurn, Purge, Report, WindowOfClient};
use crate::evidence::Retry;
use crate::key::PresentedKey;
use crate::log_gate::LogGate;
use crate::peers::{Counted, Head, Peers, SharedAnswer, WindowName};
use crate::retry::Allowance;
use crate::telemetry::calls::together;
use crate::verification::{Judgement, Verdict};
use crate::verifier::VerifierError;

/// A flight whose turn has come waits this long, at most, for Kinde's moment. If the moment is later, its
/// caller is told to come back.
const LONGEST_WAIT_FOR_EVERYBODY: Duration = Duration::from_secs(1);
/// Flights that rest until the same moment ask spread over a quarter of their wait, but over no more than this.
const LONGEST_SPREAD: Duration = Duration::from_millis(250);
/// How long a flight waits at first until it asks again whether its client's attempts under way in the fleet have ended. The
/// next times it waits twice as long.
const WHILE_FULL: Duration = Duration::from_millis(50);

pub(super) struct Pilot {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Arc<LogGate>,
    pub(super) tries: Tries,
    /// How long one verification may take.
    pub(super) timeout: Duration,
    /// How long after a flight asked a stale answer may serve. `None` if no answer ever serves as stale.
    pub(super) slow_after: Option<Duration>,
    /// `None` without a fleet.
    pub(super) peers: Option<Arc<dyn Peers>>,
}

/// An attempt that the fleet counts.
type CountedAttempt = (Client, WindowOfClient, WindowName);

/// Whether the fleet lets the client make an attempt.
enum MayAttempt {
    /// It does. `None` if nobody counts, or the store can't.
    Yes(Option<CountedAttempt>),
    /// It depends on how the attempts under way elsewhere end.
    Later,
    /// The client has used up its attempts. They come back after this time.
    No(Duration),
}

impl Pilot {
    /// Flies until the flight has landed.
    pub(super) async fn fly(self: Arc<Self>, flight: Flight, key: PresentedKey) {
        let deadline = Instant::now() + self.timeout;
        together(0, deadline, self.fly_until(deadline, flight, key)).await;
    }

    async fn fly_until(&self, deadline: Instant, flight: Flight, key: PresentedKey) {
        let Some(mut flight) = self.look(flight, &key, deadline).await else { return };
        let mut allowance = self.tries.begin();
        let (mut attempt, mut while_full) = (None, WHILE_FULL);
        let mut turn_until = Instant::now() + self.engine.queue_patience().min(self.timeout);
        let mut overload = None;
        loop {
            if let Err(no_turn) = self.take_turn(&mut flight, turn_until, deadline).await {
                let now = self.clock.now();
                // If the flight has asked before, the overload that it drew says more.
                let report = overload.map_or(no_turn, |error| {
                    self.log.tell(&error, now);
                    Report::Failed(error)
                });
                return self.give_up(flight, report, &key, attempt).await;
            }
            if attempt.is_none() {
                match self.count(&flight).await {
                    MayAttempt::Yes(counted) => attempt = counted,
                    MayAttempt::Later => {
                        if self.wait_for_others(&mut flight, while_full, turn_until).await {
                            while_full *= 2;
                            continue;
                        }
                        return self.give_up(flight, Report::Crowded, &key, None).await;
                    }
                    MayAttempt::No(resets_in) => {
                        let limited = flight.is_limited_elsewhere(resets_in, self.clock.now());
                        return self.give_up(flight, limited, &key, None).await;
                    }
                }
            }
            let head = self.peers.as_ref().and_then(|peers| peers.head());
            let asked_at = self.clock.now();
            flight.ask(asked_at);
            let mut answer = None;
            let report = match self.ask(&flight, &key, deadline, &mut allowance).await {
                Ok(judgement) => {
                    answer = head.and_then(|head| shared(&judgement, asked_at, head));
                    Report::Judged(judgement)
                }
                Err(error) if self.rest(&mut flight, &error, deadline, &mut allowance).await => {
                    // After a rest, it may wait for its turn for as long as its budget lasts.
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
                Landing::AskAgain(again) => flight = again,
                // The callers have heard. Now the fleet does.
                Landing::Landed(landed) => return self.tell(&key, landed, answer, attempt).await,
            }
        }
    }

    /// Looks for an answer of another instance. `None` if the flight has landed.
    async fn look(&self, flight: Flight, key: &PresentedKey, deadline: Instant) -> Option<Flight> {
        if !flight.looks() {
            return Some(flight);
        }
        let found = match &self.peers {
            Some(peers) => peers.look(key).await,
            None => None,
        };
        let mut flight = match found {
            Some(judgement) => flight.land_shared(judgement, self.clock.now())?,
            None => flight,
        };
        loop {
            let mut freed = std::pin::pin!(self.engine.place_freed());
            // From here on, this notices all room that there may be.
            freed.as_mut().enable();
            match flight.admit(self.clock.now()) {
                Ok(()) => return Some(flight),
                Err(Report::Crowded)
                    if flight.waits_for_room() && timeout_at(deadline, freed).await.is_ok() => {}
                Err(report) => {
                    let _landed = flight.land(report, self.clock.now());
                    return None;
                }
            }
        }
    }

    /// Counts the attempt in the whole fleet, if it counts at all.
    async fn count(&self, flight: &Flight) -> MayAttempt {
        let Some((peers, (client, window))) = self.peers.as_ref().zip(flight.counted_for()) else {
            return MayAttempt::Yes(None);
        };
        match peers.count(client, window).await {
            Counted::Yes(name) => MayAttempt::Yes(Some((client, window, name))),
            Counted::Unknown => MayAttempt::Yes(None),
            // If keys of attempts under way are accepted, those attempts will not count.
            Counted::Full { is_used_up: false, .. } if window.limit.counts_only_refused => MayAttempt::Later,
            Counted::Full { resets_in, .. } => MayAttempt::No(resets_in),
        }
    }

    /// Gives the place up for this long, and then asks for one again. `false` if the flight must land instead.
    async fn wait_for_others(&self, flight: &mut Flight, wait: Duration, until: Instant) -> bool {
        if Instant::now() + wait >= until || !flight.rest_unused(self.clock.now()) {
            return false;
        }
        sleep(wait).await;
        let now = self.clock.now();
        flight.apply_again(now + until.saturating_duration_since(Instant::now()), now);
        true
    }

    /// Lands a flight that does not ask Kinde, or not again.
    async fn give_up(
        &self,
        flight: Flight,
        report: Report,
        key: &PresentedKey,
        attempt: Option<CountedAttempt>,
    ) {
        if let Landing::Landed(landed) = flight.land(report, self.clock.now()) {
            self.tell(key, landed, None, attempt).await;
        }
    }

    /// Tells the fleet what this flight has learned.
    async fn tell(
        &self,
        key: &PresentedKey,
        landed: Landed,
        answer: Option<SharedAnswer>,
        attempt: Option<CountedAttempt>,
    ) {
        let Some(peers) = &self.peers else { return };
        let end = async {
            if let Some((client, window, name)) = attempt {
                peers.end(client, window, name, landed.is_used).await;
            }
        };
        let share = async {
            let Some(answer) = answer else { return };
            if landed.is_rotation {
                // Nobody waits for it. The fleet keeps trying by itself.
                drop(peers.remove(&[Purge::KeyId(answer.verification.key_id().into())]));
            } else if self.engine.has_answer(key, answer.asked_at, self.clock.now()) {
                peers.keep(key, &answer).await;
            }
        };
        // Other instances may be asked about the key already, so the answer waits for nothing.
        tokio::join!(share, end);
    }

    /// Waits for the flight's turn, and then until no moment of Kinde's is awaited any longer.
    async fn take_turn(&self, flight: &mut Flight, until: Instant, deadline: Instant) -> Result<(), Report> {
        match timeout_at(until, flight.turn()).await {
            Ok(Ok(())) => self.wait_for_everybody(flight, deadline).await,
            Ok(Err(NoTurn::Limited(limited))) => Err(Report::Limited(limited)),
            Ok(Err(NoTurn::Crowded)) | Err(_) => Err(Report::Crowded),
        }
    }

    /// Waits until keys are sent again, if that is soon and within the budget.
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

    /// Asks. If Kinde takes long, callers with a stale answer are told, so that they need not wait.
    async fn ask(
        &self,
        flight: &Flight,
        key: &PresentedKey,
        deadline: Instant,
        allowance: &mut Allowance,
    ) -> Result<Judgement, VerifierError> {
        let asking = self.tries.ask(key, flight.client(), deadline, allowance);
        // If this instance is cut off from its fleet, an older answer serves only if Kinde can't answer.
        let slow_after =
            self.slow_after.filter(|_| flight.has_answer() && self.engine.is_linked(self.clock.now()));
        let Some(slow_after) = slow_after else { return asking.await };
        let mut asking = std::pin::pin!(asking);
        tokio::select! {
            biased;
            asked = &mut asking => return asked,
            () = sleep(slow_after) => flight.tell_slow(),
        }
        asking.await
    }

    /// If the flight drew overload, it gives its place up until the moment that Kinde named, and then asks for
    /// a place again. `false` if it must land with the error instead.
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
        let wait = flight.note_overload(error.retry_after(), now);
        let left = deadline.saturating_duration_since(Instant::now());
        if wait >= left || !self.tries.may_retry(allowance) {
            return false;
        }
        // Kinde refuses an overload at once. If such a call gave its place up at once, too, all flights in the
        // queue would draw overload within moments. So it holds its place for the usual time of a call.
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

/// What the judgement tells other instances, if the key is let in.
fn shared(judgement: &Judgement, asked_at: StdInstant, head: Head) -> Option<SharedAnswer> {
    let Verdict::Accepted(verification) = judgement.verdict() else { return None };
    Some(SharedAnswer {
        verification: verification.clone(),
        asked_at: judgement.asked_at().map_or(asked_at, |earlier| earlier.min(asked_at)),
        expires_at: judgement.expires_at(),
        head,
    })
}

/// Spreads flights that rest until the same moment over a little time after it.
fn spread(wait: Duration, left: Duration) -> Duration {
    (wait + (wait / 4).min(LONGEST_SPREAD).mul_f64(random())).min(left)
}
