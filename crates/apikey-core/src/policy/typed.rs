//! Policies as types, for the signatures of handlers.

use std::borrow::Cow;

use super::{Policy, Requirement, is_scope_token};

/// A policy as a type, for the signatures of handlers: a scope that [`scopes!`](crate::scopes) made, a tuple of them
/// (all must hold), or [`AnyOf`] such a tuple.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no scope",
    label = "expected a type made by `scopes! {{ .. }}`, a tuple of up to eight of them, or `AnyOf<(..)>`"
)]
pub trait TypedPolicy: Send + Sync + 'static {
    /// The policy that the type stands for.
    const POLICY: &'static Policy;
}

/// At least one of a tuple of scopes: `Scoped<AnyOf<(Admin, ReadUsers)>>`.
#[derive(Debug, Clone, Copy)]
pub struct AnyOf<T>(std::marker::PhantomData<fn() -> T>);

/// As a type: the key belongs to an organization. `Scoped<(OrganizationKey, ReadTickets)>`.
#[derive(Debug, Clone, Copy)]
pub struct OrganizationKey;

impl TypedPolicy for OrganizationKey {
    const POLICY: &'static Policy = &Policy::organization_key();
}

/// As a type: the key belongs to a user.
#[derive(Debug, Clone, Copy)]
pub struct UserKey;

impl TypedPolicy for UserKey {
    const POLICY: &'static Policy = &Policy::user_key();
}

/// As a type: the answer about the key is not stale ([`Policy::fresh`]). `Scoped<(Fresh, Admin)>`.
#[derive(Debug, Clone, Copy)]
pub struct Fresh;

impl TypedPolicy for Fresh {
    const POLICY: &'static Policy = &Policy::fresh();
}

/// As a type: the key carries the scope that Kinde makes for the matched operation ([`Policy::kinde_operation`]).
/// `Scoped<KindeOperation>`.
#[derive(Debug, Clone, Copy)]
pub struct KindeOperation;

impl TypedPolicy for KindeOperation {
    const POLICY: &'static Policy = &Policy::kinde_operation();
}

#[doc(hidden)]
pub trait TypedPolicies: Send + Sync + 'static {
    const POLICIES: &'static [Policy];
}

impl<T: TypedPolicies> TypedPolicy for AnyOf<T> {
    const POLICY: &'static Policy = &Policy(Requirement::Any(Cow::Borrowed(T::POLICIES)));
}

macro_rules! tuples {
    ($(($($name:ident),+))+) => {$(
        impl<$($name: TypedPolicy),+> TypedPolicies for ($($name,)+) {
            const POLICIES: &'static [Policy] = &[$(Policy::copy_of($name::POLICY)),+];
        }
        impl<$($name: TypedPolicy),+> TypedPolicy for ($($name,)+) {
            const POLICY: &'static Policy =
                &Policy(Requirement::All(Cow::Borrowed(<Self as TypedPolicies>::POLICIES)));
        }
    )+};
}
tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, G) (A, B, C, D, E, F, G, H) }

impl Policy {
    /// Clones a policy at compile time. The policies of types own nothing on the heap.
    const fn copy_of(policy: &'static Policy) -> Policy {
        Policy(match &policy.0 {
            Requirement::Scope(Cow::Borrowed(scope)) => Requirement::Scope(Cow::Borrowed(scope)),
            Requirement::All(Cow::Borrowed(policies)) => Requirement::All(Cow::Borrowed(policies)),
            Requirement::Any(Cow::Borrowed(policies)) => Requirement::Any(Cow::Borrowed(policies)),
            Requirement::OrganizationKey => Requirement::OrganizationKey,
            Requirement::UserKey => Requirement::UserKey,
            Requirement::Fresh => Requirement::Fresh,
            Requirement::KindeOperation => Requirement::KindeOperation,
            // No typed policy is built from these, and this is never satisfied.
            _ => Requirement::Any(Cow::Borrowed(&[])),
        })
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn literal_scope(scope: &'static str) -> Self {
        assert!(is_scope_token(scope), "a scope is one or more visible ASCII characters, without \" and \\");
        Self(Requirement::Scope(Cow::Borrowed(scope)))
    }
}

/// Declares a type for each scope, for the signatures of handlers.
///
/// ```
/// use apikey_core::{TypedPolicy, scopes};
///
/// scopes! {
///     /// May read users.
///     pub ReadUsers = "read:users";
///     pub WriteUsers = "write:users";
/// }
/// assert_eq!(<(ReadUsers, WriteUsers)>::POLICY.scopes(), ["read:users", "write:users"]);
/// ```
///
/// The lines may end in `,` as well. A scope that could not stand in a challenge (RFC 6749, section 3.3) does not compile:
///
/// ```compile_fail
/// apikey_core::scopes! { pub Wrong = "read users"; }
/// ```
#[macro_export]
macro_rules! scopes {
    (@declare $($(#[$attribute:meta])* $visibility:vis $name:ident = $scope:literal;)*) => {$(
        $(#[$attribute])*
        #[doc = concat!("The scope `", $scope, "`.")]
        #[derive(Debug, Clone, Copy)]
        $visibility struct $name;

        impl $crate::TypedPolicy for $name {
            const POLICY: &'static $crate::Policy = &const { $crate::Policy::literal_scope($scope) };
        }
    )*};
    ($($(#[$attribute:meta])* $visibility:vis $name:ident = $scope:literal);* $(;)?) => {
        $crate::scopes! { @declare $($(#[$attribute])* $visibility $name = $scope;)* }
    };
    ($($(#[$attribute:meta])* $visibility:vis $name:ident = $scope:literal),* $(,)?) => {
        $crate::scopes! { @declare $($(#[$attribute])* $visibility $name = $scope;)* }
    };
    ($($other:tt)*) => {
        ::core::compile_error! { "write each scope as a name and a literal: `pub ReadUsers = \"read:users\";`" }
    };
}
