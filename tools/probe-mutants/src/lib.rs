//! Ways in which a guard can be wrong, and the switches that make it so. The tests put them into the reference servers, and let the probe look.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use apikey_core::Policy;

/// The guards of one server, each of which can be made wrong.
#[derive(Debug, Default)]
pub struct Switches(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    guards: BTreeMap<usize, Policy>,
    wrong: Option<(usize, Wrong)>,
}

/// What is wrong with a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// In words.
    pub what: String,
    /// What it asks for instead. `None` lets everybody in, also without a key.
    pub policy: Option<Policy>,
}

impl Switches {
    /// Switches that are all right.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(State { guards: BTreeMap::new(), wrong: None }))
    }

    /// What this guard asks for: `policy`, unless it is the wrong one.
    pub fn guard(&self, number: usize, policy: &Policy) -> Option<Policy> {
        let mut state = self.state();
        state.guards.entry(number).or_insert_with(|| policy.clone());
        match &state.wrong {
            Some((wrong, change)) if *wrong == number => change.policy.clone(),
            _ => Some(policy.clone()),
        }
    }

    /// Makes one guard wrong, or none.
    pub fn set(&self, wrong: Option<(usize, Wrong)>) {
        self.state().wrong = wrong;
    }

    /// The guards that a running server has shown so far.
    pub fn guards(&self) -> BTreeMap<usize, Policy> {
        self.state().guards.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A scope that no guard of the reference servers asks for.
const OTHER: &str = "read:invoices";

/// Every way in which a guard with this policy can be wrong.
///
/// # Panics
/// If the policy has too many alternatives.
#[must_use]
pub fn wrongs(policy: &Policy) -> Vec<Wrong> {
    let alternatives = policy.alternatives().expect("the policies of servers are short").into_iter();
    let owned = |scopes: Vec<&str>| scopes.into_iter().map(str::to_owned).collect();
    let alternatives: Vec<Vec<String>> = alternatives.map(owned).collect();
    let owners = [
        (policy.needs_organization(), Policy::organization_key()),
        (policy.needs_user(), Policy::user_key()),
    ];
    let owners: Vec<Policy> =
        owners.into_iter().filter_map(|(needs, owner)| needs.then_some(owner)).collect();
    let build = |owners: &[Policy], alternatives: &[Vec<String>]| {
        Policy::all(owners.iter().cloned().chain([Policy::any(alternatives.iter().map(Policy::all))]))
    };
    let mut wrongs = vec![Wrong { what: "dropped".to_owned(), policy: None }];
    let mut add = |what: String, policy: Policy| wrongs.push(Wrong { what, policy: Some(policy) });
    let scopes: Vec<String> = policy.scopes().into_iter().map(str::to_owned).collect();
    if !scopes.is_empty() || !owners.is_empty() {
        add("any key is enough".to_owned(), Policy::any_key());
    }
    for scope in &scopes {
        let changed = |change: fn(&mut Vec<String>, usize)| {
            let mut changed = alternatives.clone();
            for scopes in &mut changed {
                if let Some(place) = scopes.iter().position(|other| other == scope) {
                    change(scopes, place);
                }
            }
            changed
        };
        let exchanged = changed(|scopes, place| scopes[place] = OTHER.to_owned());
        add(format!("{scope} became {OTHER}"), build(&owners, &exchanged));
        let longer = changed(|scopes, place| scopes[place].push('s'));
        add(format!("{scope} is misspelt"), build(&owners, &longer));
        if scopes.len() > 1 {
            let gone = changed(|scopes, place| drop(scopes.remove(place)));
            add(format!("{scope} is gone"), build(&owners, &gone));
        }
    }
    if scopes.len() > 1 {
        let all = Policy::all(&scopes);
        let any = Policy::any(&scopes);
        match alternatives.len() {
            1 => add("all of them became any".to_owned(), Policy::all(owners.iter().cloned().chain([any]))),
            _ => add("any of them became all".to_owned(), Policy::all(owners.iter().cloned().chain([all]))),
        }
    }
    if !owners.is_empty() {
        add("the owner is gone".to_owned(), build(&[], &alternatives));
        let other = if policy.needs_user() { Policy::organization_key() } else { Policy::user_key() };
        add("another owner".to_owned(), build(&[other], &alternatives));
    } else {
        add(
            "an owner is asked for".to_owned(),
            build(&[Policy::organization_key(), Policy::organization("org_none")], &alternatives),
        );
    }
    wrongs
}

#[cfg(test)]
mod tests {
    use super::*;
    use apikey_core::Verification;

    #[test]
    fn every_wrong_guard_decides_otherwise_about_some_key() {
        let scopes = ["read:users", "write:users", "admin", OTHER, "read:userss", "write:userss"];
        let policies = [
            Policy::any_key(),
            Policy::scope("read:users"),
            Policy::all(["read:users", "write:users"]),
            Policy::any(["admin", "read:users"]),
            Policy::organization_key(),
            Policy::user_key().and("read:users"),
        ];
        for policy in policies {
            for wrong in wrongs(&policy) {
                let Some(changed) = wrong.policy else { continue };
                let differs = (0..1_u32 << scopes.len()).any(|set| {
                    let held = scopes.iter().enumerate().filter(|(place, _)| set & (1 << place) != 0);
                    let key = || Verification::active("k").with_scopes(held.clone().map(|(_, scope)| *scope));
                    let keys = [
                        key().with_organization("o"),
                        key().with_user("u"),
                        key().with_organization("o").with_user("u"),
                    ];
                    keys.iter().any(|key| policy.is_satisfied_by(key) != changed.is_satisfied_by(key))
                });
                assert!(differs, "{policy} and {changed}: {}", wrong.what);
            }
        }
    }
}
