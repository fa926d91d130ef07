use super::*;
use proptest::prelude::*;

crate::scopes! {
    Admin = "admin";
    ReadUsers = "read:users";
    WriteUsers = "write:users";
}

const SCOPES: [&str; 3] = ["a", "b", "c"];

fn any_policy() -> impl Strategy<Value = Policy> {
    let leaf = prop_oneof![
        4 => prop::sample::select(SCOPES.to_vec()).prop_map(Policy::scope),
        1 => Just(Policy::organization_key()),
        1 => Just(Policy::user_key()),
        1 => Just(Policy::organization("org_1")),
        1 => Just(Policy::organization("")),
        1 => Just(Policy::any_key()),
        1 => Just(Policy::fresh()),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Policy::all),
            prop::collection::vec(inner, 0..4).prop_map(Policy::any),
        ]
    })
}

/// All keys that are possible with three scopes, two organizations and one user.
fn every_key() -> Vec<Verification> {
    let mut keys = Vec::new();
    for scopes in 0..8_u8 {
        for organization in [None, Some("org_1"), Some("org_2")] {
            for user in [None, Some("kp_1")] {
                let held = SCOPES.into_iter().enumerate().filter(|(bit, _)| scopes & (1 << bit) != 0);
                let mut key = Verification::active("k").with_scopes(held.map(|(_, scope)| scope));
                if let Some(code) = organization {
                    key = key.with_organization(code);
                }
                if let Some(id) = user {
                    key = key.with_user(id);
                }
                keys.push(key);
            }
        }
    }
    keys
}

/// The expected result, found in another way: a policy as the list of its ways to be satisfied (disjunctive normal
/// form).
fn ways(policy: &Policy) -> Vec<Vec<Requirement>> {
    match &policy.0 {
        Requirement::All(parts) => parts.iter().fold(vec![vec![]], |so_far, part| {
            let more = ways(part);
            so_far.iter().flat_map(|one| more.iter().map(|two| [one.clone(), two.clone()].concat())).collect()
        }),
        Requirement::Any(parts) => parts.iter().flat_map(ways).collect(),
        leaf => vec![vec![leaf.clone()]],
    }
}

fn leaf_holds(leaf: &Requirement, key: &Verification, is_fresh: bool) -> bool {
    match leaf {
        Requirement::Scope(scope) => key.scopes().any(|held| held == scope),
        Requirement::OrganizationKey => key.organization_code().is_some(),
        Requirement::UserKey => key.user_id().is_some(),
        Requirement::Fresh => is_fresh,
        Requirement::Organization(code) => key.organization_code().is_some_and(|held| held == code),
        Requirement::KindeOperation | Requirement::All(_) | Requirement::Any(_) => unreachable!("not a leaf"),
    }
}

proptest! {
    #[test]
    fn a_policy_agrees_with_brute_force(policy in any_policy()) {
        let ways = ways(&policy);
        for key in every_key() {
            let expected = |is_fresh| ways.iter().any(|way| way.iter().all(|leaf| leaf_holds(leaf, &key, is_fresh)));
            prop_assert_eq!(policy.is_satisfied_by(&key), expected(true));
            prop_assert_eq!(policy.check(&key, true).is_ok(), expected(true));
            prop_assert_eq!(policy.check(&key, false).is_ok(), expected(false));
            let only_stale = policy.check(&key, false) == Err(Shortfall::Stale);
            prop_assert_eq!(only_stale, expected(true) && !expected(false));
        }
    }

    #[test]
    fn owner_is_named_exactly_where_no_scope_could_help(policy in any_policy()) {
        for key in every_key() {
            let mut all_scopes = Verification::active("k").with_scopes(SCOPES);
            if let Some(code) = key.organization_code() { all_scopes = all_scopes.with_organization(code); }
            if let Some(id) = key.user_id() { all_scopes = all_scopes.with_user(id); }
            match policy.check(&key, true) {
                Err(Shortfall::Owner(owner)) => {
                    prop_assert!(!policy.is_satisfied_by(&all_scopes));
                    match owner {
                        MissingOwner::AnyUser => prop_assert!(key.user_id().is_none()),
                        MissingOwner::AnyOrganization => prop_assert!(key.organization_code().is_none()),
                        MissingOwner::ThatOrganization => prop_assert!(key.organization_code().is_some()),
                    }
                }
                Err(Shortfall::Scopes { missing, required }) => {
                    let missing = missing.replace(NO_SCOPE, "");
                    for scope in missing.split([' ', ',', '(', ')']).filter(|word| SCOPES.contains(word)) {
                        prop_assert!(!key.has_scope(scope), "{} is not missing", scope);
                        prop_assert!(required.iter().any(|one| one == scope));
                    }
                }
                Err(Shortfall::UnknownOperation) => unreachable!("no such policy"),
                Err(Shortfall::Stale) => prop_assert!(false, "nothing is stale here"),
                Ok(()) => {}
            }
        }
    }

    #[test]
    fn no_scope_makes_a_satisfied_policy_fail(policy in any_policy()) {
        for key in every_key() {
            if policy.is_satisfied_by(&key) {
                let more = key.clone().with_scopes(SCOPES);
                prop_assert!(policy.is_satisfied_by(&more));
            }
        }
    }
}

