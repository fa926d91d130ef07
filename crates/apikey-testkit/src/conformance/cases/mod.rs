//! The cases, each named after its promise. [`conformance_tests!`](crate::conformance_tests) lists them.

pub mod answers;
pub mod attempts;
pub mod caching;
pub mod concurrency;
pub mod connections;
pub mod denials;
pub mod extraction;
pub mod fault_matrix;
pub mod generated;
pub mod methods;
pub mod once;
pub mod optional;
pub mod outages;
pub mod policies;
pub mod removal;
pub mod rendering;
pub mod resilience;
pub mod sources;
pub mod tokens;
pub mod wiring;
