//! The sets of scopes with which an operation is tried.

use std::collections::BTreeSet;

use super::security::Way;

/// Up to so many scopes, every set of them is tried.
const MOST_FOR_EVERY_SET: usize = 5;
/// How many names have their similar names tried.
const MOST_WITH_SIMILAR: usize = 20;

/// The sets of scopes that are tried, smaller ones first.
pub(crate) fn combinations(way: &Way) -> Vec<BTreeSet<String>> {
    let all = way.scopes();
    let mut sets = BTreeSet::from([BTreeSet::new(), all.clone()]);
    if all.len() <= MOST_FOR_EVERY_SET {
        for scope in &all {
            let with: Vec<BTreeSet<String>> = sets.iter().map(|set| with(set, scope)).collect();
            sets.extend(with);
        }
    } else {
        sets.extend(way.alternatives.iter().cloned());
        for set in way.alternatives.iter().chain([&all]) {
            sets.extend(set.iter().map(|scope| without(set, scope)));
        }
    }
    let mut sets: Vec<BTreeSet<String>> = sets.into_iter().collect();
    sets.sort_by_key(BTreeSet::len);
    sets
}

fn with(set: &BTreeSet<String>, scope: &str) -> BTreeSet<String> {
    set.iter().cloned().chain([scope.to_owned()]).collect()
}

fn without(set: &BTreeSet<String>, scope: &str) -> BTreeSet<String> {
    set.iter().filter(|other| *other != scope).cloned().collect()
}

/// Scopes that a careless comparison takes for those of the document: another case, a part, a wildcard, several as one.
pub(crate) fn similar(way: &Way) -> BTreeSet<String> {
    let named = way.scopes();
    let mut similar = BTreeSet::from(["*".to_owned()]);
    for scope in named.iter().take(MOST_WITH_SIMILAR) {
        similar.extend([
            scope.to_uppercase(),
            scope.to_lowercase(),
            format!("{scope}x"),
            format!(" {scope} "),
        ]);
        let mut shorter = scope.clone();
        shorter.pop();
        similar.insert(shorter);
        if let Some((action, _)) = scope.split_once(':') {
            similar.extend([action.to_owned(), format!("{action}:"), format!("{action}:*")]);
        }
    }
    for separator in [" ", ","] {
        let joined = named.iter().map(String::as_str).collect::<Vec<_>>().join(separator);
        similar.insert(joined);
    }
    similar.retain(|scope| !scope.is_empty() && !named.contains(scope));
    similar
}

/// Those sets that contain no other one of them.
pub(crate) fn smallest<'a>(
    sets: impl Iterator<Item = &'a BTreeSet<String>> + Clone,
) -> Vec<&'a BTreeSet<String>> {
    sets.clone().filter(|set| !sets.clone().any(|other| other != *set && other.is_subset(set))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::security::Placement;

    fn way(alternatives: &[&[&str]]) -> Way {
        let set = |scopes: &&[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Way { placement: Placement::Bearer, alternatives: alternatives.iter().map(set).collect() }
    }

    #[test]
    fn up_to_five_scopes_have_every_set() {
        for (scopes, sets) in
            [(&[][..], 1), (&["a"], 2), (&["a", "b", "c"], 8), (&["a", "b", "c", "d", "e"], 32)]
        {
            assert_eq!(combinations(&way(&[scopes])).len(), sets);
        }
    }

    #[test]
    fn more_scopes_have_each_alternative_and_each_gap() {
        let way = way(&[&["a", "b", "c"], &["d", "e"], &["f"]]);
        let sets = combinations(&way);
        let has = |scopes: &[&str]| sets.iter().any(|set| set.iter().eq(scopes));
        for scopes in [
            &[][..],
            &["a", "b", "c"],
            &["d", "e"],
            &["f"],
            &["a", "b"],
            &["a", "c"],
            &["b", "c"],
            &["d"],
            &["e"],
            &["a", "b", "c", "d", "e"],
            &["b", "c", "d", "e", "f"],
            &["a", "b", "c", "d", "e", "f"],
        ] {
            assert!(has(scopes), "{scopes:?}");
        }
        assert_eq!(sets.len(), 16);
    }

    #[test]
    fn similar_scopes_are_none_of_the_documents() {
        let similar = similar(&way(&[&["read:users", "read"], &["*"]]));
        for scope in ["READ:USERS", "read:*", "read:", "read:user", "rea", "*,read,read:users", " read "] {
            assert!(similar.contains(scope), "{scope}");
        }
        assert!(!similar.contains("read") && !similar.contains("*"));
    }
}
