//! Changes the world while it is asked about: keys, purges, tokens, and a Kinde that fails in every way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use apikey_core::{DenialCode, PresentedKey};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, NegativeAnswer};
use fastrand::Rng;

use super::visitor::{Shared, come_in_a_crowd};
use crate::oracle::{Scope, Trouble};

/// How many come at once in a crowd: more than may be asked about.
const CROWD: usize = 160;
/// The breaker's longest pause, and a little more: after that Kinde must have been asked again.
const RECOVERY: Duration = Duration::from_secs(40);

/// A new token that is refused like the old one stops renewals for a minute, so no token dies so soon after another.
const BETWEEN_REVOCATIONS: Duration = Duration::from_secs(3);

/// A way in which Kinde fails.
#[derive(Debug, Clone)]
enum Phase {
    Verify(Fault),
    /// New tokens are needed, and the token endpoint fails so.
    Token(Fault),
    /// The service's credentials are refused, and new tokens are needed.
    Credentials(Fault),
    /// A setting is refused on the verify endpoint.
    SetUp(Fault),
    /// Kinde is slow, and many come at once.
    Crowd,
}

fn phases() -> Vec<Phase> {
    let milliseconds = Duration::from_millis;
    let too_many = |seconds| Fault::TooManyRequests { rate_limit_reset: seconds, retry_after: None };
    vec![
        Phase::Verify(Fault::status(503)),
        Phase::Verify(Fault::status(500)),
        Phase::Verify(too_many(Some(1))),
        Phase::Verify(too_many(None)),
        Phase::Verify(Fault::Reset),
        Phase::Verify(Fault::Hang),
        Phase::Verify(Fault::Garbage),
        Phase::Verify(Fault::RawGarbage),
        Phase::Verify(Fault::Empty),
        Phase::Verify(Fault::Close),
        Phase::Verify(Fault::HugeBody(200_000)),
        Phase::Verify(Fault::SlowBody(milliseconds(20))),
        Phase::Verify(Fault::Latency(milliseconds(300))),
        Phase::Verify(Fault::Latency(milliseconds(900))),
        Phase::Verify(Fault::Flap),
        Phase::Token(Fault::status(503)),
        Phase::Token(Fault::Hang),
        Phase::Token(Fault::Garbage),
        Phase::Credentials(Fault::Status { status: 401, body: r#"{"error":"invalid_client"}"#.to_owned() }),
        Phase::SetUp(Fault::status(404)),
        Phase::SetUp(Fault::Redirect("/elsewhere".to_owned())),
        Phase::Crowd,
    ]
}

/// Who may change what.
pub(super) struct Director {
    pub(super) shared: Arc<Shared>,
    pub(super) emulator: Arc<Emulator>,
    pub(super) keys: apikey_axum::Authenticator,
    pub(super) budget: Duration,
    pub(super) is_failing: AtomicBool,
}

impl Director {
    /// Lets Kinde fail in one way after another, with peace in between, until the soak is over.
    pub(super) async fn fail(&self, mut random: Rng, peace: Duration, failing: Duration) {
        let mut ahead = Vec::new();
        while !self.is_over() {
            self.pause(peace.mul_f64(0.5 + random.f64())).await;
            if ahead.is_empty() {
                ahead = phases();
                random.shuffle(&mut ahead);
            }
            let Some(phase) = ahead.pop().filter(|_| !self.is_over()) else { return };
            self.is_failing.store(true, Ordering::Relaxed);
            self.begin(&phase, &mut random);
            self.pause(failing.mul_f64(0.5 + random.f64())).await;
            self.emulator.set_fault(Endpoint::Verify, None);
            self.emulator.set_fault(Endpoint::Token, None);
            // What was asked while Kinde failed may still fail.
            tokio::time::sleep(self.budget).await;
            self.await_recovery(&phase).await;
            self.shared.oracle.trouble_ends();
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }

    fn begin(&self, phase: &Phase, random: &mut Rng) {
        let trouble = match phase {
            Phase::Credentials(_) | Phase::SetUp(_) => Trouble::SetUp,
            Phase::Verify(_) | Phase::Token(_) | Phase::Crowd => Trouble::Outage,
        };
        self.shared.oracle.trouble_begins(trouble);
        match phase {
            Phase::Verify(fault) | Phase::SetUp(fault) => {
                if random.u32(..4) == 0 {
                    self.emulator.revoke_tokens();
                }
                self.emulator.set_fault(Endpoint::Verify, Some(fault.clone()));
            }
            Phase::Token(fault) | Phase::Credentials(fault) => {
                self.emulator.set_fault(Endpoint::Token, Some(fault.clone()));
                self.emulator.revoke_tokens();
            }
            Phase::Crowd => {
                self.emulator.set_fault(Endpoint::Verify, Some(Fault::Latency(Duration::from_millis(300))));
                for _ in 0..CROWD {
                    tokio::spawn(come_in_a_crowd(Arc::clone(&self.shared), random.fork()));
                }
            }
        }
    }

    /// Asks with junk, as nobody's attempt, until Kinde answers twice in a row.
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
        let (mut acts, mut revoked_at) = (0_u64, Instant::now());
        while !self.is_over() {
            match random.u32(..100) {
                0..30 => population.change_status(emulator, oracle, &mut random),
                30..45 => population.rotate(emulator, oracle, &mut random),
                45..60 => population.change_scopes(emulator, oracle, &mut random),
                60..98 => self.purge(&mut random),
                98 => emulator.set_negative_answer(
                    [NegativeAnswer::Ok200, NegativeAnswer::Error400, NegativeAnswer::Error401]
                        [random.usize(..3)],
                ),
                _ if revoked_at.elapsed() > BETWEEN_REVOCATIONS
                    && !self.is_failing.load(Ordering::Relaxed) =>
                {
                    emulator.revoke_tokens();
                    revoked_at = Instant::now();
                }
                _ => {}
            }
            acts += 1;
            if acts.is_multiple_of(64) {
                oracle.prune();
                // It counts by secret, and there is no end of junk.
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
            Scope::Secret(secret) => {
                let _well_formed = keys.remove(secret);
            }
            Scope::KeyId(id) => keys.remove_key_id(id),
            Scope::User(id) => keys.remove_user(id),
            Scope::Organization(code) => keys.remove_organization(code),
            Scope::Everything => keys.clear(),
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
