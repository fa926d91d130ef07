//! The keys of the benchmarks. They are as long as Kinde's. Their prefix says whether they are good, so no list of
//! them is needed. `run/load.lua` makes the same keys.

/// The prefix of a good key.
const GOOD: &str = "k_live_";

/// A key that the upstream calls valid.
pub(crate) fn good(number: u64) -> String {
    format!("{GOOD}{number:032}")
}

/// The id of a good key, which ends like the key itself.
pub(crate) fn id(key: &str) -> String {
    format!("api_key_{}", &key[key.len().saturating_sub(12)..])
}

/// Whether the upstream calls this key valid.
pub(crate) fn is_good(key: &[u8]) -> bool {
    key.starts_with(GOOD.as_bytes())
}
