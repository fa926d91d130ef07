//! Sealing: what an instance writes into the store, and what it believes of what it reads there.
//!
//! Whoever can write to the store can withhold entries and records, and can empty every cache by a record that does not
//! open. More is not possible: an entry that an instance has not sealed for this place, or that was changed, is a miss.

use std::time::{Duration, Instant};

use serde::Serialize;
use zeroize::Zeroizing;

use super::keys::{Keys, Refused, SecretId, TAG_BYTES, first_16};
use super::provider::digest;
use super::secrets::SharedSecrets;
use super::store::{Entry, Name, StoreTime};
use super::wire::{Unclear, WireAnswer, WirePurge, length, read};
use crate::client::Client;
use crate::config_error::ConfigError;
use crate::engine::{AttemptLimit, Purge};
use crate::key::{Fingerprint, Fingerprinter, PresentedKey};
use crate::peers::{Head, SharedAnswer};
use crate::verification::{Judgement, Verification};

/// What sealed messages mean. It is also part of the names of entries, so that an instance of another version looks
/// elsewhere, and does not overwrite them.
pub(super) const VERSION: u8 = 1;
/// Messages are filled up to a multiple of this many bytes, so that their lengths tell little.
const BLOCK: usize = 64;
/// The longest entry, in bytes.
const LONGEST_ENTRY: usize = 64 * 1024;
/// The longest record, in bytes.
const LONGEST_RECORD: usize = 8 * 1024;

// What a name or a message is about, so that one never passes for another.
const ENTRY: &[u8] = b"entry";
const WINDOW: &[u8] = b"window";
const RECORD: &[u8] = b"record";

/// Names and seals what the instances of one fleet share about one Kinde business, the *realm*.
pub(crate) struct Sealer {
    realm: Box<str>,
    /// Names and seals whatever this instance writes.
    first: Keys,
    /// Their names are looked up, and what they sealed is opened.
    others: Vec<Keys>,
}

/// Where the answer about a key may be.
pub(crate) struct EntryNames {
    /// This instance keeps it here.
    pub(crate) first: Name,
    /// Instances whose first secret is another one keep it here. Empty unless a rotation is under way.
    pub(crate) others: Vec<Name>,
}

/// An entry that is what another instance sealed.
#[derive(Debug)]
pub(crate) struct OpenedEntry {
    /// The newest removal that its author had heard of when it asked.
    pub(crate) head: Head,
    verification: Verification,
    /// Counted from the question.
    expires_in: Option<Duration>,
}

impl OpenedEntry {
    pub(crate) fn verification(&self) -> &Verification {
        &self.verification
    }

    /// The answer, if it was asked for at this moment.
    pub(crate) fn into_judgement(self, asked_at: Instant) -> Judgement {
        let judgement = Judgement::accepted(self.verification).with_asked_at(asked_at);
        // An end that the clock can't name never comes.
        match self.expires_in.and_then(|span| asked_at.checked_add(span)) {
            Some(end) => judgement.with_expires_at(end),
            None => judgement,
        }
    }
}

/// What a record tells this instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenedRecord {
    /// What to forget: everything, if it is not clear what the record says. `None` is nothing.
    pub(crate) purge: Option<Purge>,
    /// If the record could not be opened: the reason, which the operator's log names.
    pub(crate) problem: Option<&'static str>,
}

const DOES_NOT_OPEN: &str = "a removal in the fleet's store does not open, so everything is forgotten: the instances do not \
                             share a secret, or something else writes into the store";
const NOT_UNDERSTOOD: &str =
    "a removal in the fleet's store comes from a newer release, so everything is forgotten";
const OTHER_SECRETS: &str = "a removal in the fleet's store names a key under other secrets than the first one here, so \
                             everything is forgotten: change APIKEY_SHARED_SECRET in the documented steps";

