//! What a verifier says about a key.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

/// The answer of a [`Verifier`](crate::Verifier) that judged the key.
///
/// ```
/// use apikey_core::{Judgement, Refusal, Verdict, Verification};
///
/// let judgement = Judgement::accepted(Verification::active("api_key_1"));
/// assert!(judgement.is_accepted());
/// assert_eq!(Judgement::refused(Refusal::Revoked).into_verdict(), Verdict::Refused(Refusal::Revoked));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    verdict: Verdict,
    asked_at: Option<Instant>,
    expires_at: Option<Instant>,
}

/// Whether a judged key is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The key is valid and active.
    Accepted(Verification),
    /// The key must not be let in.
    Refused(Refusal),
}

impl Judgement {
    fn new(verdict: Verdict) -> Self {
        Self { verdict, asked_at: None, expires_at: None }
    }

    /// The key is valid and active.
    #[must_use]
    pub fn accepted(verification: Verification) -> Self {
        Self::new(Verdict::Accepted(verification))
    }

    /// The key must not be let in.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self::new(Verdict::Refused(refusal))
    }

    /// Sets when the question was asked, on the authenticator's [`Clock`](crate::Clock). For a verifier that passes
    /// on an older judgement. By default, the judgement is as old as the call. A moment after the call counts as the
    /// moment of the call.
    ///
    /// The authenticator can't apply a removal from before the call to a judgement that is older than the call. So a
    /// verifier that keeps judgements must forget removed keys itself.
    #[must_use]
    pub fn with_asked_at(mut self, asked_at: Instant) -> Self {
        self.asked_at = Some(asked_at);
        self
    }

    /// Sets when the answer about an accepted key expires, on the authenticator's [`Clock`](crate::Clock). From then
    /// on the verifier is asked again, even if the cache's time to live is longer.
    #[must_use]
    pub fn with_expires_at(mut self, expires_at: Instant) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Whether the key is let in.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether the key is let in, by value.
    #[must_use]
    pub fn into_verdict(self) -> Verdict {
        self.verdict
    }

    /// Whether the key is let in, yes or no.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self.verdict, Verdict::Accepted(_))
    }

    /// When the question was asked, if the verifier said so.
    #[must_use]
    pub fn asked_at(&self) -> Option<Instant> {
        self.asked_at
    }

    /// When the answer expires, if the verifier said so.
    #[must_use]
    pub fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }
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
    /// The key is good, but it is for other APIs than this one.
    OtherApi,
}

/// The identity behind a valid, active key: everything that Kinde's verify endpoint says about it.
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
#[repr(C)]
pub struct Verification {
    /// A decision reads the scopes. It is the first field, so that a cached answer can have it in the line of memory
    /// that a decision reads anyway.
    shared: Arc<SharedParts>,
    /// The key's id, the organization's code, the user's id and, after [`MARK`], `last_verified_on`. A million of
    /// these may be kept, and one allocation costs less than four.
    text: Box<str>,
    key_id_ends: u32,
    organization_ends: u32,
    user_ends: u32,
    has_count: bool,
    /// 0 without a count.
    verification_count: u64,
}

/// Serializes as an object with the fields that the handlers in Kinde's guide return: `key_id`, `status`, `scopes`,
/// `org_code`, `user_id`, `last_verified_on` and `verification_count`. An absent value is `null`. Later releases may
/// add fields.
impl Serialize for Verification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Verification", 7)?;
        object.serialize_field("key_id", self.key_id())?;
        object.serialize_field("status", self.status())?;
        object.serialize_field("scopes", &self.shared.scopes)?;
        object.serialize_field("org_code", &self.organization_code())?;
        object.serialize_field("user_id", &self.user_id())?;
        object.serialize_field("last_verified_on", &self.last_verified_on())?;
        object.serialize_field("verification_count", &self.verification_count())?;
        object.end()
    }
}

/// Stands before `last_verified_on` if there is one, because that text may be empty.
const MARK: char = '@';

/// The parts that many keys have in common, and so can share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct SharedParts {
    scopes: Box<[Box<str>]>,
    code: Option<Cow<'static, str>>,
    message: Option<Cow<'static, str>>,
}

impl Verification {
    /// An active key without scopes or owner. The `with_` methods add to it.
    #[must_use]
    pub fn active(key_id: impl Into<Box<str>>) -> Self {
        let text = key_id.into();
        let ends = end(text.len());
        Self {
            shared: Arc::default(),
            text,
            key_id_ends: ends,
            organization_ends: ends,
            user_ends: ends,
            has_count: false,
            verification_count: 0,
        }
    }

