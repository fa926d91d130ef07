//! The cases, each named after its promise. [`conformance_tests!`](crate::conformance_tests) lists them.

pub mod answers;
pub mod attempts;
pub mod breaker;
pub mod bulkhead;
pub mod caching;
pub mod concurrency;
pub mod connections;
pub mod denials;
pub mod extraction;
pub mod fault_matrix;
pub mod forgetting;
pub mod generated;
pub mod methods;
pub mod negative;
pub mod once;
pub mod optional;
pub mod outages;
pub mod policies;
pub mod refresh;
pub mod removal;
pub mod rendering;
pub mod retries;
pub mod sources;
pub mod stale;
mod steps;
pub mod tokens;
pub mod wiring;
