//! The memory of this process.

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

/// Counts allocations, and leaves the rest to the system's allocator.
#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bytes that are allocated and not freed yet.
#[must_use]
pub fn live_heap() -> usize {
    let stats = COUNTING.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// The resident set in bytes, if the system tells it.
#[must_use]
pub fn resident() -> Option<usize> {
    let kibibytes = field("/proc/self/status", "VmRSS:")?;
    Some(kibibytes * 1024)
}

/// How many files this process may have open. Each loopback connection takes two.
#[must_use]
pub fn open_files_limit() -> usize {
    // The least that most systems allow.
    field("/proc/self/limits", "Max open files").unwrap_or(1024)
}

/// The first number after a label in one of the kernel's text files.
fn field(path: &str, label: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted() {
        let before = live_heap();
        let held = vec![0_u8; 64 << 20];
        assert!(live_heap() >= before + (32 << 20), "other tests allocate, too, but not so much");
        drop(held);
    }
}
