//! Faults that hit only calls with certain keys.

use std::collections::HashMap;

use super::{
    Emulator,
    faults::{Fault, FaultPlan},
    lock::locked,
};

/// Faults by the secret that a call presents.
#[derive(Default)]
pub(crate) struct KeyFaults {
    by_secret: HashMap<String, FaultPlan>,
    by_prefix: Vec<(String, FaultPlan)>,
    of_unknown: FaultPlan,
}

impl KeyFaults {
    /// The fault of a call that presents this secret: the secret's own, else that of the longest prefix, else that of
    /// all secrets that no key has.
    pub(crate) fn next(&mut self, secret: &str, is_known: impl FnOnce() -> bool) -> Option<Drawn> {
        let of_prefix = self
            .by_prefix
            .iter_mut()
            .filter(|(prefix, _)| secret.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, plan)| plan);
        let plan = match self.by_secret.get_mut(secret).or(of_prefix) {
            Some(plan) => plan,
            None if self.of_unknown.is_empty() || is_known() => return None,
            None => &mut self.of_unknown,
        };
        Some(Drawn(plan.next()))
    }

    pub(crate) fn set_by_secret(&mut self, secret: &str, fault: Option<Fault>) {
        self.by_secret.remove(secret);
        let plan = fault.map(FaultPlan::standing);
        self.by_secret.extend(plan.map(|plan| (secret.to_owned(), plan)));
    }

    pub(crate) fn set_by_prefix(&mut self, prefix: &str, fault: Option<Fault>) {
        self.by_prefix.retain(|(other, _)| other != prefix);
        let plan = fault.map(FaultPlan::standing);
        self.by_prefix.extend(plan.map(|plan| (prefix.to_owned(), plan)));
    }

    pub(crate) fn set_of_unknown(&mut self, fault: Option<Fault>) {
        self.of_unknown.set_standing(fault);
    }
}

/// What a plan says for a call that concerns it; `None` is the normal answer of a flap.
pub(crate) struct Drawn(pub(crate) Option<Fault>);

/// Faults of single keys. They come before the fault and the script of the endpoint, and use up nothing of the script.
///
/// They hit calls to the verify endpoint. As all faults do, they come before every check of the request.
impl Emulator {
    /// Sets the fault of all calls that present this secret, which may be a key's or made up; `None` ends it.
    ///
    /// A key that is rotated leaves the fault behind with its old secret.
    pub fn set_key_fault(&self, secret: &str, fault: Option<Fault>) {
        locked(&self.state.key_faults).set_by_secret(secret, fault);
    }

    /// Sets the fault of all calls whose secret begins like this; `None` ends it. A secret's own fault comes first,
    /// then that of the longest prefix.
    pub fn set_prefix_fault(&self, prefix: &str, fault: Option<Fault>) {
        locked(&self.state.key_faults).set_by_prefix(prefix, fault);
    }

    /// Sets the fault of all calls whose secret no key has; `None` ends it. Faults of secrets and prefixes come first.
    ///
    /// How unknown keys are answered in the normal case is [`Emulator::set_unknown_key_answer`]'s business.
    pub fn set_unknown_key_fault(&self, fault: Option<Fault>) {
        locked(&self.state.key_faults).set_of_unknown(fault);
    }

    /// Ends all faults of secrets, of prefixes and of unknown keys.
    pub fn clear_key_faults(&self) {
        *locked(&self.state.key_faults) = KeyFaults::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(faults: &mut KeyFaults, secret: &str) -> Option<u16> {
        match faults.next(secret, || secret == "known") {
            Some(Drawn(Some(Fault::Status { status, .. }))) => Some(status),
            _ => None,
        }
    }

    #[test]
    fn the_narrowest_fault_wins() {
        let mut faults = KeyFaults::default();
        faults.set_of_unknown(Some(Fault::status(500)));
        faults.set_by_prefix("ab", Some(Fault::status(501)));
        faults.set_by_prefix("abc", Some(Fault::status(502)));
        faults.set_by_prefix("a", Some(Fault::status(503)));
        faults.set_by_secret("abcd", Some(Fault::status(504)));
        let secrets = ["abcd", "abcde", "abd", "ac", "b", "known"];
        let statuses = secrets.map(|secret| drawn(&mut faults, secret));
        assert_eq!(statuses, [Some(504), Some(502), Some(501), Some(503), Some(500), None]);
        faults.set_by_secret("abcd", None);
        faults.set_by_prefix("abc", None);
        assert_eq!(drawn(&mut faults, "abcd"), Some(501));
    }

    #[test]
    fn a_fault_that_is_set_again_replaces_the_old_one() {
        let mut faults = KeyFaults::default();
        for status in [500, 503] {
            faults.set_by_secret("a", Some(Fault::status(status)));
            faults.set_by_prefix("b", Some(Fault::status(status)));
        }
        assert_eq!((drawn(&mut faults, "a"), drawn(&mut faults, "b")), (Some(503), Some(503)));
    }
}
