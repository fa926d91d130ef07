//! Random numbers of the link.

use std::hash::Hasher as _;
use std::time::Duration;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

/// A keyed hash of a counter. Two links with different seeds never draw the same.
pub(super) struct Random {
    keyed: SipHasher24,
    drawn: u64,
}

impl Random {
    pub(super) fn new(seed: &[u8; 16]) -> Self {
        Self { keyed: SipHasher24::new_with_key(seed), drawn: 0 }
    }

    pub(super) fn draw(&mut self) -> [u8; 16] {
        self.drawn += 1;
        let mut hasher = self.keyed;
        hasher.write_u64(self.drawn);
        hasher.finish128().as_bytes()
    }

    /// A random part of this span.
    pub(super) fn part_of(&mut self, span: Duration) -> Duration {
        let [first, second, ..] = self.draw();
        span * u32::from(u16::from_le_bytes([first, second])) / (1 << 16)
    }
}
