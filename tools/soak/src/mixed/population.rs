//! The keys of the soak, and the changes to them at Kinde.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apikey_core::Refusal;
use apikey_testkit::emulator::{Emulator, KeySpecification};
use fastrand::Rng;

use crate::oracle::{Identity, Oracle, Verdict};

/// Keys that change all the time.
const RESTLESS: usize = 40;
/// Keys that are always in use and always good.
const STEADY: usize = 24;
/// Good keys that are rarely used. There are more than the cache holds.
const COLD: usize = 1_500;
/// How many retired secrets are still presented.
const MOST_RETIRED: usize = 64;

const SCOPES: [&[&str]; 6] = [
    &["read:users"],
    &["read:tickets"],
    &["read:users", "read:tickets"],
    &["admin"],
    &[],
    &["admin", "read:users", "write:users", "read:tickets"],
];
const ORGANIZATIONS: [&str; 4] = ["org_acme", "org_globex", "org_soak", "org_quiet"];
const USERS: [&str; 3] = ["kp_ada", "kp_grace", "kp_soak"];

/// A key as it is at Kinde now.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) secret: String,
    pub(super) identity: Arc<Identity>,
}

/// All keys. The visitors present them, and the director changes them.
pub(super) struct Population {
    restless: Mutex<Vec<Key>>,
    steady: Vec<Key>,
    cold: Vec<Key>,
    retired: Mutex<Vec<String>>,
}

impl Population {
    pub(super) fn new(emulator: &Emulator, oracle: &Oracle, random: &mut Rng) -> Self {
        let mut make = |sort: &str, number: usize| {
            let identity = Identity {
                key_id: format!("api_key_{sort}_{number}"),
                scopes: any_scopes(random),
                organization: random.bool().then(|| any(&ORGANIZATIONS, random)),
                user: random.bool().then(|| any(&USERS, random)),
            };
            let secret = format!("k_live_{sort}_{number}_{:016x}", random.u64(..));
            let key = Key { secret, identity: Arc::new(identity) };
            oracle.change(&[(&key.secret, Verdict::Accepted(Arc::clone(&key.identity)))], || {
                emulator.create_key(specification(&key))
            });
            key
        };
        let restless = (0..RESTLESS).map(|number| make("restless", number)).collect();
        let steady = (0..STEADY).map(|number| make("steady", number)).collect();
        let cold = (0..COLD).map(|number| make("cold", number)).collect();
        Self { restless: Mutex::new(restless), steady, cold, retired: Mutex::default() }
    }

    /// A key in use.
    pub(super) fn hot(&self, random: &mut Rng) -> Key {
        let restless = locked(&self.restless);
        match random.usize(..restless.len() + self.steady.len()) {
            index if index < restless.len() => restless[index].clone(),
            index => self.steady[index - restless.len()].clone(),
        }
    }

    pub(super) fn cold(&self, random: &mut Rng) -> Key {
        self.cold[random.usize(..self.cold.len())].clone()
    }

    /// A key that never changes, in use or rarely used.
    pub(super) fn constant(&self, random: &mut Rng) -> Key {
        if random.bool() { self.cold(random) } else { self.steady[random.usize(..self.steady.len())].clone() }
    }

    /// A secret that a rotation has replaced.
    pub(super) fn retired(&self, random: &mut Rng) -> Option<String> {
        let retired = locked(&self.retired);
        (!retired.is_empty()).then(|| retired[random.usize(..retired.len())].clone())
    }

    /// Revokes, inactivates or reactivates a key.
    pub(super) fn change_status(&self, emulator: &Emulator, oracle: &Oracle, random: &mut Rng) {
        let (_, key) = self.restless(random);
        let (status, verdict) = match oracle.is_active(&key.secret) {
            true if random.bool() => ("revoked", Verdict::Refused(Refusal::Revoked)),
            true => ("inactive", Verdict::Refused(Refusal::Inactive)),
            false => ("active", Verdict::Accepted(Arc::clone(&key.identity))),
        };
        oracle.change(&[(&key.secret, verdict)], || emulator.set_status(&key.identity.key_id, status));
    }

    /// Gives an active key a new secret.
    pub(super) fn rotate(&self, emulator: &Emulator, oracle: &Oracle, random: &mut Rng) {
        let (index, key) = self.restless(random);
        if !oracle.is_active(&key.secret) {
            return;
        }
        let old = key.secret.as_str();
        let fresh = oracle
            .change(&[(old, Verdict::Refused(Refusal::Invalid))], || emulator.rotate(&key.identity.key_id));
        let Some(fresh) = fresh else { return };
        // A secret that nobody knows yet cannot have been presented.
        oracle.learn(&fresh.secret, Some(old.to_owned()));
        oracle.change(&[(&fresh.secret, Verdict::Accepted(Arc::clone(&key.identity)))], || {});
        locked(&self.restless)[index].secret = fresh.secret;
        let mut retired = locked(&self.retired);
        if retired.len() >= MOST_RETIRED {
            retired.remove(0);
        }
        retired.push(key.secret);
    }

    /// Gives an active key other scopes.
    pub(super) fn change_scopes(&self, emulator: &Emulator, oracle: &Oracle, random: &mut Rng) {
        let (index, mut key) = self.restless(random);
        if !oracle.is_active(&key.secret) {
            return;
        }
        let identity = Identity { scopes: any_scopes(random), ..(*key.identity).clone() };
        key.identity = Arc::new(identity);
        oracle.change(&[(&key.secret, Verdict::Accepted(Arc::clone(&key.identity)))], || {
            emulator.create_key(specification(&key))
        });
        locked(&self.restless)[index] = key;
    }

    /// A key that may change, and its index.
    pub(super) fn restless(&self, random: &mut Rng) -> (usize, Key) {
        let restless = locked(&self.restless);
        let index = random.usize(..restless.len());
        (index, restless[index].clone())
    }
}

fn specification(key: &Key) -> KeySpecification {
    let Identity { key_id, scopes, organization, user } = &*key.identity;
    let mut specification =
        KeySpecification::new("soak").key_id(key_id).secret(&key.secret).scopes(scopes.iter().cloned());
    specification.organization.clone_from(organization);
    specification.user.clone_from(user);
    specification
}

fn any_scopes(random: &mut Rng) -> Vec<String> {
    SCOPES[random.usize(..SCOPES.len())].iter().map(|scope| (*scope).to_owned()).collect()
}

fn any(texts: &[&str], random: &mut Rng) -> String {
    texts[random.usize(..texts.len())].to_owned()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
