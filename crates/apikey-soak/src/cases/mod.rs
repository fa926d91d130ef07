//! The resilience table: each case has a bound, and says what it measured.

use std::future::Future;
use std::pin::Pin;

use crate::report::Row;

/// A case; `true` makes it shorter.
pub type Case = fn(bool) -> Pin<Box<dyn Future<Output = Result<Vec<Row>, String>>>>;

/// All of them, by name.
pub const ALL: &[(&str, Case)] = &[];
