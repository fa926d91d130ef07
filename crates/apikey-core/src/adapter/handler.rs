//! What a route asks of its callers, read from the signature of its handler.

use std::borrow::Cow;

use crate::policy::Policy;

/// A type by which a handler takes the caller's key. [`adapter_keys!`](crate::adapter_keys) implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what the route asks of the caller's key",
    label = "expected `ApiKey`, `MaybeApiKey` or `Scoped<..>`; on axum also an `Option` of the first or the last"
)]
pub trait KeyArgument {
    /// What a key must satisfy.
    const POLICY: &'static Policy;
    /// Whether a request without a key passes.
    const IS_OPTIONAL: bool;
}

/// A key argument whose `Option` is `None` only if the request presents no key. An adapter implements it if its framework works
/// so: on actix-web and Rocket, `Option` also turns a refusal into `None`, so it is no guard there.
pub trait OptionalKeyArgument: KeyArgument {}

impl<K: OptionalKeyArgument> KeyArgument for Option<K> {
    const POLICY: &'static Policy = K::POLICY;
    const IS_OPTIONAL: bool = true;
}

/// Arguments of which exactly one is the caller's key. `Place` says which one; the compiler finds it.
#[diagnostic::on_unimplemented(
    message = "none of the arguments {Self} takes the caller's key",
    label = "one argument of a guarded handler must be `ApiKey`, `MaybeApiKey` or `Scoped<..>`"
)]
pub trait KeyAmong<Place> {
    /// What a key must satisfy.
    const POLICY: &'static Policy;
    /// Whether a request without a key passes.
    const IS_OPTIONAL: bool;
}

/// The place of an argument: as many others stand in front of it as the number says.
#[derive(Debug, Clone, Copy)]
pub struct KeyPlace<const NUMBER: usize>;

/// A handler of which one argument is the caller's key. `Arguments` are the types of its arguments, `Place` is that of the key.
#[diagnostic::on_unimplemented(
    message = "the signature of this handler does not say what the route asks of the caller's key",
    label = "a guarded handler is a function with one argument `ApiKey`, `MaybeApiKey` or `Scoped<..>`"
)]
pub trait GuardedHandler<Arguments, Place> {
    /// What the handler's signature asks of callers.
    fn requirement(&self) -> RouteRequirement;
}

macro_rules! key_among {
    ($(($($before:ident)*) ($($after:ident)*) $place:literal;)*) => {$(
        impl<K: KeyArgument, $($before,)* $($after),*> KeyAmong<KeyPlace<$place>> for ($($before,)* K, $($after,)*) {
            const POLICY: &'static Policy = K::POLICY;
            const IS_OPTIONAL: bool = K::IS_OPTIONAL;
        }
    )*};
}

macro_rules! guarded_handlers {
    ($(($($argument:ident)*))*) => {$(
        impl<F, R, P, $($argument),*> GuardedHandler<($($argument,)*), P> for F
        where
            F: Fn($($argument),*) -> R,
            ($($argument,)*): KeyAmong<P>,
        {
            fn requirement(&self) -> RouteRequirement {
                let (policy, is_optional) = (<($($argument,)*)>::POLICY, <($($argument,)*)>::IS_OPTIONAL);
                RouteRequirement { policy: Cow::Borrowed(policy), is_optional }
            }
        }
    )*};
}
guarded_handlers! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E G) (A B C D E G H) (A B C D E G H I) }
key_among! {
    () () 0;
    () (A) 0;
    (A) () 1;
    () (A B) 0;
    (A) (B) 1;
    (A B) () 2;
    () (A B C) 0;
    (A) (B C) 1;
    (A B) (C) 2;
    (A B C) () 3;
    () (A B C D) 0;
    (A) (B C D) 1;
    (A B) (C D) 2;
    (A B C) (D) 3;
    (A B C D) () 4;
    () (A B C D E) 0;
    (A) (B C D E) 1;
    (A B) (C D E) 2;
    (A B C) (D E) 3;
    (A B C D) (E) 4;
    (A B C D E) () 5;
    () (A B C D E G) 0;
    (A) (B C D E G) 1;
    (A B) (C D E G) 2;
    (A B C) (D E G) 3;
    (A B C D) (E G) 4;
    (A B C D E) (G) 5;
    (A B C D E G) () 6;
    () (A B C D E G H) 0;
    (A) (B C D E G H) 1;
    (A B) (C D E G H) 2;
    (A B C) (D E G H) 3;
    (A B C D) (E G H) 4;
    (A B C D E) (G H) 5;
    (A B C D E G) (H) 6;
    (A B C D E G H) () 7;
}

