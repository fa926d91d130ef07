//! What the log tells an operator whose application is wired wrong.
//!
//! `tracing` decides once for the whole process whether anybody listens to a line. So this is a program of its own:
//! nothing logs before the subscriber is there, and one test listens at a time.

mod extractors;
mod log;
mod removal;
#[allow(dead_code, reason = "the tests in `all` need more of it")]
#[path = "../all/world.rs"]
mod world;
