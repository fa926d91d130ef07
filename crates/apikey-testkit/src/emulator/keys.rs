//! The keys that the emulator knows.

use std::{collections::HashMap, net::IpAddr};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{answer::ScriptedAnswer, random};

/// The properties of a key to create.
///
/// ```
/// # use apikey_testkit::emulator::KeySpecification;
/// let specification = KeySpecification::new("support tool").scopes(["read:tickets"]).organization("org_acme");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a key exists once `Emulator::create_key` was given this"]
pub struct KeySpecification {
    /// The name that the management endpoints show.
    pub name: String,
    /// The scopes. Answers contain `null` for `None`.
    pub scopes: Option<Vec<String>>,
    /// The code of the organization that owns the key.
    pub organization: Option<String>,
    /// The id of the user that owns the key.
    pub user: Option<String>,
    /// `active`, `inactive`, `revoked`, or a made-up status.
    pub status: String,
    /// The secret. No other key may have it. `None` generates `k_live_` and 32 characters.
    pub secret: Option<String>,
    /// The key id; `None` generates `api_key_` and 32 hexadecimal digits.
    pub key_id: Option<String>,
    /// The ids of the APIs that the key is for. `None` is [`DEFAULT_API_ID`] alone.
    pub api_ids: Option<Vec<String>>,
}

/// The id of the API that keys are for unless a test says otherwise.
pub const DEFAULT_API_ID: &str = "api_emulator";

impl KeySpecification {
    /// An active key without scopes or owner.
    pub fn new(name: impl Into<String>) -> Self {
        KeySpecification {
            name: name.into(),
            scopes: None,
            organization: None,
            user: None,
            status: "active".to_owned(),
            secret: None,
            key_id: None,
            api_ids: None,
        }
    }

    /// With these scopes. Answers contain `[]` for an empty list, not `null`.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Owned by this organization.
    pub fn organization(mut self, code: impl Into<String>) -> Self {
        self.organization = Some(code.into());
        self
    }

    /// Owned by this user.
    pub fn user(mut self, id: impl Into<String>) -> Self {
        self.user = Some(id.into());
        self
    }

    /// With this status instead of `active`.
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = status.into();
        self
    }

    /// With this secret instead of a random one.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// For the APIs with these ids, which may be none, instead of [`DEFAULT_API_ID`].
    pub fn api_ids<S: Into<String>>(mut self, api_ids: impl IntoIterator<Item = S>) -> Self {
        self.api_ids = Some(api_ids.into_iter().map(Into::into).collect());
        self
    }

    /// With this key id instead of a random one.
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }
}

/// A key as Kinde shows it once, when it is created or rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedKey {
    /// The key id. It survives a rotation.
    pub key_id: String,
    /// The secret that a client presents.
    pub secret: String,
}

/// All properties of one key.
#[derive(Clone)]
pub(crate) struct KeyRecord {
    pub(crate) key_id: String,
    pub(crate) secret: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) organization: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) status: String,
    /// Any JSON, because clients must cope with any. `None`: the key's description has no such member.
    pub(crate) api_ids: Option<Value>,
    pub(crate) created_on: String,
    pub(crate) verification_count: u64,
    pub(crate) last_verified_on: Option<String>,
    pub(crate) last_verified_ip: Option<String>,
    answer: Option<ScriptedAnswer>,
}

/// What the store knows of a secret.
pub(crate) enum Judgement {
    /// The key is active. This verification is counted already.
    Valid(KeyRecord),
    /// The key exists and is not active.
    NotActive(KeyRecord),
    /// No key has this secret.
    Unknown,
    /// A test scripted the answer for this key.
    Scripted(ScriptedAnswer),
}

/// The keys in the order of their creation. Keys are never removed.
#[derive(Default)]
pub(crate) struct KeyStore {
    records: Vec<KeyRecord>,
    by_key_id: HashMap<String, usize>,
    by_secret: HashMap<String, usize>,
}

impl KeyStore {
    pub(crate) fn create(&mut self, specification: KeySpecification) -> IssuedKey {
        let KeySpecification { name, scopes, organization, user, status, secret, key_id, api_ids } =
            specification;
        let api_ids = api_ids.unwrap_or_else(|| vec![DEFAULT_API_ID.to_owned()]);
        let key_id = key_id.unwrap_or_else(|| format!("api_key_{}", random::hexadecimal(32)));
        let secret = secret.unwrap_or_else(generate_secret);
        let kind = match (&organization, &user) {
            (_, Some(_)) => "user",
            (Some(_), None) => "organization",
            (None, None) => "environment",
        };
        let record = KeyRecord {
            key_id: key_id.clone(),
            secret: secret.clone(),
            name,
            kind,
            scopes,
            organization,
            user,
            status,
            api_ids: Some(json!(api_ids)),
            created_on: now(),
            verification_count: 0,
            last_verified_on: None,
            last_verified_ip: None,
            answer: None,
        };
        let index = match self.by_key_id.get(&key_id).copied() {
            Some(index) => {
                self.forget_secret(index);
                self.records[index] = record;
                index
            }
            None => {
                self.records.push(record);
                self.records.len() - 1
            }
        };
        self.by_key_id.insert(key_id.clone(), index);
        self.by_secret.insert(secret.clone(), index);
        IssuedKey { key_id, secret }
    }

