//! What sealed messages say, in JSON.
//!
//! Instances of different releases read each other's messages. So a reader ignores members that it does not know, and a
//! member that is missing has its default. A change of what a member means needs a new [`VERSION`](super::seal::VERSION).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::keys::SecretId;
use crate::engine::Purge;
use crate::key::Fingerprint;
use crate::verification::Verification;

/// An answer about an accepted key.
#[derive(Serialize, Deserialize)]
pub(super) struct WireAnswer<'a> {
    /// The one member that no answer can do without.
    #[serde(borrow)]
    key_id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    organization: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    last_verified_on: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verification_count: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
    /// Milliseconds from the question to the end of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    /// What was checked about the key beyond Kinde's answer.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    checked: Vec<Cow<'a, str>>,
}

impl<'a> WireAnswer<'a> {
    pub(super) fn new(
        verification: &'a Verification,
        expires_in: Option<Duration>,
        checked: &[&'a str],
    ) -> Self {
        // It rounds down: too early an end is safe.
        let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            key_id: verification.key_id().into(),
            scopes: verification.scopes().map(Cow::Borrowed).collect(),
            organization: verification.organization_code().map(Cow::Borrowed),
            user: verification.user_id().map(Cow::Borrowed),
            last_verified_on: verification.last_verified_on().map(Cow::Borrowed),
            verification_count: verification.verification_count(),
            code: verification.code().map(Cow::Borrowed),
            message: verification.message().map(Cow::Borrowed),
            expires_in: expires_in.map(milliseconds),
            checked: checked.iter().copied().map(Cow::Borrowed).collect(),
        }
    }

    /// Whether everything that is needed was checked.
    pub(super) fn states(&self, needed: &[&str]) -> bool {
        needed.iter().all(|check| self.checked.iter().any(|stated| stated == check))
    }

    pub(super) fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_millis)
    }

    pub(super) fn into_verification(self) -> Verification {
        let mut verification = Verification::active(self.key_id).with_scopes(self.scopes);
        if let Some(code) = self.organization {
            verification = verification.with_organization(code);
        }
        if let Some(id) = self.user {
            verification = verification.with_user(id);
        }
        if let Some(raw) = self.last_verified_on {
            verification = verification.with_last_verified_on(raw);
        }
        if let Some(count) = self.verification_count {
            verification = verification.with_verification_count(count);
        }
        if let Some(code) = self.code {
            verification = verification.with_code(code.into_owned());
        }
        if let Some(message) = self.message {
            verification = verification.with_message(message.into_owned());
        }
        verification
    }
}

/// What a record of the log tells every instance to forget.
#[derive(Serialize, Deserialize)]
pub(super) struct WirePurge<'a> {
    #[serde(borrow)]
    purge: Cow<'a, str>,
    /// The key id, user or organization.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    /// The fingerprint of the key, by the id of the secret that it is under.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    key: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

const NOTHING: &str = "nothing";
const EVERYTHING: &str = "everything";
const KEY: &str = "key";
const KEY_ID: &str = "key_id";
const USER: &str = "user";
const ORGANIZATION: &str = "organization";

/// Why it is not known what a record purges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclear {
    /// A release that is newer than this one wrote it.
    NotUnderstood,
    /// It names a key, but not by this instance's first secret.
    OtherSecrets,
}

impl<'a> WirePurge<'a> {
    /// `None` purges nothing. A fingerprint is one under the secret with this id.
    pub(super) fn new(purge: Option<&'a Purge>, secret: &SecretId) -> Self {
        let named = |purge: &'static str, name: &'a str| Self::of(purge, Some(name), BTreeMap::new());
        match purge {
            None => Self::of(NOTHING, None, BTreeMap::new()),
            Some(Purge::Everything) => Self::of(EVERYTHING, None, BTreeMap::new()),
            Some(Purge::Key(key)) => {
                let (secret, key) = (text_of(secret), text_of(&key.to_bytes()));
                Self::of(KEY, None, BTreeMap::from([(secret.into(), key.into())]))
            }
            Some(Purge::KeyId(id)) => named(KEY_ID, id),
            Some(Purge::User(id)) => named(USER, id),
            Some(Purge::Organization(code)) => named(ORGANIZATION, code),
        }
    }

    fn of(purge: &'static str, name: Option<&'a str>, key: BTreeMap<Cow<'a, str>, Cow<'a, str>>) -> Self {
        Self { purge: purge.into(), name: name.map(Cow::Borrowed), key }
    }

    /// What an instance with this first secret must forget.
    pub(super) fn purge(self, first: &SecretId) -> Result<Option<Purge>, Unclear> {
        let Self { purge, name, key } = self;
        let named = |purge: fn(Box<str>) -> Purge| {
            name.map(|name| Some(purge(name.into()))).ok_or(Unclear::NotUnderstood)
        };
        match &*purge {
            NOTHING => Ok(None),
            EVERYTHING => Ok(Some(Purge::Everything)),
            KEY => match key.get(text_of(first).as_str()) {
                Some(text) => match fingerprint_of(text) {
                    Some(fingerprint) => Ok(Some(Purge::Key(fingerprint))),
                    None => Err(Unclear::NotUnderstood),
                },
                None => Err(Unclear::OtherSecrets),
            },
            KEY_ID => named(Purge::KeyId),
            USER => named(Purge::User),
            ORGANIZATION => named(Purge::Organization),
            _ => Err(Unclear::NotUnderstood),
        }
    }
}

fn text_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn fingerprint_of(text: &str) -> Option<Fingerprint> {
    let mut bytes = [0; 16];
    let decoded = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (decoded == bytes.len()).then(|| Fingerprint::of_bytes(bytes))
}

/// Reads a message. `None` if it is no object of this kind, or is not UTF-8.
pub(super) fn read<'a, T: Deserialize<'a>>(message: &'a [u8]) -> Option<T> {
    let text = std::str::from_utf8(message).ok()?;
    // Serde would also take a list of the members' values.
    let is_object = text.trim_ascii_start().starts_with('{');
    is_object.then(|| serde_json::from_str(text).ok()).flatten()
}

/// How many bytes the message has in JSON. Known in advance, so that no part of it stays in memory that a growing vector
/// gave up.
pub(super) fn length(message: &impl Serialize) -> serde_json::Result<usize> {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, message)?;
    Ok(count.0)
}