impl Sealer {
    /// # Errors
    /// [`ConfigError`] if the secrets make no keys, or two secrets of the list can't be told apart.
    pub(crate) fn new(secrets: &SharedSecrets, realm: &str) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::new("APIKEY_SHARED_SECRET", problem);
        let keys: Result<Vec<Keys>, Refused> = secrets.iter().map(Keys::of).collect();
        let mut keys = keys.map_err(|_| wrong("no keys can be derived from it"))?.into_iter();
        let first = keys.next().ok_or_else(|| wrong("no secret is set"))?;
        let others: Vec<Keys> = keys.collect();
        let mut ids: Vec<SecretId> = others.iter().chain([&first]).map(|keys| keys.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(wrong("two secrets happen to have the same id; replace the new one by another"));
        }
        Ok(Self { realm: realm.into(), first, others })
    }

    /// Computes fingerprints that mean the same on every instance with the same first secret.
    pub(crate) fn fingerprinter(&self) -> Fingerprinter {
        Fingerprinter::with_key(&self.first.fingerprints)
    }

    /// The name of the fleet's log. It depends on no secret, so that a rotation does not begin another log.
    pub(crate) fn log_name(&self) -> Name {
        let text = [b"apikey log 1", self.realm.as_bytes()].concat();
        Name(first_16(digest::digest(&digest::SHA256, &text).as_ref()))
    }

    pub(crate) fn entry_names(&self, key: &PresentedKey) -> EntryNames {
        let name = |keys: &Keys| {
            let fingerprint = fingerprint(keys, key).to_bytes();
            Name(keys.name(&[ENTRY, self.realm.as_bytes(), &[VERSION], &fingerprint]))
        };
        EntryNames { first: name(&self.first), others: self.others.iter().map(name).collect() }
    }

    /// The name of the window that counts a client's attempts. Two limits never share one. `label` tells limits apart that
    /// have the same values.
    pub(crate) fn window_name(&self, client: Client, limit: &AttemptLimit, label: &str) -> Name {
        Name(self.first.name(&[
            WINDOW,
            self.realm.as_bytes(),
            label.as_bytes(),
            &limit.attempts.to_be_bytes(),
            &limit.window.as_nanos().to_be_bytes(),
            &[u8::from(limit.counts_only_refused)],
            client.to_string().as_bytes(),
        ]))
    }

    /// Seals an answer for this place. `checked` lists what was checked about the key beyond Kinde's answer. `None` if the
    /// answer is too long to be shared.
    pub(crate) fn seal_entry(
        &self,
        name: &Name,
        asked_at: StoreTime,
        answer: &SharedAnswer,
        checked: &[&str],
    ) -> Option<Entry> {
        let expires_in = answer.expires_at.map(|end| end.saturating_duration_since(answer.asked_at));
        let message = WireAnswer::new(&answer.verification, expires_in, checked);
        let bound: [&[u8]; 2] = [&name.0, &asked_at.milliseconds.to_be_bytes()];
        let sealed = self.seal(ENTRY, &bound, &answer.head.0, &message)?;
        (sealed.len() <= LONGEST_ENTRY).then_some(Entry { asked_at, sealed })
    }

    /// Opens what was found under this name. `None` is a miss: nobody has sealed it for this place, or it does not say that
    /// everything was checked that is `needed`.
    pub(crate) fn open_entry(&self, name: &Name, entry: &Entry, needed: &[&str]) -> Option<OpenedEntry> {
        if entry.sealed.len() > LONGEST_ENTRY {
            return None;
        }
        let bound: [&[u8]; 2] = [&name.0, &entry.asked_at.milliseconds.to_be_bytes()];
        let (head, message) = self.open(ENTRY, &bound, &entry.sealed)?;
        let answer: WireAnswer<'_> = read(&message)?;
        answer.states(needed).then(|| OpenedEntry {
            head: Head(head),
            expires_in: answer.expires_in(),
            verification: answer.into_verification(),
        })
    }

    /// Seals a removal for the log. A removal by key names the key by its fingerprint under the first secret alone, so that
    /// an instance with another first secret forgets everything.
    ///
    /// `None` if the system has no random numbers. Try again.
    pub(crate) fn seal_record(&self, origin: [u8; 16], purge: Option<&Purge>) -> Option<Vec<u8>> {
        let seal = |message: &WirePurge<'_>| self.seal(RECORD, &[&origin], &[], message);
        let sealed = seal(&WirePurge::new(purge, &self.first.id))?;
        // A removal must not get lost. One with a name that is too long removes everything.
        if sealed.len() > LONGEST_RECORD {
            return seal(&WirePurge::new(Some(&Purge::Everything), &self.first.id));
        }
        Some(sealed)
    }

    /// What a record of the log tells this instance to forget.
    pub(crate) fn open_record(&self, origin: [u8; 16], sealed: &[u8]) -> OpenedRecord {
        let everything = |problem| OpenedRecord { purge: Some(Purge::Everything), problem: Some(problem) };
        let is_short = sealed.len() <= LONGEST_RECORD;
        let opened = is_short.then(|| self.open::<0>(RECORD, &[&origin], sealed)).flatten();
        let Some(([], message)) = opened else { return everything(DOES_NOT_OPEN) };
        let purge = read(&message).ok_or(Unclear::NotUnderstood);
        match purge.and_then(|purge: WirePurge<'_>| purge.purge(&self.first.id)) {
            Ok(purge) => OpenedRecord { purge, problem: None },
            Err(Unclear::NotUnderstood) => everything(NOT_UNDERSTOOD),
            Err(Unclear::OtherSecrets) => everything(OTHER_SECRETS),
        }
    }

    fn seal(&self, kind: &[u8], bound: &[&[u8]], clear: &[u8], message: &impl Serialize) -> Option<Vec<u8>> {
        let length = length(message).ok()?.next_multiple_of(BLOCK);
        let mut padded = Zeroizing::new(Vec::with_capacity(length));
        serde_json::to_writer(&mut *padded, message).ok()?;
        // JSON may end with spaces.
        padded.resize(length, b' ');
        self.seal_padded(kind, bound, clear, &padded)
    }

    /// The version, the secret's id, what is `clear`, and the salt. Then the message and its tag.
    fn seal_padded(&self, kind: &[u8], bound: &[&[u8]], clear: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        let mut salt = [0; 24];
        getrandom::fill(&mut salt).ok()?;
        let header = [[VERSION].as_slice(), &self.first.id, clear, &salt].concat();
        let mut sealed = Vec::with_capacity(header.len() + message.len() + TAG_BYTES);
        sealed.extend_from_slice(&header);
        sealed.extend_from_slice(message);
        let mut sealed = Zeroizing::new(sealed);
        let body = sealed.get_mut(header.len()..)?;
        let tag =
            self.first.seal(&salt, &[&[kind, self.realm.as_bytes(), &header], bound].concat(), body).ok()?;
        sealed.extend_from_slice(tag.as_ref());
        // It holds no plain text now.
        Some(std::mem::take(&mut *sealed))
    }

    /// What was clear, and the message.
    fn open<const CLEAR: usize>(
        &self,
        kind: &[u8],
        bound: &[&[u8]],
        sealed: &[u8],
    ) -> Option<([u8; CLEAR], Zeroizing<Vec<u8>>)> {
        let (version, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (clear, rest) = rest.split_first_chunk()?;
        let (salt, body) = rest.split_first_chunk()?;
        let header = sealed.get(..sealed.len() - body.len())?;
        let keys = self.keys().find(|keys| keys.id == *id);
        let keys = keys.filter(|_| *version == VERSION)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length =
            keys.open(salt, &[&[kind, self.realm.as_bytes(), header], bound].concat(), &mut body)?.len();
        body.truncate(length);
        Some((*clear, body))
    }

    fn keys(&self) -> impl Iterator<Item = &Keys> {
        [&self.first].into_iter().chain(&self.others)
    }
}

/// For messages that no release of this crate writes.
#[cfg(any(test, feature = "fuzzing"))]
impl Sealer {
    pub(crate) fn seal_entry_of(
        &self,
        name: &Name,
        asked_at: StoreTime,
        head: Head,
        message: &[u8],
    ) -> Option<Entry> {
        let bound: [&[u8]; 2] = [&name.0, &asked_at.milliseconds.to_be_bytes()];
        let sealed = self.seal_padded(ENTRY, &bound, &head.0, message)?;
        Some(Entry { asked_at, sealed })
    }

    pub(crate) fn seal_record_of(&self, origin: [u8; 16], message: &[u8]) -> Option<Vec<u8>> {
        self.seal_padded(RECORD, &[&origin], &[], message)
    }
}

fn fingerprint(keys: &Keys, key: &PresentedKey) -> Fingerprint {
    Fingerprinter::with_key(&keys.fingerprints).fingerprint(key.expose().as_bytes())
}

#[cfg(test)]
mod tests;