/// What a route asks of its callers.
///
/// ```
/// use apikey_core::{Policy, RouteRequirement};
///
/// let requirement = RouteRequirement::from(Policy::scope("read:users"));
/// assert_eq!(requirement.policy().to_string(), "read:users");
/// assert!(!requirement.is_optional());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRequirement {
    policy: Cow<'static, Policy>,
    is_optional: bool,
}

impl RouteRequirement {
    /// What the signature of this handler asks for. One of its at most eight arguments is the caller's key.
    #[must_use]
    pub fn of<Arguments, Place>(handler: &impl GuardedHandler<Arguments, Place>) -> Self {
        handler.requirement()
    }

    /// What a presented key must satisfy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether a request without a key passes.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// This, and what a layer in front of it asks for. The layer requires a key.
    #[must_use]
    pub fn behind(self, layer: &Policy) -> Self {
        let policy = match &*self.policy {
            any if *any == Policy::any_key() => layer.clone(),
            policy => layer.clone().and(policy.clone()),
        };
        Self { policy: Cow::Owned(policy), is_optional: false }
    }
}

/// A key is required, and must satisfy the policy.
impl From<Policy> for RouteRequirement {
    fn from(policy: Policy) -> Self {
        Self { policy: Cow::Owned(policy), is_optional: false }
    }
}

#[cfg(test)]
#[allow(unreachable_pub, dead_code)]
mod tests {
    use super::*;

    crate::scopes! { ReadUsers = "read:users"; }
    crate::adapter_keys! {
        /// The key.
        ApiKey;
        /// The key, if there is one.
        MaybeApiKey;
        /// The key with scopes.
        Scoped;
    }

    impl<P: crate::TypedPolicy> OptionalKeyArgument for Scoped<P> {}

    async fn scoped(_: &str, _: Scoped<ReadUsers>, _: &mut u8, _: Vec<u8>) {}
    fn any(_: ApiKey) {}
    fn maybe(_: MaybeApiKey, _: u8, _: &mut u8) {}
    fn optional(_: Option<Scoped<ReadUsers>>) {}

    #[test]
    fn the_signature_says_what_the_route_asks_for() {
        let of =
            |requirement: RouteRequirement| (requirement.policy().to_string(), requirement.is_optional());
        assert_eq!(of(RouteRequirement::of(&scoped)), ("read:users".to_owned(), false));
        assert_eq!(of(RouteRequirement::of(&any)), ("any key".to_owned(), false));
        assert_eq!(of(RouteRequirement::of(&maybe)), ("any key".to_owned(), true));
        assert_eq!(of(RouteRequirement::of(&optional)), ("read:users".to_owned(), true));
    }

    #[test]
    fn a_layer_in_front_adds_to_the_signature_and_requires_a_key() {
        let admin = Policy::scope("admin");
        let behind = |requirement: RouteRequirement| requirement.behind(&admin);
        assert_eq!(behind(RouteRequirement::of(&maybe)), RouteRequirement::from(admin.clone()));
        let both = behind(RouteRequirement::of(&scoped));
        assert_eq!(
            (both.policy().to_string(), both.is_optional()),
            ("admin and read:users".to_owned(), false)
        );
    }
}
