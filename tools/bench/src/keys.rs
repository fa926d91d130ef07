//! The keys of the benchmarks: as long as Kinde's, and good or bad by their look alone, so that nothing needs to know
//! them beforehand. `run/load.lua` builds the same.

/// What a good key begins with.
const GOOD: &str = "k_live_";

/// A key that the upstream calls valid.
pub(crate) fn good(number: u64) -> String {
    format!("{GOOD}{number:032}")
}

/// Whether the upstream calls this key valid.
pub(crate) fn is_good(key: &[u8]) -> bool {
    key.starts_with(GOOD.as_bytes())
}
