//! The keys and the removals of the simulation.

use super::At;
use crate::engine::Purge;
use crate::engine::tests::simulation::random::Random;
use crate::fleet::link::Origin;
use crate::key::Fingerprint;
use crate::verification::Verification;

pub(super) const KEYS: usize = 6;

/// What Kinde says about each key. It refuses the last one.
pub(super) struct Facts {
    verifications: Vec<Option<Verification>>,
}

impl Facts {
    pub(super) fn new() -> Self {
        let verification = |key: usize| {
            let verification = Verification::active(key_id(key));
            match key % 3 {
                0 => verification.with_user("kp_0"),
                1 => verification.with_organization("org_0"),
                _ => verification.with_user("kp_1").with_organization("org_0"),
            }
        };
        let verifications = (0..KEYS).map(|key| (key + 1 < KEYS).then(|| verification(key)));
        Self { verifications: verifications.collect() }
    }

    pub(super) fn is_refused(&self, key: usize) -> bool {
        self.verifications[key].is_none()
    }

    /// Whether the removal concerns an answer about this key.
    pub(super) fn concerns(&self, purge: &Purge, key: usize) -> bool {
        purge.matches(fingerprint(key), self.verifications[key].as_ref())
    }

    pub(super) fn any_purge(&self, random: &mut Random) -> Purge {
        let key = random.below(KEYS);
        match random.below(20) {
            0 => Purge::Everything,
            1..=9 => Purge::Key(fingerprint(key)),
            10..=15 => Purge::KeyId(key_id(key).into()),
            16..=17 => Purge::User(format!("kp_{}", random.below(2)).into()),
            _ => Purge::Organization("org_0".into()),
        }
    }
}

fn fingerprint(key: usize) -> Fingerprint {
    Fingerprint::of_halves(key as u64, 1)
}

/// Two keys share one.
fn key_id(key: usize) -> String {
    format!("id{}", key / 2)
}

/// What the oracle knows of a removal.
pub(super) struct Removal {
    pub(super) purge: Purge,
    /// Its own one, and those of the removals of everything that took its place.
    pub(super) origins: Vec<Origin>,
    pub(super) called: At,
    /// When the store took it.
    pub(super) executed: Option<At>,
    /// The store had it in the log, and has lost it.
    pub(super) is_lost: bool,
    /// Which keys it concerns.
    pub(super) concerns: [bool; KEYS],
    /// Its instance, the life of that, and its ticket there.
    pub(super) by: (usize, u32, u64),
}