    /// Sets the scopes that the key carries.
    #[must_use]
    pub fn with_scopes<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        Arc::make_mut(&mut self.shared).scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Makes it the key of an organization. An empty code means no organization.
    #[must_use]
    pub fn with_organization(self, code: impl Into<Box<str>>) -> Self {
        self.with_parts(Some(&code.into()), None, None)
    }

    /// Makes it the key of a user. An empty id means no user.
    #[must_use]
    pub fn with_user(self, id: impl Into<Box<str>>) -> Self {
        self.with_parts(None, Some(&id.into()), None)
    }

    /// Sets when the key was verified before, as Kinde wrote it.
    #[must_use]
    pub fn with_last_verified_on(self, raw: impl Into<Box<str>>) -> Self {
        self.with_parts(None, None, Some(&raw.into()))
    }

    /// Replaces those parts of the text that are given.
    fn with_parts(mut self, organization: Option<&str>, user: Option<&str>, last: Option<&str>) -> Self {
        let organization = organization.or(self.organization_code()).unwrap_or_default();
        let user = user.or(self.user_id()).unwrap_or_default();
        let last = last.or(self.last_verified_on()).map(|last| format!("{MARK}{last}")).unwrap_or_default();
        let key_id = self.key_id();
        let organization_ends = key_id.len() + organization.len();
        let user_ends = organization_ends + user.len();
        self.text = [key_id, organization, user, &last].concat().into();
        (self.organization_ends, self.user_ends) = (end(organization_ends), end(user_ends));
        self
    }

    fn part(&self, from: u32, to: u32) -> &str {
        self.text.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Sets how often Kinde has verified the key.
    #[must_use]
    pub fn with_verification_count(mut self, count: u64) -> Self {
        (self.has_count, self.verification_count) = (true, count);
        self
    }

    /// Sets the code of Kinde's answer.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.shared).code = Some(code.into());
        self
    }

    /// Sets the message of Kinde's answer.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.shared).message = Some(message.into());
        self
    }

    /// The key's id, which is no secret and survives a rotation.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.part(0, self.key_id_ends)
    }

    /// The key's status: always `active`, because no other key is let in.
    #[must_use]
    pub fn status(&self) -> &'static str {
        "active"
    }

    /// The scopes, in Kinde's order.
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.shared.scopes.iter().map(|scope| &**scope)
    }

    /// Whether the key carries this scope. The comparison is exact and case-sensitive.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|held| held == scope)
    }

    /// The organization that owns the key, if one does. Never empty.
    #[must_use]
    pub fn organization_code(&self) -> Option<&str> {
        Some(self.part(self.key_id_ends, self.organization_ends)).filter(|code| !code.is_empty())
    }

    /// The user who owns the key, if one does. Never empty.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        Some(self.part(self.organization_ends, self.user_ends)).filter(|id| !id.is_empty())
    }

    /// When Kinde verified the key the time before, as Kinde wrote it. Informational.
    #[must_use]
    pub fn last_verified_on(&self) -> Option<&str> {
        self.text.get(self.user_ends as usize..)?.strip_prefix(MARK)
    }

    /// [`last_verified_on`](Self::last_verified_on) as a time. `None` if it is not ISO 8601 with an offset such as
    /// `+11`, `+1100`, `+11:00` or `Z`.
    #[must_use]
    pub fn last_verified_at(&self) -> Option<SystemTime> {
        SystemTime::try_from(self.last_verified_on()?.parse::<jiff::Timestamp>().ok()?).ok()
    }

    /// How often Kinde has verified the key, if Kinde says so. Informational.
    #[must_use]
    pub fn verification_count(&self) -> Option<u64> {
        self.has_count.then_some(self.verification_count)
    }

    /// The code of Kinde's answer. `API_KEY_VERIFIED` is the only one that Kinde has published.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.shared.code.as_deref()
    }

    /// The message of Kinde's answer.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.shared.message.as_deref()
    }

    /// How many of the first bytes a decision about scopes reads.
    #[cfg(test)]
    pub(crate) const DECIDED_BY: usize = std::mem::offset_of!(Self, text);

    pub(crate) fn shared_mut(&mut self) -> &mut Arc<SharedParts> {
        &mut self.shared
    }
}

/// The end of a part of the text. A part that ends past 4 GiB reads as empty.
fn end(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
