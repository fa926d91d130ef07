//! What a route asks of a key, scopes and owner, as values that one function evaluates.

mod alternatives;
mod display;
mod operation;
mod typed;

use std::borrow::Cow;
use std::fmt;

pub use operation::{
    LONGEST_OPERATION_SCOPE, UNNAMED_OPERATION, UnnamedOperation, operation_scope, path_template,
};
pub use typed::{AnyOf, Fresh, KindeOperation, OrganizationKey, TypedPolicies, TypedPolicy, UserKey};

use crate::verification::Verification;

/// What a route asks of a verified key.
///
/// Policies nest. They are checked on every request, also if the answer about the key comes from the cache.
///
/// ```
/// use apikey_core::{Policy, Verification};
///
/// let policy = Policy::all([
///     Policy::organization_key(),
///     Policy::any(["admin", "read:users"]),
/// ]);
/// let key = Verification::active("api_key_1").with_scopes(["read:users"]).with_organization("org_acme");
/// assert!(policy.is_satisfied_by(&key));
/// assert!(!policy.is_satisfied_by(&Verification::active("api_key_2").with_scopes(["admin"])));
/// ```
///
/// Its `to_string` puts it into words: `organization key and (admin or read:users)`.
///
/// A list from a configuration may be empty: [`all`](Self::all) of nothing lets every valid, active key in, and
/// [`any`](Self::any) of nothing refuses every key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Requirement);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Scope(Cow<'static, str>),
    OrganizationKey,
    UserKey,
    Organization(String),
    Fresh,
    /// The scope of the matched operation. It holds for no key until [`Policy::for_operation`] names it.
    KindeOperation,
    All(Cow<'static, [Policy]>),
    Any(Cow<'static, [Policy]>),
}

impl Policy {
    /// Any valid, active key satisfies it.
    #[must_use]
    pub const fn any_key() -> Self {
        Self(Requirement::All(Cow::Borrowed(&[])))
    }

    /// The key carries this scope. The comparison is exact and case-sensitive.
    #[must_use]
    pub fn scope(scope: impl Into<String>) -> Self {
        Self(Requirement::Scope(Cow::Owned(scope.into())))
    }

    /// Every one of these is satisfied. Texts are scopes. An empty list is [`any_key`](Self::any_key).
    #[must_use]
    pub fn all<P: Into<Policy>>(policies: impl IntoIterator<Item = P>) -> Self {
        Self(Requirement::All(policies.into_iter().map(Into::into).collect()))
    }

    /// At least one of these is satisfied. Texts are scopes. An empty list refuses every key.
    #[must_use]
    pub fn any<P: Into<Policy>>(policies: impl IntoIterator<Item = P>) -> Self {
        Self(Requirement::Any(policies.into_iter().map(Into::into).collect()))
    }

    /// The key belongs to any organization.
    #[must_use]
    pub const fn organization_key() -> Self {
        Self(Requirement::OrganizationKey)
    }

    /// The key belongs to any user.
    #[must_use]
    pub const fn user_key() -> Self {
        Self(Requirement::UserKey)
    }

    /// The key belongs to the organization with this code. An empty code matches no key.
    #[must_use]
    pub fn organization(code: impl Into<String>) -> Self {
        Self(Requirement::Organization(code.into()))
    }

    /// The answer about the key is fresh, and not stale (RFC 9111, section 4.2): it has not outlived its time to live. To
    /// bound its age further, use [`RouteOptions::max_age`](crate::RouteOptions::max_age).
    ///
    /// For routes that must not rely on a stale answer. Such a request waits for a slow Kinde, and gets a 503 if Kinde
    /// can't answer or must not be asked now. A [`Gate`](crate::Gate) waits so.
    /// [`Authenticator::authorize`](crate::Authenticator::authorize) refuses a stale answer at once.
    #[must_use]
    pub const fn fresh() -> Self {
        Self(Requirement::Fresh)
    }

    /// Both this and the other policy are satisfied.
    #[must_use]
    pub fn and(self, other: impl Into<Policy>) -> Self {
        Self::all([self, other.into()])
    }

    /// Whether the key satisfies the policy, if the answer about it is fresh. No key satisfies a
    /// [`kinde_operation`](Self::kinde_operation) that is not named.
    #[must_use]
    pub fn is_satisfied_by(&self, key: &Verification) -> bool {
        self.holds(key, &|scope| key.has_scope(scope), true)
    }

    /// Whether the policy, or a part of it, is [`fresh`](Self::fresh).
    #[must_use]
    pub fn refuses_stale(&self) -> bool {
        match &self.0 {
            Requirement::Fresh => true,
            Requirement::All(policies) | Requirement::Any(policies) => {
                policies.iter().any(Self::refuses_stale)
            }
            Requirement::Scope(_)
            | Requirement::OrganizationKey
            | Requirement::UserKey
            | Requirement::KindeOperation
            | Requirement::Organization(_) => false,
        }
    }

    /// Whether only keys of organizations satisfy the policy, whatever their scopes are.
    #[must_use]
    pub fn needs_organization(&self) -> bool {
        !self.is_open_to(false, true) && self.is_open_to(true, true)
    }

    /// Whether only keys of users satisfy the policy, whatever their scopes are.
    #[must_use]
    pub fn needs_user(&self) -> bool {
        !self.is_open_to(true, false) && self.is_open_to(true, true)
    }

    /// Whether the policy, or a part of it, is bound to one organization ([`organization`](Self::organization)).
    #[must_use]
    pub fn is_bound(&self) -> bool {
        match &self.0 {
            Requirement::Organization(_) => true,
            Requirement::All(policies) | Requirement::Any(policies) => policies.iter().any(Self::is_bound),
            _ => false,
        }
    }

    /// Whether a key with every scope and these owners may satisfy the policy.
    fn is_open_to(&self, organization: bool, user: bool) -> bool {
        match &self.0 {
            Requirement::Scope(_) | Requirement::Fresh | Requirement::KindeOperation => true,
            Requirement::OrganizationKey | Requirement::Organization(_) => organization,
            Requirement::UserKey => user,
            Requirement::All(policies) => policies.iter().all(|policy| policy.is_open_to(organization, user)),
            Requirement::Any(policies) => policies.iter().any(|policy| policy.is_open_to(organization, user)),
        }
    }

    /// Every scope that the policy names, in its order, each once. [`UNNAMED_OPERATION`] stands for that of a
    /// [`kinde_operation`](Self::kinde_operation) that is not named.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        let mut scopes = Vec::new();
        self.collect_scopes(&mut scopes);
        scopes
    }

    /// Whether a request with this key may pass.
    #[inline]
    pub(crate) fn allows(&self, key: &Verification, is_fresh: bool) -> bool {
        self.holds(key, &|scope| key.has_scope(scope), is_fresh)
    }

    /// Checks the key. If it fails, the owner is reported before scopes, and a stale answer last.
    ///
    /// # Errors
    /// [`Shortfall`], saying what is missing.
    pub(crate) fn check(&self, key: &Verification, is_fresh: bool) -> Result<(), Shortfall> {
        if self.allows(key, is_fresh) {
            return Ok(());
        }
        if self.asks_for_operation() {
            return Err(Shortfall::UnknownOperation);
        }
        if self.is_satisfied_by(key) {
            return Err(Shortfall::Stale);
        }
        // If even all scopes would not be enough, the owner is wrong.
        if let Some(owner) = self.missing_owner(key) {
            return Err(Shortfall::Owner(owner));
        }
        Err(Shortfall::Scopes {
            missing: self.missing_scopes(key).map(|missing| missing.to_string()).unwrap_or_default(),
            required: self.scopes().into_iter().map(str::to_owned).collect(),
        })
    }

    fn holds(&self, key: &Verification, has_scope: &impl Fn(&str) -> bool, is_fresh: bool) -> bool {
        match &self.0 {
            Requirement::Scope(scope) => has_scope(scope),
            Requirement::OrganizationKey => key.organization_code().is_some(),
            Requirement::UserKey => key.user_id().is_some(),
            Requirement::Fresh => is_fresh,
            Requirement::KindeOperation => false,
            Requirement::Organization(code) => key.organization_code() == Some(code),
            Requirement::All(policies) => {
                policies.iter().all(|policy| policy.holds(key, has_scope, is_fresh))
            }
            Requirement::Any(policies) => {
                policies.iter().any(|policy| policy.holds(key, has_scope, is_fresh))
            }
        }
    }

    fn collect_scopes<'a>(&'a self, scopes: &mut Vec<&'a str>) {
        match &self.0 {
            Requirement::Scope(scope) if !scopes.contains(&&**scope) => scopes.push(scope),
            Requirement::KindeOperation if !scopes.contains(&UNNAMED_OPERATION) => {
                scopes.push(UNNAMED_OPERATION)
            }
            Requirement::All(policies) | Requirement::Any(policies) => {
                policies.iter().for_each(|policy| policy.collect_scopes(scopes));
            }
            _ => {}
        }
    }

    /// The first owner that the key would lack even if it had every scope.
    fn missing_owner(&self, key: &Verification) -> Option<MissingOwner> {
        if self.holds(key, &|_| true, true) {
            return None;
        }
        match &self.0 {
            Requirement::Scope(_) | Requirement::Fresh | Requirement::KindeOperation => None,
            Requirement::OrganizationKey => Some(MissingOwner::AnyOrganization),
            Requirement::UserKey => Some(MissingOwner::AnyUser),
            Requirement::Organization(_) if key.organization_code().is_none() => {
                Some(MissingOwner::AnyOrganization)
            }
            Requirement::Organization(_) => Some(MissingOwner::ThatOrganization),
            Requirement::All(policies) | Requirement::Any(policies) => {
                policies.iter().find_map(|policy| policy.missing_owner(key))
            }
        }
    }

    /// The scopes that the key lacks. `None` if it satisfies this part already.
    fn missing_scopes(&self, key: &Verification) -> Option<MissingScopes<'_>> {
        if self.is_satisfied_by(key) {
            return None;
        }
        match &self.0 {
            Requirement::Scope(scope) => Some(MissingScopes::Scope(scope)),
            Requirement::All(policies) => Some(MissingScopes::All(
                policies.iter().filter_map(|policy| policy.missing_scopes(key)).collect(),
            )),
            // An alternative that no scope can satisfy would not help the caller, so it is not named.
            Requirement::Any(policies) => Some(MissingScopes::OneOf(
                policies
                    .iter()
                    .filter(|policy| policy.holds(key, &|_| true, true))
                    .filter_map(|policy| policy.missing_scopes(key))
                    .collect(),
            )),
            Requirement::OrganizationKey
            | Requirement::UserKey
            | Requirement::Organization(_)
            | Requirement::KindeOperation
            | Requirement::Fresh => None,
        }
    }
}

