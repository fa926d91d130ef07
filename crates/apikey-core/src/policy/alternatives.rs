//! A policy as alternatives of scopes, which is what OpenAPI's `security` can say.

use super::{Policy, Requirement, UNNAMED_OPERATION};

/// A document with more alternatives for one route is of no use to anybody.
const MOST_ALTERNATIVES: usize = 100;

impl Policy {
    /// The sets of scopes of which a key needs one, each as small as possible. So a key can satisfy this policy exactly if it carries
    /// every scope of one of the sets, and if it has the right owner and the answer about it is fresh, as far as the policy
    /// asks for that.
    ///
    /// This is what `security` of a document in OpenAPI can say: a list of alternatives, each with scopes that are all needed. The
    /// rest stands in [`Display`](std::fmt::Display). One empty set means that no scope is needed. No set at all means that
    /// no key satisfies the policy.
    ///
    /// `None` if there are more than 100 sets. [`UNNAMED_OPERATION`] stands for the scope of a
    /// [`kinde_operation`](Self::kinde_operation) that is not named.
    ///
    /// ```
    /// use apikey_core::Policy;
    ///
    /// let policy = Policy::all([
    ///     Policy::organization_key(),
    ///     Policy::any([Policy::scope("admin"), Policy::all(["read:users", "write:users"])]),
    /// ]);
    /// let alternatives = policy.alternatives().expect("they are few");
    /// assert_eq!(alternatives, [vec!["admin"], vec!["read:users", "write:users"]]);
    /// ```
    #[must_use]
    pub fn alternatives(&self) -> Option<Vec<Vec<&str>>> {
        match &self.0 {
            Requirement::Scope(scope) => Some(vec![vec![scope]]),
            Requirement::KindeOperation => Some(vec![vec![UNNAMED_OPERATION]]),
            Requirement::OrganizationKey
            | Requirement::UserKey
            | Requirement::Organization(_)
            | Requirement::Fresh => Some(vec![Vec::new()]),
            Requirement::Any(policies) => {
                let mut all = Vec::new();
                for policy in policies.iter() {
                    for alternative in policy.alternatives()? {
                        add(&mut all, alternative)?;
                    }
                }
                Some(all)
            }
            Requirement::All(policies) => {
                let mut all = vec![Vec::new()];
                for policy in policies.iter() {
                    let others = policy.alternatives()?;
                    let mut both = Vec::new();
                    for alternative in &all {
                        for other in &others {
                            add(&mut both, joined(alternative, other))?;
                        }
                    }
                    all = both;
                }
                Some(all)
            }
        }
    }
}

/// Adds an alternative, unless one needs no other scopes. Those that need more are dropped. `None` if there are too many.
fn add<'a>(all: &mut Vec<Vec<&'a str>>, new: Vec<&'a str>) -> Option<()> {
    if all.iter().any(|known| contains(&new, known)) {
        return Some(());
    }
    all.retain(|known| !contains(known, &new));
    all.push(new);
    (all.len() <= MOST_ALTERNATIVES).then_some(())
}

fn contains(scopes: &[&str], others: &[&str]) -> bool {
    others.iter().all(|other| scopes.contains(other))
}

fn joined<'a>(scopes: &[&'a str], others: &[&'a str]) -> Vec<&'a str> {
    let more = others.iter().filter(|other| !scopes.contains(other));
    scopes.iter().chain(more).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::Verification;
    use proptest::prelude::*;

    const SCOPES: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn policies() -> impl Strategy<Value = Policy> {
        let leaf = prop_oneof![
            4 => (0..SCOPES.len()).prop_map(|scope| Policy::scope(SCOPES[scope])),
            1 => Just(Policy::organization_key()),
            1 => Just(Policy::user_key()),
            1 => Just(Policy::organization("org_1")),
            1 => Just(Policy::fresh()),
        ];
        leaf.prop_recursive(4, 24, 4, |part| {
            let parts = prop::collection::vec(part, 0..4);
            prop_oneof![parts.clone().prop_map(Policy::all), parts.prop_map(Policy::any)]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn the_alternatives_say_what_the_policy_decides(policy in policies()) {
            let alternatives = policy.alternatives().expect("five scopes have few alternatives");
            for set in 0_u32..1 << SCOPES.len() {
                let held: Vec<&str> =
                    (0..SCOPES.len()).filter(|scope| set & (1 << scope) != 0).map(|scope| SCOPES[scope]).collect();
                let key = Verification::active("id").with_scopes(held.clone()).with_organization("org_1").with_user("kp_1");
                let is_documented = alternatives.iter().any(|alternative| contains(&held, alternative));
                prop_assert_eq!(is_documented, policy.is_satisfied_by(&key), "{} with {:?}", policy, held);
            }
            for (place, alternative) in alternatives.iter().enumerate() {
                let others = alternatives.iter().enumerate().filter(|(other, _)| *other != place);
                prop_assert!(others.clone().all(|(_, other)| !contains(alternative, other)), "{:?}", alternatives);
            }
        }
    }

    #[test]
    fn no_scope_and_no_key_are_told_apart() {
        assert_eq!(Policy::any_key().alternatives(), Some(vec![vec![]]));
        assert_eq!(Policy::any::<Policy>([]).alternatives(), Some(vec![]));
        assert_eq!(Policy::all([Policy::any::<Policy>([]), Policy::scope("a")]).alternatives(), Some(vec![]));
    }

    #[test]
    fn too_many_alternatives_are_none() {
        let pair = |number: usize| Policy::any([format!("a{number}"), format!("b{number}")]);
        assert_eq!(Policy::all((0..6).map(pair)).alternatives().map(|all| all.len()), Some(64));
        assert_eq!(Policy::all((0..30).map(pair)).alternatives(), None);
    }
}
