//! The oracle's memory and its rules.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use apikey_core::Refusal;

use super::clients::Clients;
use super::troubles::{Oddity, Trouble, Troubles};
use super::truth::{Forgotten, Timeline, Verdict};
use super::{Bounds, Observation, Presented, Scope, Tally, code};

/// This close to a purge of its own key, a verification may give up, because no caller may use its answer.
const BESIDE_A_PURGE: Duration = Duration::from_millis(250);

/// During these troubles there may be no answer.
const UNANSWERED: &[Trouble] = &[Trouble::Outage, Trouble::Patchy, Trouble::SetUp];
/// Only during these troubles may a stale answer serve, and never because of a crowd.
const OLDER_ANSWERS: &[Trouble] = &[Trouble::Outage, Trouble::Slow, Trouble::Patchy, Trouble::SetUp];

#[derive(Debug)]
pub(super) struct Ledger {
    bounds: Bounds,
    secrets: HashMap<String, Timeline>,
    everything: Vec<Forgotten>,
    troubles: Troubles,
    clients: Clients,
    tally: Tally,
}

impl Ledger {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            secrets: HashMap::new(),
            everything: Vec::new(),
            troubles: Troubles::default(),
            clients: Clients::default(),
            tally: Tally::default(),
        }
    }

    pub(super) fn learn(&mut self, secret: &str, replaces: Option<String>) {
        self.secrets.insert(secret.to_owned(), Timeline::new(replaces));
    }

    pub(super) fn change(&mut self, verdicts: &[(&str, Verdict)]) {
        let now = Instant::now();
        for (secret, verdict) in verdicts {
            let timeline = self.secrets.entry((*secret).to_owned()).or_insert_with(|| Timeline::new(None));
            timeline.begin(verdict.clone(), now);
        }
    }

    pub(super) fn changed(&mut self, verdicts: &[(&str, Verdict)], now: Instant) {
        for (secret, _) in verdicts {
            if let Some(timeline) = self.secrets.get_mut(*secret) {
                timeline.done(now);
            }
        }
    }

    pub(super) fn purged(&mut self, scope: &Scope, at: Instant, done: Instant) {
        let event = Forgotten { at, done, why: "purged" };
        if *scope == Scope::Everything {
            self.everything.push(event);
            return;
        }
        for (secret, timeline) in &mut self.secrets {
            let concerns = timeline.identities().any(|identity| match scope {
                Scope::KeyId(id) => identity.key_id == *id,
                Scope::User(id) => identity.user.as_deref() == Some(id),
                Scope::Organization(organization) => identity.organization.as_ref() == Some(organization),
                Scope::Secret(_) | Scope::Everything => false,
            });
            if concerns || matches!(scope, Scope::Secret(purged) if purged == secret) {
                timeline.forgotten.push(event.clone());
            }
        }
    }

    pub(super) fn troubles(&mut self) -> &mut Troubles {
        &mut self.troubles
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn begin(&mut self, client: &str, now: Instant) {
        self.clients.begin(client, now, self.bounds.window);
    }

    pub(super) fn is_active(&self, secret: &str) -> bool {
        let latest = self.secrets.get(secret).and_then(Timeline::latest);
        matches!(latest, Some(Verdict::Accepted(_)))
    }

    pub(super) fn prune(&mut self, now: Instant) {
        // Twice as long as any rule looks back, and time for a request that is slow itself.
        let memory = 2 * self.longest_memory() + Duration::from_secs(10);
        if let Some(before) = now.checked_sub(memory) {
            self.forget(before);
        }
    }

    pub(super) fn longest_memory(&self) -> Duration {
        let Bounds { time_to_live, stale_if_error, negative_time_to_live, budget, window, .. } = self.bounds;
        (time_to_live + stale_if_error).max(negative_time_to_live).max(window) + budget
    }

    pub(super) fn forget_the_past(&mut self, now: Instant) {
        self.forget(now);
        self.clients = Clients::default();
        self.everything.shrink_to_fit();
        self.troubles.shrink();
        self.secrets.shrink_to_fit();
        self.secrets.values_mut().for_each(Timeline::shrink);
    }

    fn forget(&mut self, before: Instant) {
        self.everything.retain(|event| event.done >= before);
        self.troubles.forget(before);
        for timeline in self.secrets.values_mut() {
            timeline.prune(before);
        }
        // A secret that has been retired for this long is junk like any other.
        self.secrets.retain(|_, timeline| {
            timeline.latest() != Some(&Verdict::Refused(Refusal::Invalid))
                || timeline.latest_since().is_none_or(|since| since >= before)
        });
    }

    pub(super) fn judge(&mut self, observation: &Observation) -> Result<(), String> {
        let verdict = match &observation.presented {
            Presented::Nothing => self.judge_anonymous(observation),
            Presented::Malformed(status, code) => exactly(observation, *status, code),
            Presented::Secret(secret) | Presented::FreshJunk(secret) => {
                self.judge_secret(observation, secret)
            }
            Presented::Odd(_) => self.judge_odd(observation),
        };
        verdict.map_err(|expected| self.complain(observation, &expected))
    }

    fn judge_anonymous(&self, observation: &Observation) -> Result<(), String> {
        if observation.route != super::Route::Optional {
            return exactly(observation, 401, "MISSING_KEY");
        }
        let anonymous = observation.body["authenticated"] == false && observation.body["key_id"].is_null();
        let right = observation.status == 200 && anonymous;
        right.then_some(()).ok_or_else(|| "200, as an anonymous caller".to_owned())
    }

    fn judge_secret(&mut self, observation: &Observation, secret: &str) -> Result<(), String> {
        match observation.status {
            200 | 403 => self.judge_identity(observation, secret),
            401 => self.judge_refusal(observation, secret),
            429 => self.judge_limit(observation),
            503 => {
                exactly(observation, 503, "VERIFICATION_UNAVAILABLE")?;
                self.judge_unavailable(observation, secret)
            }
            500 => {
                exactly(observation, 500, "INTERNAL_ERROR")?;
                let is_odd = self.oddities(observation, secret).next().is_some();
                let allowed = is_odd || self.is_troubled(observation, &[Trouble::SetUp]) || {
                    self.is_troubled(observation, &[Trouble::UnknownUnjudged]) && !self.is_known(secret)
                };
                allowed.then_some(()).ok_or_else(|| "no 500, because the set-up is right".to_owned())
            }
            _ => Err("a status of the contract".to_owned()),
        }
    }

    /// Nobody has judged the key, so it is neither accepted nor refused.
    fn judge_odd(&self, observation: &Observation) -> Result<(), String> {
        match observation.status {
            429 => self.judge_limit(observation),
            500 => exactly(observation, 500, "INTERNAL_ERROR"),
            _ => exactly(observation, 503, "VERIFICATION_UNAVAILABLE"),
        }
    }

    /// No answer is right only in trouble, near a purge, or for a client that fills its own share.
    fn judge_unavailable(&mut self, observation: &Observation, secret: &str) -> Result<(), String> {
        if self.is_troubled(observation, UNANSWERED) {
            let by_chance = !self.is_troubled(observation, &[Trouble::Outage, Trouble::SetUp]);
            self.tally.unlucky += u64::from(by_chance);
            return Ok(());
        }
        let allowed = self.is_beside_purge(observation, secret)
            || self.oddities(observation, secret).next().is_some()
            || (self.is_troubled(observation, &[Trouble::UnknownUnjudged]) && !self.is_known(secret))
            || observation.crowds;
        if !allowed {
            self.tally.unanswered_while_well += 1;
        }
        allowed.then_some(()).ok_or_else(|| "no 503, because Kinde is well".to_owned())
    }

    fn judge_identity(&mut self, observation: &Observation, secret: &str) -> Result<(), String> {
        let Bounds { time_to_live, stale_if_error, .. } = self.bounds;
        let may_be_stale = self.is_troubled(observation, OLDER_ANSWERS)
            || self.oddities(observation, secret).any(|oddity| oddity == Oddity::Unwell);
        let oldest = if may_be_stale { time_to_live + stale_if_error } else { time_to_live };
        let from = self.earliest(secret, observation.began, oldest);
        let timeline = self.secrets.get(secret).ok_or("401, because no key has this secret")?;
        let allowed = timeline.between(from, observation.ended).any(|(_, verdict)| match verdict {
            Verdict::Accepted(identity) => {
                observation.route.answers(identity, observation.status, &observation.body)
            }
            Verdict::Refused(_) => false,
        });
        if !allowed {
            return Err(format!(
                "what Kinde's verdicts since {:.3} s before the request allow ({})",
                observation.began.saturating_duration_since(from).as_secs_f64(),
                if may_be_stale { "with stale answers" } else { "without stale answers" },
            ));
        }
        self.tally.patchy += u64::from(self.is_troubled(observation, &[Trouble::Patchy]));
        self.tally.let_in_while_well += u64::from(!self.is_troubled(observation, UNANSWERED));
        self.forget_predecessors(secret, observation.ended);
        Ok(())
    }

    /// Keys are rotated without a grace period: once a newer secret was accepted, the older ones are refused.
    fn forget_predecessors(&mut self, secret: &str, done: Instant) {
        let mut older = self.secrets.get_mut(secret).and_then(|timeline| timeline.replaces.take());
        while let Some(timeline) = older.and_then(|older| self.secrets.get_mut(&older)) {
            if let Some(at) = timeline.latest_since() {
                timeline.forgotten.push(Forgotten { at, done, why: "a newer secret was accepted" });
            }
            older = timeline.replaces.take();
        }
    }

    fn judge_refusal(&mut self, observation: &Observation, secret: &str) -> Result<(), String> {
        let Bounds { negative_time_to_live, budget, attempts, window, .. } = self.bounds;
        let expected = |refusal: Refusal| exactly(observation, 401, code(refusal)).is_ok();
        let from = back(observation.began, negative_time_to_live.max(budget));
        let ended = observation.ended;
        if let Some(timeline) = self.secrets.get_mut(secret) {
            let refused = timeline.between(from, ended).find_map(|(since, verdict)| match verdict {
                Verdict::Refused(refusal) if expected(*refusal) => Some(since),
                _ => None,
            });
            let at = refused.ok_or("no such refusal, because Kinde has not given it lately")?;
            timeline.forgotten.push(Forgotten { at, done: ended, why: "refused" });
            return Ok(());
        }
        if !expected(Refusal::Invalid) {
            return Err("401 INVALID_KEY, because no key has this secret".to_owned());
        }
        if matches!(observation.presented, Presented::FreshJunk(_)) {
            let (client, began) = (&observation.client, observation.began);
            if self.clients.exceeds(client, began, Instant::now(), window, attempts as usize) {
                return Err("429, because the client has had more than two windows' attempts".to_owned());
            }
        }
        Ok(())
    }

    fn judge_limit(&self, observation: &Observation) -> Result<(), String> {
        exactly(observation, 429, "RATE_LIMITED")?;
        // Between its begin and its attempt, a request may be on its way for as long as one may take.
        let since = back(observation.began, self.bounds.window + self.bounds.budget);
        let limited = self.clients.may_be_limited(&observation.client, since, self.bounds.attempts as usize);
        limited
            .then_some(())
            .ok_or_else(|| "no 429, because the client has not begun that many requests".to_owned())
    }

    fn earliest(&self, secret: &str, began: Instant, oldest: Duration) -> Instant {
        let floor = self.secrets.get(secret).and_then(|timeline| timeline.floor(began));
        let everything = self.everything.iter().filter(|event| event.done <= began);
        let floors = floor.into_iter().chain(everything).map(|event| event.at);
        floors.fold(back(began, oldest), Instant::max)
    }

    fn is_troubled(&self, observation: &Observation, of: &[Trouble]) -> bool {
        self.troubles.any(of, back(observation.began, self.bounds.budget), observation.ended)
    }

    fn oddities(&self, observation: &Observation, secret: &str) -> impl Iterator<Item = Oddity> {
        let from = back(observation.began, self.bounds.budget);
        self.troubles.oddities(secret, from, observation.ended)
    }

    /// Whether a key has this secret now.
    fn is_known(&self, secret: &str) -> bool {
        let latest = self.secrets.get(secret).and_then(Timeline::latest);
        latest.is_some_and(|latest| *latest != Verdict::Refused(Refusal::Invalid))
    }

    fn is_beside_purge(&self, observation: &Observation, secret: &str) -> bool {
        let from = back(observation.began, BESIDE_A_PURGE);
        let own = self.secrets.get(secret).into_iter().flat_map(|timeline| &timeline.forgotten);
        own.chain(&self.everything).any(|event| event.at <= observation.ended && event.done >= from)
    }

    fn complain(&self, observation: &Observation, expected: &str) -> String {
        let Observation { route, presented, client, began, ended, status, body, .. } = observation;
        let mut text = format!(
            "{route:?} with {presented:?} from {client}, which took {:?}, was answered {status} {body}\n  expected: {expected}\n",
            ended.saturating_duration_since(*began),
        );
        if let Presented::Secret(secret) | Presented::FreshJunk(secret) | Presented::Odd(secret) = presented {
            text.push_str("  the key's time, counted back from the beginning of the request:\n");
            text.extend(self.secrets.get(secret).map(|timeline| timeline.tell(*began)));
            let ago = |then: Instant| match began.checked_duration_since(then) {
                Some(ago) => format!("-{:.3} s", ago.as_secs_f64()),
                None => format!("+{:.3} s", then.saturating_duration_since(*began).as_secs_f64()),
            };
            for event in &self.everything {
                text.push_str(&format!("    {}: everything purged\n", ago(event.done)));
            }
            text.push_str(&self.troubles.tell(secret, ago));
        }
        text
    }
}

fn exactly(observation: &Observation, status: u16, code: &str) -> Result<(), String> {
    let right = observation.status == status && observation.body["code"] == *code;
    right.then_some(()).ok_or_else(|| format!("{status} {code}"))
}

/// The clock may have started late. Then this is its start.
fn back(from: Instant, by: Duration) -> Instant {
    from.checked_sub(by).unwrap_or(from)
}
