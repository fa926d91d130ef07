//! What subscribers of `tracing` see.
//!
//! `tracing` decides once for the whole process whether anybody listens to a line, and asks the thread that logs it
//! first. So this is a program of its own: nothing logs before a test listens, and one test listens at a time.

mod calls;
mod clients;
mod decisions;
mod fleet;
mod log;
mod set_up;
mod spans;
mod webhooks;
