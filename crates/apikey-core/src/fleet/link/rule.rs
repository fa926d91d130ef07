//! The rules that keep the link sound, one by one, so that a test can turn one off and see that it is missed.

/// A rule of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The lease counts from when the pull was sent, and not from when its answer came.
    LeaseFromSending,
    /// After another server took over, no pull confirms for a while.
    QuarantineOfRuns,
    /// After another log was seen, no pull confirms for a while.
    QuarantineOfLogs,
    /// The time of a quarantine counts only while all pulls are answered.
    QuarantineWithoutGaps,
    /// Only a page without a next one confirms.
    LastPageConfirms,
    /// An instance that fell behind the log forgets everything.
    ForgetWhenBehind,
    /// An instance whose clock stood still forgets everything.
    ForgetAfterSleep,
    /// Known removals that the log lacks are told again.
    Retell,
    /// A removal that the store acknowledged and a later pull does not show is appended again.
    AppendAgain,
    /// An entry must name a head that is in memory, and no later removal may concern it.
    HeadOfEntry,
    /// Nothing in the outbox may concern an entry.
    OutboxOfEntry,
    /// A look must agree with the clock of the last pull.
    ClockOfLook,
    /// Entries from before the store's clock was set back are misses.
    FloorOfEntries,
    /// A moment from before a clock jumped gets no stamp.
    StampInAgreement,
}
