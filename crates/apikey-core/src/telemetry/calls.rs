//! What the calls for one verification share: their number, and the moment at which they are too late.

use std::cell::Cell;

use tokio::time::Instant;

#[cfg(feature = "kinde")]
use super::vocabulary::Endpoint;

tokio::task_local! {
    /// How many calls were made, those about the APIs of a verified key apart, and until when they may take.
    static SHARED: (Cell<u64>, Cell<u64>, Instant);
}

/// Runs work whose calls belong together. `earlier` is how many calls were made before. After the deadline nobody waits
/// for the work.
pub(crate) async fn together<W: Future>(earlier: u64, deadline: Instant, work: W) -> W::Output {
    SHARED.scope((Cell::new(earlier), Cell::new(0), deadline), work).await
}

/// Counts a call. Returns how many with the same question belong to it and were made before, and the deadline. A call that
/// belongs to nothing has neither.
#[cfg(feature = "kinde")]
pub(crate) fn next_call(endpoint: Endpoint) -> (u64, Option<Instant>) {
    let next = SHARED.try_with(|(made, about_apis, deadline)| {
        let made = if endpoint == Endpoint::ApiKey { about_apis } else { made };
        (made.replace(made.get() + 1), Some(*deadline))
    });
    next.unwrap_or_default()
}
