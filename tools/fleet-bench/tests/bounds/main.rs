//! What a fleet promises in exact numbers, on three reference servers and a real Redis.

mod calls;
mod idle;