fn missing(policy: &Policy, held: &[&'static str]) -> String {
    match policy.check(&Verification::active("k").with_scopes(held.iter().copied()), true) {
        Err(Shortfall::Scopes { missing, .. }) => missing,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_denial_names_what_is_missing() {
    assert_eq!(missing(&Policy::all(["a", "b"]), &["a"]), "b");
    assert_eq!(missing(&Policy::all(["a", "b"]), &[]), "a, b");
    assert_eq!(missing(&Policy::any(["a", "b"]), &["c"]), "one of a, b");
    let nested = Policy::all([Policy::scope("a"), Policy::any(["b", "c"])]);
    assert_eq!(missing(&nested, &[]), "a, (one of b, c)");
    assert_eq!(missing(&nested, &["a"]), "one of b, c");
    let ways = Policy::any([Policy::scope("a"), Policy::all(["b", "c"])]);
    assert_eq!(missing(&ways, &[]), "one of a, (b, c)");
    assert_eq!(missing(&ways, &["c"]), "one of a, b");
    let unreachable_way = Policy::any([Policy::organization_key().and("a"), Policy::scope("b")]);
    assert_eq!(missing(&unreachable_way, &[]), "b");
    let needless_nesting = Policy::all([Policy::scope("a"), Policy::any(["b"]), Policy::all(["c"])]);
    assert_eq!(missing(&needless_nesting, &[]), "a, b, c");
}

#[test]
fn any_of_nothing_refuses_every_key_and_says_so() {
    let nothing = || Policy::any::<Policy>([]);
    for key in every_key() {
        assert!(!nothing().is_satisfied_by(&key), "{key:?}");
    }
    assert_eq!(missing(&nothing(), &["a"]), "a scope that no key can have");
    assert_eq!(missing(&Policy::scope("a").and(nothing()), &[]), "a, a scope that no key can have");
    assert_eq!(missing(&Policy::any([nothing()]), &[]), "a scope that no key can have");
    let one_way = Policy::any([nothing(), Policy::all([Policy::scope("a"), nothing()]), Policy::scope("b")]);
    assert_eq!(missing(&one_way, &["a"]), "b");
}

#[test]
fn all_of_nothing_lets_every_key_in() {
    assert_eq!(Policy::all::<Policy>([]), Policy::any_key());
    for key in every_key() {
        assert!(Policy::all(Vec::<String>::new()).is_satisfied_by(&key), "{key:?}");
    }
}

#[test]
fn a_denial_names_every_scope_of_the_policy_once() {
    let policy = Policy::any([Policy::all(["b", "a"]), Policy::all(["a", "c"]), Policy::scope("b")]);
    assert_eq!(policy.scopes(), ["b", "a", "c"]);
    let Err(Shortfall::Scopes { required, .. }) = policy.check(&Verification::active("k"), true) else {
        panic!("no scope is held");
    };
    assert_eq!(required, ["b", "a", "c"]);
}

#[test]
fn a_scope_matches_exactly_or_not_at_all() {
    let key = Verification::active("k").with_scopes(["read:users"]);
    for other in ["READ:USERS", "read:users ", "read", "read:*", ""] {
        assert!(!Policy::scope(other).is_satisfied_by(&key), "{other:?}");
    }
}

#[test]
fn a_policy_may_come_from_a_configuration() {
    let configured = vec!["a".to_owned(), "b".to_owned()];
    let text: &str = &configured[0];
    assert_eq!(Policy::scope(text), Policy::scope("a"));
    assert_eq!(Policy::scope(&configured[0]), Policy::scope("a"));
    assert_eq!(Policy::organization(text), Policy::organization("a".to_owned()));
    assert_eq!(Policy::all(&configured), Policy::all(["a", "b"]));
    assert_eq!(Policy::any(configured.iter().map(String::as_str)), Policy::any(["a", "b"]));
    assert_eq!(Policy::user_key().and(text), Policy::user_key().and("a"));
    assert_eq!(Policy::any(configured), Policy::any(["a", "b"]));
}

#[test]
fn absent_never_matches_absent() {
    assert!(!Policy::organization("").is_satisfied_by(&Verification::active("k")));
    assert!(!Policy::organization("").is_satisfied_by(&Verification::active("k").with_organization("")));
}

#[test]
fn typed_policies_are_the_same_values() {
    assert_eq!(Admin::POLICY, &Policy::scope("admin"));
    assert_eq!(<(ReadUsers, WriteUsers)>::POLICY, &Policy::all(["read:users", "write:users"]));
    assert_eq!(
        <AnyOf<(Admin, (ReadUsers, WriteUsers))>>::POLICY,
        &Policy::any([Policy::scope("admin"), Policy::all(["read:users", "write:users"])])
    );
    assert_eq!(
        <(OrganizationKey, ReadUsers, UserKey)>::POLICY,
        &Policy::all([Policy::organization_key(), Policy::scope("read:users"), Policy::user_key()])
    );
    assert_eq!(
        <(Fresh, AnyOf<(Admin, ReadUsers)>)>::POLICY,
        &Policy::all([Policy::fresh(), Policy::any(["admin", "read:users"])])
    );
}

#[test]
fn scopes_are_declared_with_semicolons_or_commas() {
    crate::scopes! { One = "one", }
    crate::scopes! {
        /// Documented.
        pub(crate) Two = "two",
        Three = "three"
    }
    crate::scopes! { pub(crate) Four = "four"; Five = "five" }
    crate::scopes! {}
    let names = <(One, Two, Three, Four, Five)>::POLICY.scopes();
    assert_eq!(names, ["one", "two", "three", "four", "five"]);
}

#[test]
fn a_policy_refuses_stale_answers_where_any_part_of_it_does() {
    let fresh_or_admin = Policy::any([Policy::fresh(), Policy::scope("admin")]);
    for refuses in [Policy::fresh(), Policy::scope("admin").and(fresh_or_admin.clone()), fresh_or_admin] {
        assert!(refuses.refuses_stale(), "{refuses:?}");
    }
    for takes in [
        Policy::any_key(),
        Policy::all(["a", "b"]),
        Policy::any([Policy::organization_key(), Policy::user_key(), Policy::organization("org_1")]),
    ] {
        assert!(!takes.refuses_stale(), "{takes:?}");
    }
}

#[test]
fn a_policy_reads_as_words() {
    let either = Policy::any(["admin", "read:users"]);
    for (policy, words) in [
        (Policy::any_key(), "any key"),
        (Policy::any::<Policy>([]), "no key"),
        (Policy::scope("read:users"), "read:users"),
        (Policy::all(["read:users", "write:users"]), "read:users and write:users"),
        (either.clone(), "admin or read:users"),
        (Policy::all([Policy::all([either.clone()])]), "admin or read:users"),
        (Policy::organization_key().and(either.clone()), "organization key and (admin or read:users)"),
        (Policy::any([Policy::fresh(), Policy::user_key().and("a")]), "fresh answer or (user key and a)"),
        (Policy::organization("org_1").and("a").and("b"), "(organization org_1 and a) and b"),
        (
            Policy::scope("a").and(Policy::any_key()).and(Policy::all([either])),
            "(a and any key) and (admin or read:users)",
        ),
        (Policy::any(["user key", "or", "(a", ""]), r#""user key" or "or" or "(a" or """#),
        (Policy::organization("a\nb"), r#"organization "a\nb""#),
    ] {
        assert_eq!(policy.to_string(), words);
    }
}

#[test]
fn a_text_for_the_public_names_no_organization() {
    let policy = Policy::any([Policy::organization("org_acme").and("admin"), Policy::user_key()]);
    assert_eq!(format!("{policy:#}"), "(a certain organization and admin) or user key");
    assert_eq!(policy.to_string(), "(organization org_acme and admin) or user key");
}

proptest! {
    #[test]
    fn an_owner_is_needed_exactly_if_no_other_key_gets_in(policy in any_policy()) {
        let opens = |key: Verification| policy.holds(&key, &|_| true, true);
        let key = || Verification::active("k");
        // The codes that `any_policy` binds to.
        let organizations = || ["org_1", "org_2", "org_acme", "org_globex"].map(|code| key().with_organization(code));
        let user = || key().with_user("kp_1");
        let both = organizations().into_iter().any(|key| opens(key.with_user("kp_1")));
        if !policy.is_bound() {
            prop_assert_eq!(policy.needs_organization(), both && !opens(user()) && !opens(key()));
            prop_assert_eq!(policy.needs_user(), both && !organizations().into_iter().any(opens));
        }
        prop_assert!(!(policy.needs_organization() && opens(user())));
        prop_assert!(!(policy.needs_user() && organizations().into_iter().any(opens)));
    }
}
