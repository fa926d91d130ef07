//! Faults of calls with certain keys.

use std::collections::HashMap;

use super::{
    Emulator,
    faults::{Fault, FaultPlan},
    lock::locked,
};

/// Faults by the secret in the call.
#[derive(Default)]
pub(crate) struct KeyFaults {
    by_secret: HashMap<String, FaultPlan>,
    by_prefix: Vec<(String, FaultPlan)>,
    of_unknown: FaultPlan,
}

impl KeyFaults {
    /// The fault of a call with this secret: the secret's own, else the one of the longest prefix, else the one of
    /// all secrets that belong to no key.
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

/// What a plan decides for a matching call. `None` is the normal answer of a flap.
pub(crate) struct Drawn(pub(crate) Option<Fault>);

/// Faults of single keys. They take precedence over the fault and the script of the endpoint, and use up no step of
/// the script.
///
/// They hit calls to the verify endpoint. Like all faults, they apply before the emulator checks the request.
impl Emulator {
    /// Sets the fault of all calls with this secret, which need not belong to a key; `None` ends it.
    ///
    /// The fault stays with the old secret when a key is rotated.
    pub fn set_key_fault(&self, secret: &str, fault: Option<Fault>) {
        locked(&self.state.key_faults).set_by_secret(secret, fault);
    }

    /// Sets the fault of all calls whose secret starts with this prefix; `None` ends it. A secret's own fault takes
    /// precedence, then the one of the longest prefix.
    pub fn set_prefix_fault(&self, prefix: &str, fault: Option<Fault>) {
        locked(&self.state.key_faults).set_by_prefix(prefix, fault);
    }

    /// Sets the fault of all calls whose secret belongs to no key; `None` ends it. Faults of secrets and prefixes
    /// take precedence.
    ///
    /// [`Emulator::set_unknown_key_answer`] sets the normal answer for unknown keys.
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