impl From<&str> for Policy {
    fn from(scope: &str) -> Self {
        Self::scope(scope)
    }
}

impl From<&String> for Policy {
    fn from(scope: &String) -> Self {
        Self::scope(scope)
    }
}

impl From<String> for Policy {
    fn from(scope: String) -> Self {
        Self::scope(scope)
    }
}

/// What a key lacks for a policy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shortfall {
    Owner(MissingOwner),
    Scopes {
        missing: String,
        required: Vec<String>,
    },
    /// Only the answer is not fresh.
    Stale,
    /// The policy asks for the scope of an operation, and nothing has named the operation.
    UnknownOperation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingOwner {
    AnyOrganization,
    AnyUser,
    ThatOrganization,
}

/// What a caller reads if the policy asks for one scope out of none.
const NO_SCOPE: &str = "a scope that no key can have";

/// It reads as `a, b` or as `one of a, b`. A list inside of another one is in parentheses.
enum MissingScopes<'a> {
    Scope(&'a str),
    All(Vec<MissingScopes<'a>>),
    OneOf(Vec<MissingScopes<'a>>),
}

impl MissingScopes<'_> {
    fn is_compound(&self) -> bool {
        match self {
            Self::Scope(_) => false,
            Self::All(parts) => match parts.as_slice() {
                [part] => part.is_compound(),
                _ => true,
            },
            Self::OneOf(parts) => match parts.as_slice() {
                [] => false,
                [part] => part.is_compound(),
                _ => true,
            },
        }
    }
}

impl fmt::Display for MissingScopes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, introduction) = match self {
            Self::Scope(scope) => return formatter.write_str(scope),
            Self::OneOf(parts) if parts.is_empty() => return formatter.write_str(NO_SCOPE),
            Self::All(parts) => (parts, ""),
            Self::OneOf(parts) => (parts, "one of "),
        };
        if let [part] = parts.as_slice() {
            return part.fmt(formatter);
        }
        formatter.write_str(introduction)?;
        for (index, part) in parts.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            if part.is_compound() {
                write!(formatter, "{separator}({part})")?;
            } else {
                write!(formatter, "{separator}{part}")?;
            }
        }
        Ok(())
    }
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )` (RFC 6749, section 3.3): what can stand in a challenge.
pub(crate) const fn is_scope_token(scope: &str) -> bool {
    let mut rest = scope.as_bytes();
    while let [byte, tail @ ..] = rest {
        if !matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e) {
            return false;
        }
        rest = tail;
    }
    !scope.is_empty()
}

#[cfg(test)]
mod tests;
