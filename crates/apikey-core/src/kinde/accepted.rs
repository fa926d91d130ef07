//! Remembers for which keys Kinde accepted the service's token within the last minute. If another key then draws a 401, the
//! 401 is about that key and not about the token.

use std::time::Duration;

use super::age::Age;
use crate::key::Fingerprint;

/// How long an acceptance counts.
const RECENT: Duration = Duration::from_secs(60);

/// The last two keys that Kinde judged with the latest accepted token. Two are enough: whichever key asks, at least one of
/// them is another key.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    token: u64,
    keys: [Option<(Fingerprint, Age)>; 2],
}

impl Accepted {
    /// Records that Kinde judged a key with the token of this number. Later tokens have higher numbers.
    pub(super) fn note(&mut self, token: u64, key: Fingerprint, now: Age) {
        if token < self.token {
            return;
        }
        if token > self.token {
            *self = Self { token, ..Self::default() };
        }
        let [latest, other] = self.keys;
        let earlier = if latest.is_some_and(|(known, _)| known == key) { other } else { latest };
        self.keys = [Some((key, now)), earlier];
    }

    /// Whether Kinde accepted this token for another key within the last minute, and the machine has not slept since.
    pub(super) fn recently_for_another(&self, token: u64, key: &Fingerprint, now: Age) -> bool {
        let is_recent = |at: Age| now.since(at) <= RECENT && !now.has_slept_since(at);
        token == self.token && self.keys.iter().flatten().any(|(known, at)| known != key && is_recent(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};
    use crate::key::Fingerprinter;
    use crate::kinde::age::AgeClock;
    use std::sync::Arc;

    #[test]
    fn a_token_is_known_to_be_good_for_a_minute_by_another_key() {
        let clock = Arc::new(ManualClock::new());
        let age = AgeClock::default();
        age.use_clock(Arc::clone(&clock) as _);
        let prints = Fingerprinter::random().unwrap();
        let [one, two, three] = [b"1", b"2", b"3"].map(|key| prints.fingerprint(key));
        let mut accepted = Accepted::default();
        assert!(!accepted.recently_for_another(0, &one, age.now()));
        accepted.note(1, one, age.now());
        accepted.note(1, one, age.now());
        assert!(!accepted.recently_for_another(1, &one, age.now()), "only its own acceptance");
        assert!(accepted.recently_for_another(1, &two, age.now()));
        accepted.note(1, two, age.now());
        for key in [one, two, three] {
            assert!(accepted.recently_for_another(1, &key, age.now()));
        }
        assert!(!accepted.recently_for_another(2, &three, age.now()), "another token");
        let before = clock.now();
        clock.advance(RECENT);
        assert!(accepted.recently_for_another(1, &three, age.now()));
        clock.advance(Duration::from_millis(1));
        assert!(!accepted.recently_for_another(1, &three, age.now()), "{:?}", clock.now() - before);
    }

    #[test]
    fn a_later_token_takes_over_and_an_earlier_one_does_not() {
        let age = AgeClock::default();
        age.use_clock(Arc::new(ManualClock::new()));
        let prints = Fingerprinter::random().unwrap();
        let [one, two] = [b"1", b"2"].map(|key| prints.fingerprint(key));
        let mut accepted = Accepted::default();
        accepted.note(2, one, age.now());
        accepted.note(1, two, age.now());
        assert!(accepted.recently_for_another(2, &two, age.now()));
        assert!(!accepted.recently_for_another(1, &one, age.now()));
    }
}
