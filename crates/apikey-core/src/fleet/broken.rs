//! What tests turn off, to see that the simulation and the model miss it.

use super::link::Rule;

/// What is turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Link(Rule),
    Store(Mistake),
    Engine(Neglect),
}

/// How a store may break its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// It finds the place of a tip, whatever its id.
    PlacesWithoutIds,
    /// It remembers the origins apart from the log.
    OriginsSeenForEver,
    /// A replica answers pulls.
    ReplicasAnswerPulls,
    /// The run is data that is copied to the replica.
    RunIsCopied,
    /// A server that takes over a second time has the same run as the first time.
    RunOfTheProcess,
}

/// What the engine may neglect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Neglect {
    /// Flights that are under way do not heed removals.
    Flights,
    /// A cut-off instance uses its answers until their time to live ends.
    CutOff,
}
