//! Changes the world during the traffic: keys, purges, tokens, and a Kinde that fails in every way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apikey_core::{DenialCode, PresentedKey};
use apikey_testkit::emulator::{Backends, Emulator, Endpoint, Fault, NegativeAnswer};
use apikey_testkit::raw;
use fastrand::Rng;
use tokio::task::JoinSet;

use super::phases::{self, Broken, Phase};
use super::visitor::{Sender, Shared};
use crate::oracle::Scope;
use crate::world::ShiftedClock;

/// A little more than the breaker's longest pause: after this time the service must have asked Kinde again.
const RECOVERY: Duration = Duration::from_secs(40);
/// How long a token is not doubted after Kinde accepted it for another key.
const TRUST: Duration = Duration::from_secs(61);
/// After this time no answer is in flight any more.
const ON_THE_WAY: Duration = Duration::from_millis(200);
/// More backends than new connections in one phase.
const MACHINES: usize = 1000;
/// How many good keys are odd at once.
const ODD_KEYS: usize = 8;

/// Makes the changes.
pub(super) struct Director {
    pub(super) shared: Arc<Shared>,
    pub(super) emulator: Arc<Emulator>,
    pub(super) keys: apikey_axum::Authenticator,
    /// Only the verifier uses it.
    pub(super) clock: Arc<ShiftedClock>,
    pub(super) budget: Duration,
    /// How many requests come at once in a crowd, and how many one client sends at once in a rush.
    pub(super) crowd: usize,
    pub(super) rush: usize,
    pub(super) phase_is_over: Arc<AtomicBool>,
    /// Connections that died in silence. The emulator holds its ends of them for as long as it lives.
    pub(super) silenced: AtomicUsize,
}

impl Director {
    /// Lets one thing after another go wrong, with peace in between, until the soak is over.
    pub(super) async fn fail(&self, mut random: Rng, peace: Duration, failing: Duration) {
        let mut ahead = Vec::new();
        while !self.is_over() {
            self.pause(peace.mul_f64(0.5 + random.f64())).await;
            if ahead.is_empty() {
                ahead = phases::all();
                random.shuffle(&mut ahead);
            }
            let Some(phase) = ahead.pop().filter(|_| !self.is_over()) else { return };
            self.phase_is_over.store(false, Ordering::SeqCst);
            self.shared.findings.enters(format!("{phase:?}"));
            let mut senders = JoinSet::new();
            if let Some(trouble) = phase.trouble() {
                self.shared.oracle.trouble_begins(trouble);
            }
            if let Err(error) = self.begin(&phase, &mut senders, &mut random).await {
                return self.shared.findings.wrong(format!("{phase:?} can't begin: {error}"));
            }
            self.pause(failing.mul_f64(0.5 + random.f64())).await;
            self.phase_is_over.store(true, Ordering::SeqCst);
            senders.join_all().await;
            self.end(&phase);
            // Requests from the time of the failure may still fail.
            tokio::time::sleep(self.budget).await;
            self.await_recovery(&phase).await;
            self.shared.findings.enters(format!("none, after {phase:?}"));
            self.shared.oracle.trouble_ends();
        }
    }

    async fn begin(&self, phase: &Phase, senders: &mut JoinSet<()>, random: &mut Rng) -> std::io::Result<()> {
        let emulator = &*self.emulator;
        match phase {
            Phase::Verify(fault) | Phase::SetUp(fault) => {
                if random.u32(..4) == 0 {
                    self.revoke_tokens().await;
                }
                emulator.set_fault(Endpoint::Verify, Some(fault.clone()));
            }
            Phase::Slow(fault) => emulator.set_fault(Endpoint::Verify, Some(fault.clone())),
            Phase::Token(fault) | Phase::Credentials(fault) => {
                emulator.set_fault(Endpoint::Token, Some(fault.clone()));
                self.revoke_tokens().await;
            }
            Phase::DeniedScope => emulator.deny_scope(true),
            Phase::RevokedTokens => self.revoke_tokens().await,
            Phase::Crowd | Phase::Rush => {
                emulator.set_fault(Endpoint::Verify, Some(Fault::Latency(Duration::from_millis(30))));
                let is_rush = matches!(phase, Phase::Rush);
                for _ in 0..if is_rush { self.rush } else { self.crowd } {
                    let shared = Arc::clone(&self.shared);
                    let sender = if is_rush { Sender::rushing(shared) } else { Sender::in_a_crowd(shared) };
                    senders.spawn(sender.send_once(random.fork()));
                }
            }
            Phase::OddJunk(count, fault) => {
                emulator.set_prefix_fault(Shared::ODD, Some(fault.clone()));
                let keys: Arc<Vec<String>> = Arc::new((0..*count).map(|_| self.shared.fresh_odd()).collect());
                for number in 0..(*count).min(10) {
                    let sender = Sender::of_odd_keys(Arc::clone(&self.shared), Arc::clone(&keys), number);
                    senders.spawn(sender.send_until(Arc::clone(&self.phase_is_over), random.fork()));
                }
            }
            Phase::OddKeys(oddity, fault) => {
                for _ in 0..ODD_KEYS {
                    let secret = self.shared.population.constant(random).secret;
                    self.shared.oracle.key_becomes_odd(&secret, *oddity);
                    emulator.set_key_fault(&secret, Some(fault.clone()));
                }
            }
            Phase::UnknownUnjudged(answer) => emulator.set_unknown_key_answer(Some(*answer)),
            Phase::Overload(limit) => emulator.limit_concurrency(Some(*limit)),
            Phase::Connections(broken) => self.break_connections(*broken),
            Phase::Patchy(choice) => {
                emulator.set_backends(Backends { count: 3, choice: *choice });
                emulator.set_backend_fault(0, Some(Fault::Hang));
                emulator.drain_connections();
            }
            Phase::Moved => {
                // All open connections belong to the first backend, which gets no further one.
                emulator.set_backends(Backends::round_robin(MACHINES));
                raw::exchange(emulator.address(), &raw::get("/_emulator/counters", &[])).await?;
                emulator.set_backend_fault(0, Some(Fault::status(503)));
            }
        }
        Ok(())
    }

