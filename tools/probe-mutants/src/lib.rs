//! Ways in which a guard can be wrong, and the switches that make it so. The tests put them into the reference servers, and let the probe look.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use apikey_core::{KeyArgument, Policy};

/// The guards of one server, each of which can be made wrong.
#[derive(Debug, Default)]
pub struct Switches(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    guards: BTreeMap<usize, Guard>,
    wrong: Option<(usize, Wrong)>,
}

/// What a guard asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// What a key must satisfy.
    pub policy: Policy,
    /// Whether a request without a key is let in.
    pub is_optional: bool,
}

impl Guard {
    /// Asks for a key.
    #[must_use]
    pub const fn required(policy: Policy) -> Self {
        Self { policy, is_optional: false }
    }

    /// Lets requests without a key in, and those with any key that was issued.
    #[must_use]
    pub const fn optional() -> Self {
        Self { policy: Policy::any_key(), is_optional: true }
    }

    /// What a key argument asks for.
    #[must_use]
    pub fn of<T: KeyArgument>() -> Self {
        Self { policy: T::POLICY.clone(), is_optional: T::IS_OPTIONAL }
    }
}

/// What is wrong with a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// In words.
    pub what: String,
    /// What it asks for instead. `None` lets everybody in, without a key and with any text as a key.
    pub guard: Option<Guard>,
}

impl Switches {
    /// Switches that are all right.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(State { guards: BTreeMap::new(), wrong: None }))
    }

    /// What the guard with this number asks for: `right`, unless it is the wrong one.
    pub fn guard(&self, number: usize, right: &Guard) -> Option<Guard> {
        let mut state = self.state();
        state.guards.entry(number).or_insert_with(|| right.clone());
        match &state.wrong {
            Some((wrong, change)) if *wrong == number => change.guard.clone(),
            _ => Some(right.clone()),
        }
    }

    /// The same for a policy by value. It takes any key if it is dropped.
    pub fn policy(&self, number: usize, policy: Policy) -> Policy {
        self.guard(number, &Guard::required(policy)).map_or(Policy::any_key(), |guard| guard.policy)
    }

    /// Makes one guard wrong, or none.
    pub fn set(&self, wrong: Option<(usize, Wrong)>) {
        self.state().wrong = wrong;
    }

    /// The guards that a running server has shown so far.
    pub fn guards(&self) -> BTreeMap<usize, Guard> {
        self.state().guards.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A scope that no guard of the reference servers asks for.
const OTHER: &str = "read:invoices";

/// Every way in which this guard can be wrong.
///
/// # Panics
/// If its policy has too many alternatives.
#[must_use]
pub fn wrongs(guard: &Guard) -> Vec<Wrong> {
    let mut wrongs = vec![Wrong { what: "dropped".to_owned(), guard: None }];
    let mut add =
        |what: String, policy: Policy| wrongs.push(Wrong { what, guard: Some(Guard::required(policy)) });
    let policy = &guard.policy;
    if guard.is_optional {
        add("a key is demanded".to_owned(), policy.clone());
        return wrongs;
    }
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
            for wrong in wrongs(&Guard::required(policy.clone())) {
                let Some(Guard { policy: changed, .. }) = wrong.guard else { continue };
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

    #[test]
    fn an_optional_guard_can_be_dropped_or_demand_a_key() {
        let changed: Vec<_> = wrongs(&Guard::optional()).into_iter().map(|wrong| wrong.guard).collect();
        assert_eq!(changed, [None, Some(Guard::required(Policy::any_key()))]);
    }
}
