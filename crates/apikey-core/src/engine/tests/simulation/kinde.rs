//! A model of Kinde, which knows what each key deserves at each moment.

use std::collections::HashMap;

use super::*;

pub(super) struct Kinde {
    /// Which secrets are good. Two secrets share a key id, and at most one of them is good.
    pub(super) good: [bool; SECRETS],
    /// Which keys it can't judge, and how it fails.
    pub(super) odd: [Option<FailureClass>; SECRETS],
    /// How it fails for all keys instead of judging them.
    pub(super) ill: Option<FailureClass>,
    /// When the engine was last told that a secret is bad, by a purge or by a refusal.
    pub(super) told_bad: HashMap<usize, Instant>,
    /// Which keys it could not judge the last time, while the breaker was closed.
    pub(super) unjudged: [bool; SECRETS],
    /// How often the health check failed in a row.
    pub(super) failures: u32,
}

impl Kinde {
    pub(super) fn new() -> Self {
        Self {
            good: std::array::from_fn(|secret| secret.is_multiple_of(2)),
            odd: [None; SECRETS],
            ill: None,
            told_bad: HashMap::new(),
            unjudged: [false; SECRETS],
            failures: 0,
        }
    }

    pub(super) fn says(&self, secret: usize) -> Said {
        match (self.ill.or(self.odd[secret]), self.good[secret]) {
            (Some(class), _) => Said::Failed(class),
            (None, true) => Said::Accepted(identity(secret)),
            (None, false) => Said::Refused(Refusal::Revoked),
        }
    }

    /// What a health check draws, which asks about a made-up key.
    pub(super) fn health(&self) -> Health {
        let error = |class| VerifierError::new(class, "as the simulation wants");
        match self.ill {
            None => Health::Up,
            Some(class @ FailureClass::Overload) => Health::Overload(error(class)),
            Some(class @ (FailureClass::SetUp | FailureClass::ServiceRefused)) => {
                Health::Refused(error(class))
            }
            Some(class) => Health::Down(error(class)),
        }
    }

    /// It falls ill, or is well again.
    pub(super) fn change_health(&mut self, random: &mut Random) {
        let class = any_failure(random);
        self.ill = if self.ill.is_some() { None } else { Some(class) };
    }

    /// It can't judge this key any more, or it can again.
    pub(super) fn change_oddity(&mut self, random: &mut Random, secret: usize) {
        let class = any_failure(random);
        self.odd[secret] = if self.odd[secret].is_some() { None } else { Some(class) };
    }

    /// A key is revoked, activated or rotated.
    pub(super) fn change_key(&mut self, random: &mut Random, secret: usize) {
        let sibling = secret ^ 1;
        if self.good[secret] && random.one_in(2) {
            self.good[secret] = false;
            if random.one_in(2) {
                self.good[sibling] = true; // It is rotated: its sibling lives now.
            }
        } else if !self.good[sibling] {
            self.good[secret] = true;
        }
    }

    /// The engine gets this purge.
    pub(super) fn note(&mut self, purge: &Purge, world: &World) {
        for (secret, is_good) in self.good.iter().enumerate() {
            let key = world.engine.fingerprint(text(secret));
            if !is_good && purge.matches(key, Some(&identity(secret))) {
                self.told_bad.insert(secret, world.clock.now());
            }
            if *is_good {
                self.told_bad.remove(&secret);
            }
        }
    }
}

fn any_failure(random: &mut Random) -> FailureClass {
    ALL_FAILURES[random.below(ALL_FAILURES.len())]
}

pub(super) fn text(secret: usize) -> String {
    format!("secret{secret}")
}

pub(super) fn key_id(secret: usize) -> String {
    format!("id{}", secret / 2)
}

pub(super) fn identity(secret: usize) -> Verification {
    let verification = Verification::active(key_id(secret));
    match secret % 3 {
        0 => verification.with_user(format!("kp_{}", secret / 6)),
        1 => verification.with_organization(format!("org_{}", secret / 6)),
        _ => verification,
    }
}

/// One of the purges that concern this key, or none.
pub(super) fn any_purge(random: &mut Random, world: &World, secret: usize) -> Option<Purge> {
    let verification = identity(secret);
    match random.below(6) {
        0 => Some(Purge::Everything),
        1 => Some(Purge::Key(world.engine.fingerprint(text(secret)))),
        2 => Some(Purge::KeyId(key_id(secret).into())),
        3 => verification.user_id().map(|id| Purge::User(id.into())),
        4 => verification.organization_code().map(|code| Purge::Organization(code.into())),
        _ => None,
    }
}