    pub(crate) fn rotate(&mut self, key_id: &str) -> Option<IssuedKey> {
        let index = *self.by_key_id.get(key_id)?;
        self.forget_secret(index);
        let secret = generate_secret();
        self.by_secret.insert(secret.clone(), index);
        self.records[index].secret.clone_from(&secret);
        Some(IssuedKey { key_id: key_id.to_owned(), secret })
    }

    pub(crate) fn set_status(&mut self, key_id: &str, status: &str) -> bool {
        self.change(key_id, |record| record.status = status.to_owned())
    }

    pub(crate) fn set_scopes(&mut self, key_id: &str, scopes: Option<Vec<String>>) -> bool {
        self.change(key_id, |record| record.scopes = scopes)
    }

    pub(crate) fn set_api_ids(&mut self, key_id: &str, api_ids: Option<Value>) -> bool {
        self.change(key_id, |record| record.api_ids = api_ids)
    }

    pub(crate) fn set_answer(&mut self, key_id: &str, answer: Option<ScriptedAnswer>) -> bool {
        self.change(key_id, |record| record.answer = answer)
    }

    pub(crate) fn find(&self, key_id: &str) -> Option<&KeyRecord> {
        self.by_key_id.get(key_id).map(|index| &self.records[*index])
    }

    pub(crate) fn is_known(&self, secret: &str) -> bool {
        self.by_secret.contains_key(secret)
    }

    pub(crate) fn all(&self) -> &[KeyRecord] {
        &self.records
    }

    /// Judges a secret. A valid one is counted, because at Kinde every verification is a write.
    pub(crate) fn verify(&mut self, secret: &str, peer: IpAddr) -> Judgement {
        let Some(index) = self.by_secret.get(secret) else {
            return Judgement::Unknown;
        };
        let record = &mut self.records[*index];
        if let Some(answer) = &record.answer {
            return Judgement::Scripted(answer.clone());
        }
        if record.status != "active" {
            return Judgement::NotActive(record.clone());
        }
        record.verification_count += 1;
        record.last_verified_on = Some(now());
        record.last_verified_ip = Some(peer.to_string());
        Judgement::Valid(record.clone())
    }

    fn change(&mut self, key_id: &str, change: impl FnOnce(&mut KeyRecord)) -> bool {
        let Some(index) = self.by_key_id.get(key_id) else {
            return false;
        };
        change(&mut self.records[*index]);
        true
    }

    /// Forgets a record's secret, unless another key has the same secret now.
    fn forget_secret(&mut self, index: usize) {
        let secret = &self.records[index].secret;
        if self.by_secret.get(secret) == Some(&index) {
            self.by_secret.remove(secret);
        }
    }
}

fn generate_secret() -> String {
    format!("k_live_{}", random::lower_alphanumeric(32))
}

/// The time in the format of Kinde's documented example, whose offset has no minutes.
fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S+00").to_string()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn generated_keys_look_like_kindes() {
        let key = KeyStore::default().create(KeySpecification::new("a"));
        assert_eq!((key.key_id.len(), key.secret.len()), ("api_key_".len() + 32, "k_live_".len() + 32));
        assert!(key.key_id.starts_with("api_key_") && key.secret.starts_with("k_live_"));
    }

    #[test]
    fn a_replaced_keys_secret_dies() {
        let mut store = KeyStore::default();
        let old = store.create(KeySpecification::new("a").key_id("one"));
        let new = store.create(KeySpecification::new("b").key_id("one"));
        assert!(matches!(store.verify(&old.secret, PEER), Judgement::Unknown));
        assert!(matches!(store.verify(&new.secret, PEER), Judgement::Valid(record) if record.name == "b"));
        assert_eq!(store.all().len(), 1);
    }

    #[test]
    fn only_valid_verifications_are_counted_at_the_key() {
        let mut store = KeyStore::default();
        let key = store.create(KeySpecification::new("a"));
        store.verify(&key.secret, PEER);
        store.set_status(&key.key_id, "inactive");
        store.verify(&key.secret, PEER);
        let record = store.find(&key.key_id).unwrap();
        assert_eq!((record.verification_count, record.last_verified_ip.as_deref()), (1, Some("127.0.0.1")));
    }

    #[test]
    fn changed_scopes_are_in_the_next_answer() {
        let mut store = KeyStore::default();
        let key = store.create(KeySpecification::new("a").scopes(["read:users"]));
        assert!(store.set_scopes(&key.key_id, Some(vec!["admin".to_owned()])));
        assert!(
            matches!(store.verify(&key.secret, PEER), Judgement::Valid(record) if record.scopes.as_deref() == Some(&["admin".to_owned()]))
        );
        assert!(!store.set_scopes("no such key", None));
    }

    #[test]
    fn times_have_an_offset_without_minutes() {
        let now = now();
        assert_eq!((now.len(), &now[10..11], &now[19..]), (22, "T", "+00"));
        assert!(now.parse::<Timestamp>().is_ok());
    }
}
