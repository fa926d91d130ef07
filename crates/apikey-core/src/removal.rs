//! What a removal did.

use std::fmt;
use std::pin::Pin;

/// What a removal did. It has happened when this is returned: from then on, this instance serves no answer that was asked
/// for before it.
///
/// Without a fleet, there is no more to it. If instances share removals, await it to learn that every other
/// instance will have heard of it, too: 0.9 s later at the latest, if it can reach the store. Awaiting lasts until the
/// store has the removal, so give it a time limit. The removal reaches the fleet whether you await it or not, as long as
/// this process and the authenticator live.
///
/// ```
/// # async fn example(keys: apikey_core::Authenticator) {
/// let removal = keys.remove_key_id("api_key_123");
/// println!("{} answers were cached here", removal.removed());
/// removal.await; // now the fleet has it
/// # }
/// ```
pub struct Removal {
    removed: usize,
    everywhere: Option<Everywhere>,
}

/// Ends when the fleet has a removal.
pub(crate) type Everywhere = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Removal {
    /// `everywhere` is `None` if nobody else needs to hear of it.
    pub(crate) fn new(removed: usize, everywhere: Option<Everywhere>) -> Self {
        Self { removed, everywhere }
    }

    /// How many answers were cached in this instance.
    #[must_use]
    pub fn removed(&self) -> usize {
        self.removed
    }
}

impl IntoFuture for Removal {
    type Output = ();
    type IntoFuture = Everywhere;

    fn into_future(self) -> Self::IntoFuture {
        self.everywhere.unwrap_or_else(|| Box::pin(std::future::ready(())))
    }
}

impl fmt::Debug for Removal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Removal").field("removed", &self.removed).finish_non_exhaustive()
    }
}
