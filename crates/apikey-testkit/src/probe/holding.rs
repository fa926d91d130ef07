//! What the keys have that the probe presents.

use std::collections::BTreeSet;
use std::fmt;

use super::document::Owner;

/// The scopes and the owner of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holding {
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) owner: Owner,
}

impl Holding {
    /// A key that only its scopes can fail.
    pub(crate) fn of(scopes: BTreeSet<String>) -> Self {
        Holding { scopes, owner: Owner::BOTH }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.owner {
            Owner::BOTH => "a key",
            Owner { organization: true, .. } => "a key of an organization, but of no user,",
            Owner { user: true, .. } => "a key of a user, but of no organization,",
            _ => "a key without an owner,",
        })?;
        match self.scopes.len() {
            0 => formatter.write_str(" without scopes"),
            _ => write!(formatter, " with {}", listed(&self.scopes, "and")),
        }
    }
}

/// Names in a sentence, at most ten of them.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a String>, and: &str) -> String {
    const MOST: usize = 10;
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = names.len().saturating_sub(MOST);
    let mut shown: Vec<String> = names.into_iter().take(MOST).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    match shown.pop() {
        None => "nothing".to_owned(),
        Some(last) if shown.is_empty() => last,
        Some(last) => format!("{} {and} {last}", shown.join(", ")),
    }
}