    fn end(&self, phase: &Phase) {
        let emulator = &*self.emulator;
        emulator.set_fault(Endpoint::Verify, None);
        emulator.set_fault(Endpoint::Token, None);
        emulator.deny_scope(false);
        emulator.clear_key_faults();
        emulator.set_unknown_key_answer(None);
        emulator.limit_concurrency(None);
        emulator.close_connections_at_use(None);
        emulator.close_idle_connections(None);
        if matches!(phase, Phase::Patchy(_) | Phase::Moved) {
            emulator.set_backends(Backends::round_robin(1));
            emulator.drain_connections();
        }
    }

    fn break_connections(&self, broken: Broken) {
        match broken {
            Broken::Silent => {
                self.silenced.fetch_add(self.emulator.silence_connections(), Ordering::Relaxed);
            }
            Broken::Cut => {
                self.emulator.cut_connections();
            }
            Broken::Reset => {
                self.emulator.reset_connections_once();
            }
            Broken::Drained => {
                self.emulator.drain_connections();
            }
            Broken::ClosedAtUse(nth) => self.emulator.close_connections_at_use(Some(nth)),
            Broken::ClosedWhenIdle(pause) => self.emulator.close_idle_connections(Some(pause)),
        }
    }

    /// A token that Kinde accepted lately is not doubted for a minute. That is too long to wait here.
    async fn revoke_tokens(&self) {
        self.emulator.revoke_tokens();
        tokio::time::sleep(ON_THE_WAY).await;
        self.clock.shift(TRUST);
    }

    /// Presents junk keys that are nobody's attempts, until Kinde answers twice in a row.
    async fn await_recovery(&self, phase: &Phase) {
        let since = Instant::now();
        let mut answered = 0;
        while answered < 2 {
            let Ok(junk) = PresentedKey::parse(&self.shared.fresh_junk()) else { return };
            let refused = self.keys.verify(junk).await.err().map(|denial| denial.code());
            answered = if refused == Some(DenialCode::InvalidKey) { answered + 1 } else { 0 };
            if since.elapsed() > RECOVERY {
                let complaint =
                    format!("after {phase:?}, no key could be verified for {RECOVERY:?}: {refused:?}");
                return self.shared.findings.wrong(complaint);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Changes keys, purges and revokes tokens until the soak is over.
    pub(super) async fn unrest(&self, mut random: Rng, pause: Duration) {
        let (emulator, oracle, population) = (&*self.emulator, &self.shared.oracle, &self.shared.population);
        let mut acts = 0_u64;
        while !self.is_over() {
            match random.u32(..100) {
                0..30 => population.change_status(emulator, oracle, &mut random),
                30..45 => population.rotate(emulator, oracle, &mut random),
                45..60 => population.change_scopes(emulator, oracle, &mut random),
                60..99 => self.purge(&mut random),
                _ => emulator.set_negative_answer(
                    [NegativeAnswer::Ok200, NegativeAnswer::Error400, NegativeAnswer::Error401]
                        [random.usize(..3)],
                ),
            }
            acts += 1;
            if acts.is_multiple_of(64) {
                oracle.prune();
                // It counts by secret, and there are ever more junk keys.
                emulator.reset_counters();
            }
            tokio::time::sleep(pause.mul_f64(random.f64())).await;
        }
    }

    fn purge(&self, random: &mut Rng) {
        let (_, key) = self.shared.population.restless(random);
        let (identity, keys) = (&key.identity, &self.keys);
        let scope = match (random.u32(..20), &identity.user, &identity.organization) {
            (0, _, _) => Scope::Everything,
            (1..4, Some(user), _) => Scope::User(user.clone()),
            (4..7, _, Some(organization)) => Scope::Organization(organization.clone()),
            (7..12, _, _) => Scope::Secret(key.secret.clone()),
            _ => Scope::KeyId(identity.key_id.clone()),
        };
        self.shared.oracle.purge(&scope, || match &scope {
            Scope::Secret(secret) => keys.remove(secret).map_or(0, |removal| removal.removed()),
            Scope::KeyId(id) => keys.remove_key_id(id).removed(),
            Scope::User(id) => keys.remove_user(id).removed(),
            Scope::Organization(code) => keys.remove_organization(code).removed(),
            Scope::Everything => keys.clear().removed(),
        });
    }

    async fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.is_over() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }
}
