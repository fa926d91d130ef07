//! The times and bounds of a link.

use std::time::Duration;

/// The times and bounds of a link.
#[derive(Debug, Clone)]
pub(crate) struct LinkSettings {
    /// How long a confirmation holds.
    pub(crate) lease: Duration,
    /// How long no pull confirms after another server or another log was seen. In this time every instance that reaches the
    /// store must notice and tell what was lost. That takes 2 s at most:
    ///
    /// | ms | for |
    /// | --- | --- |
    /// | 500 | a dial of a server that is gone, which began before |
    /// | 250 | the pause after it |
    /// | 500 | another dial, with everything that finds the server |
    /// | 150 | a pull that may have failed meanwhile, until the next one is answered |
    /// | 200 | the time that each instance leaves others to tell |
    /// | 200 | another pull |
    /// | 200 | the append |
    ///
    /// If there is a connection, it takes 1.25 s at most, because the first pull comes within 600 ms and has 200 ms. Then a
    /// stall of the store of up to 750 ms may go unnoticed besides.
    pub(crate) quarantine: Duration,
    /// Pulls are this far apart, give or take a fifth.
    pub(crate) pull_every: Duration,
    /// How long a pull or an append may take. Later answers count as failures.
    pub(crate) budget: Duration,
    /// An instance that has not read the log for this long may have missed records that were dropped since.
    pub(crate) behind_after: Duration,
    /// How long a record matters. The store drops older ones.
    pub(crate) keep_for: Duration,
    /// By how much a reading of a clock may be off.
    pub(crate) clock_tolerance: Duration,
    /// How many records the memory holds at most, and how many the outbox.
    pub(crate) most_kept: usize,
}

impl LinkSettings {
    /// For answers that serve for this long at most, stale or not.
    ///
    /// Records are kept for two minutes more. With one, an instance that has read the log a minute ago has missed none. The
    /// other one is there because the store's clock may be set back while an instance is away.
    pub(crate) fn new(answers_serve_for: Duration) -> Self {
        let behind_after = Duration::from_secs(60);
        Self {
            lease: Duration::from_millis(900),
            quarantine: Duration::from_secs(2),
            pull_every: Duration::from_millis(250),
            budget: Duration::from_millis(200),
            behind_after,
            keep_for: answers_serve_for.saturating_add(behind_after * 2),
            clock_tolerance: Duration::from_millis(250),
            most_kept: 8192,
        }
    }
}
