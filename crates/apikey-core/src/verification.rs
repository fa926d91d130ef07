//! What a verifier learned about a key.

use std::borrow::Cow;
use std::time::SystemTime;

/// The answer of a [`Verifier`](crate::Verifier) that could judge the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The key is valid and active.
    Accepted(Verification),
    /// The key was judged, and is not to be let in.
    Refused(Refusal),
}

/// Why a judged key is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Kinde says that the key is not valid.
    Invalid,
    /// The key's status is `revoked`.
    Revoked,
    /// The key's status is `inactive`, or missing or unknown on a key that is said to be valid.
    Inactive,
}

/// The identity behind a valid, active key: everything that Kinde's verify endpoint tells about it.
///
/// ```
/// use apikey_core::Verification;
///
/// let verification = Verification::active("api_key_123")
///     .with_scopes(["read:users", "write:users"])
///     .with_organization("org_acme");
/// assert!(verification.has_scope("read:users"));
/// assert_eq!(verification.organization_code(), Some("org_acme"));
/// assert_eq!(verification.user_id(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    key_id: Box<str>,
    scopes: Box<[Box<str>]>,
    organization_code: Option<Box<str>>,
    user_id: Option<Box<str>>,
    last_verified_on: Option<Box<str>>,
    verification_count: Option<u64>,
    code: Option<Cow<'static, str>>,
    message: Option<Cow<'static, str>>,
}

impl Verification {
    /// An active key without scopes or owner, to which the other `with_` methods add.
    #[must_use]
    pub fn active(key_id: impl Into<Box<str>>) -> Self {
        Self {
            key_id: key_id.into(),
            scopes: Box::default(),
            organization_code: None,
            user_id: None,
            last_verified_on: None,
            verification_count: None,
            code: None,
            message: None,
        }
    }

    /// Sets the scopes that the key carries.
    #[must_use]
    pub fn with_scopes<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Makes it the key of an organization. An empty code is an absent owner.
    #[must_use]
    pub fn with_organization(mut self, code: impl Into<Box<str>>) -> Self {
        self.organization_code = Some(code.into()).filter(|code| !code.is_empty());
        self
    }

    /// Makes it the key of a user. An empty id is an absent owner.
    #[must_use]
    pub fn with_user(mut self, id: impl Into<Box<str>>) -> Self {
        self.user_id = Some(id.into()).filter(|id| !id.is_empty());
        self
    }

    /// Sets when the key was verified before, as Kinde wrote it.
    #[must_use]
    pub fn with_last_verified_on(mut self, raw: impl Into<Box<str>>) -> Self {
        self.last_verified_on = Some(raw.into());
        self
    }

    /// Sets how often Kinde has verified the key.
    #[must_use]
    pub fn with_verification_count(mut self, count: u64) -> Self {
        self.verification_count = Some(count);
        self
    }

    /// Sets the code of Kinde's answer.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets the message of Kinde's answer.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// The key's id, which is no secret and survives a rotation.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The key's status: always `active`, for no other key is let in.
    #[must_use]
    pub fn status(&self) -> &'static str {
        "active"
    }

    /// The scopes, in Kinde's order.
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.scopes.iter().map(|scope| &**scope)
    }

    /// Whether the key carries this scope; exact, case-sensitive.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|held| held == scope)
    }

    /// The organization that owns the key, if one does. Never empty.
    #[must_use]
    pub fn organization_code(&self) -> Option<&str> {
        self.organization_code.as_deref()
    }

    /// The user who owns the key, if one does. Never empty.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// When Kinde verified the key before this time, as Kinde wrote it. Informational.
    #[must_use]
    pub fn last_verified_on(&self) -> Option<&str> {
        self.last_verified_on.as_deref()
    }

    /// [`last_verified_on`](Self::last_verified_on) as a time, where it can be read as one: ISO 8601 with an offset
    /// such as `+11`, `+1100`, `+11:00` or `Z`.
    #[must_use]
    pub fn last_verified_at(&self) -> Option<SystemTime> {
        SystemTime::try_from(self.last_verified_on()?.parse::<jiff::Timestamp>().ok()?).ok()
    }

    /// How often Kinde has verified the key, if it tells. Informational.
    #[must_use]
    pub fn verification_count(&self) -> Option<u64> {
        self.verification_count
    }

    /// The code of Kinde's answer; `API_KEY_VERIFIED` is the only one published.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The message of Kinde's answer.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_documented_spelling_of_a_time_is_read() {
        let seconds = |raw: &str| {
            let at = Verification::active("k").with_last_verified_on(raw).last_verified_at()?;
            at.duration_since(SystemTime::UNIX_EPOCH).ok()
        };
        let expected = Some(Duration::from_secs(1_731_897_123));
        for offset in ["+11", "+1100", "+11:00"] {
            assert_eq!(seconds(&format!("2024-11-18T13:32:03{offset}")), expected, "{offset}");
        }
        assert_eq!(seconds("2024-11-18T02:32:03Z"), expected);
        assert_eq!(seconds("2024-11-18T02:32:03.25Z"), expected.map(|at| at + Duration::from_millis(250)));
        assert_eq!(
            seconds("2026-03-01T19:54:37.337802+00:00"),
            Some(Duration::from_micros(1_772_394_877_337_802))
        );
    }

    #[test]
    fn an_unreadable_time_is_kept_raw() {
        for raw in ["", "yesterday", "2024-11-18", "2024-11-18T13:32:03", "18/11/2024"] {
            let verification = Verification::active("k").with_last_verified_on(raw);
            assert_eq!(verification.last_verified_on(), Some(raw));
            assert_eq!(verification.last_verified_at(), None, "{raw}");
        }
    }

    #[test]
    fn an_empty_owner_is_an_absent_owner() {
        let verification = Verification::active("k").with_organization("").with_user("");
        assert_eq!((verification.organization_code(), verification.user_id()), (None, None));
    }
}
