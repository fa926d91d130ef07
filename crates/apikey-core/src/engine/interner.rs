//! Lets answers share what many of them have in common: the scopes, and the words of Kinde's response.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::verification::{SharedParts, Verification};

/// With fewer entries than this, the set is not searched for unused ones.
const LEAST_SWEPT: usize = 64;

#[derive(Default)]
pub(super) struct Interner(Mutex<Known>);

#[derive(Default)]
struct Known {
    parts: HashSet<Arc<SharedParts>>,
    /// When the set has this many entries, the unused ones are removed.
    sweep_at: usize,
}

impl Interner {
    /// If an earlier verification has equal parts, this one shares them from now on.
    pub(super) fn intern(&self, verification: &mut Verification) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let common = verification.shared_mut();
        if let Some(same) = known.parts.get(common) {
            *common = Arc::clone(same);
            return;
        }
        if known.parts.len() >= known.sweep_at {
            // If only this set holds an entry, no thread can take a reference meanwhile, because that needs the
            // lock.
            known.parts.retain(|common| Arc::strong_count(common) > 1);
            known.sweep_at = LEAST_SWEPT.max(2 * known.parts.len());
        }
        known.parts.insert(Arc::clone(common));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().parts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize, scope: &str) -> Verification {
        Verification::active(format!("api_key_{number}")).with_scopes([scope]).with_code("API_KEY_VERIFIED")
    }

    #[test]
    fn equal_scopes_are_kept_once() {
        let interner = Interner::default();
        let mut keys: Vec<_> = (0..100).map(|number| key(number, "read:users")).collect();
        keys.iter_mut().for_each(|key| interner.intern(key));
        let (first, rest) = keys.split_first_mut().unwrap();
        assert!(rest.iter_mut().all(|key| Arc::ptr_eq(key.shared_mut(), first.shared_mut())));
        assert!(keys.iter().enumerate().all(|(number, interned)| *interned == key(number, "read:users")));
        assert_eq!(interner.len(), 1);
    }

    #[test]
    fn what_nobody_uses_any_more_is_dropped() {
        let interner = Interner::default();
        let mut kept: Vec<_> = (0..10).map(|number| key(number, &format!("kept:{number}"))).collect();
        kept.iter_mut().for_each(|key| interner.intern(key));
        for number in 0..10_000 {
            interner.intern(&mut key(number, &format!("gone:{number}")));
            assert!(interner.len() <= LEAST_SWEPT + 1, "{}", interner.len());
        }
        let again = &mut key(0, "kept:0");
        interner.intern(again);
        assert!(Arc::ptr_eq(again.shared_mut(), kept[0].shared_mut()));
    }

    #[test]
    fn what_is_in_use_is_looked_through_only_as_often_as_it_doubles() {
        let interner = Interner::default();
        let mut sweeps = Vec::new();
        let _kept: Vec<_> = (0..5_000)
            .map(|number| {
                let mut key = key(number, &format!("kept:{number}"));
                interner.intern(&mut key);
                let known = interner.0.lock().unwrap();
                assert!(known.parts.len() <= known.sweep_at, "the next one is looked through for");
                sweeps.push(known.sweep_at);
                key
            })
            .collect();
        sweeps.dedup();
        assert!(sweeps.windows(2).all(|pair| pair[1] >= 2 * pair[0]), "{sweeps:?}");
        assert_eq!(interner.len(), 5_000);
    }
}
