//! What a route asks of its callers, read from the signature of its handler.

use std::borrow::Cow;

use crate::policy::Policy;

/// A type by which a handler takes the caller's key. [`adapter_keys!`](crate::adapter_keys) implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what the route asks of the caller's key",
    label = "the first argument of a guarded handler must be `ApiKey`, `MaybeApiKey`, `Scoped<..>`, or an `Option` of one"
)]
pub trait KeyArgument {
    /// What a key must satisfy.
    const POLICY: &'static Policy;
    /// Whether a request without a key passes.
    const IS_OPTIONAL: bool;
}

impl<K: KeyArgument> KeyArgument for Option<K> {
    const POLICY: &'static Policy = K::POLICY;
    const IS_OPTIONAL: bool = true;
}

/// A handler whose first argument is the caller's key. `Arguments` are the types of its arguments.
#[diagnostic::on_unimplemented(
    message = "this handler does not take the caller's key first",
    label = "a guarded handler is a function whose first argument is `ApiKey`, `MaybeApiKey`, `Scoped<..>`, or an `Option` of one"
)]
pub trait GuardedHandler<Arguments> {
    /// What the handler's signature asks of callers.
    fn requirement(&self) -> RouteRequirement;
}

macro_rules! guarded_handlers {
    ($(($($argument:ident),*))*) => {$(
        impl<F, R, K: KeyArgument, $($argument),*> GuardedHandler<(K, $($argument,)*)> for F
        where
            F: Fn(K, $($argument),*) -> R,
        {
            fn requirement(&self) -> RouteRequirement {
                RouteRequirement { policy: Cow::Borrowed(K::POLICY), is_optional: K::IS_OPTIONAL }
            }
        }
    )*};
}
guarded_handlers! {
    () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, G) (A, B, C, D, E, G, H) (A, B, C, D, E, G, H, I)
    (A, B, C, D, E, G, H, I, J) (A, B, C, D, E, G, H, I, J, L) (A, B, C, D, E, G, H, I, J, L, M)
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
    /// What the signature of this handler asks for. The handler's first argument is the caller's key.
    #[must_use]
    pub fn of<Arguments>(handler: &impl GuardedHandler<Arguments>) -> Self {
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

    async fn scoped(_: Scoped<ReadUsers>, _: &str) {}
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
