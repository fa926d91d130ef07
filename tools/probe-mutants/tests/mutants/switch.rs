//! The key argument of a handler, as a switch. Each framework makes it an extractor or a guard of its own.

use std::marker::PhantomData;
use std::ops::Deref;

use apikey_core::{KeyArgument, Policy, Verification, VerifiedKey};
use probe_mutants::{Guard, Switches};

/// The key argument `T`, which is the guard with this number.
pub(crate) struct Switch<const NUMBER: usize, T>(Option<VerifiedKey>, PhantomData<fn() -> T>);

impl<const NUMBER: usize, T: KeyArgument> Switch<NUMBER, T> {
    /// What the guard asks for now.
    pub(crate) fn guard(switches: &Switches) -> Option<Guard> {
        switches.guard(NUMBER, &Guard::of::<T>())
    }
}

impl<const NUMBER: usize, T> Switch<NUMBER, T> {
    pub(crate) fn of(key: Option<VerifiedKey>) -> Self {
        Self(key, PhantomData)
    }

    /// What a guard that was dropped gives to the handler.
    pub(crate) fn of_nobody() -> Self {
        Self::of(Some(nobody()))
    }

    /// As `MaybeApiKey` has it.
    pub(crate) fn key(&self) -> Option<&VerifiedKey> {
        self.0.as_ref()
    }
}

/// For handlers that always get a key.
impl<const NUMBER: usize, T> Deref for Switch<NUMBER, T> {
    type Target = VerifiedKey;

    fn deref(&self) -> &VerifiedKey {
        self.key().expect("the handler takes `ApiKey` or `Scoped`")
    }
}

impl<const NUMBER: usize, T: KeyArgument> KeyArgument for Switch<NUMBER, T> {
    const POLICY: &'static Policy = T::POLICY;
    const IS_OPTIONAL: bool = T::IS_OPTIONAL;
}

/// The key of a request that no guard has looked at.
pub(crate) fn nobody() -> VerifiedKey {
    VerifiedKey::assume_verified(Verification::active("nobody"))
}
