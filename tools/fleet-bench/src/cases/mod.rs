//! What is measured.

mod apart;
mod calls;
mod cost;
mod latency;
mod restart;

use tokio::runtime::Runtime;

use crate::table::Row;

/// Measures. `true`: for a shorter time.
pub(crate) type Case = fn(&Runtime, bool) -> Result<Vec<Row>, String>;

/// All cases with their names.
pub(crate) const ALL: [(&str, Case); 5] = [
    ("apart", apart::measure),
    ("calls", calls::measure),
    ("restart", restart::measure),
    ("latency", latency::measure),
    ("cost", cost::measure),
];

/// What is there at this part of a sorted list, in thousandths.
fn at<T: Copy>(sorted: &[T], part: usize) -> Option<T> {
    sorted.get(sorted.len() * part / 1000).copied()
}
