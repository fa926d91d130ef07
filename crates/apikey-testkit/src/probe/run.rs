//! One run of a probe: its keys, its requests and its report.

use std::collections::BTreeMap;

use hyper::Method;

use super::client::{Client, Reply};
use super::document::Owner;
use super::holding::Holding;
use super::inputs::Inputs;
use super::report::Report;
use super::security::Placement;
use crate::emulator::{Emulator, KeySpecification, random};

/// Why the probe stops with an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The server did not answer, for this reason.
    Silence(String),
    /// The probe has sent all the requests that it may.
    Limit,
}

pub(crate) struct Run<'a> {
    client: &'a Client,
    pub(crate) emulator: &'a Emulator,
    most_requests: u64,
    /// The secrets of the keys that this run has made.
    keys: BTreeMap<Holding, String>,
    /// The secret of a key that nobody issued.
    unissued: String,
    /// The operations whose refusals name no scopes.
    without_scopes: Vec<String>,
    pub(crate) report: Report,
}

/// The key of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Unissued,
    With(Holding),
}

impl<'a> Run<'a> {
    pub(crate) fn new(client: &'a Client, emulator: &'a Emulator, most_requests: u64) -> Self {
        let unissued = format!("k_live_{}", random::lower_alphanumeric(32));
        Run {
            client,
            emulator,
            most_requests,
            keys: BTreeMap::new(),
            unissued,
            without_scopes: Vec::new(),
            report: Report::default(),
        }
    }

    /// Sends one request.
    pub(crate) async fn send(
        &mut self,
        method: &Method,
        inputs: &Inputs,
        key: Option<(&Placement, &Key)>,
    ) -> Result<Reply, Stop> {
        if self.report.requests >= self.most_requests {
            return Err(Stop::Limit);
        }
        self.report.requests += 1;
        let key = key.map(|(placement, key)| (placement, self.secret(key)));
        let key = key.as_ref().map(|(placement, secret)| (*placement, secret.as_str()));
        self.client.send(method, inputs, key).await.map_err(Stop::Silence)
    }

    /// Whether the server has asked the emulator about this key.
    pub(crate) fn was_verified(&self, key: &Holding) -> bool {
        self.keys.get(key).is_some_and(|secret| self.emulator.verify_calls_for(secret) > 0)
    }

    /// Notes that a refusal of this operation names no scopes.
    pub(crate) fn note_without_scopes(&mut self, operation: &str) {
        if self.without_scopes.last().is_none_or(|last| last != operation) {
            self.without_scopes.push(operation.to_owned());
        }
    }

    /// The report, without a secret in it, whatever the server has sent back.
    pub(crate) fn finished(mut self) -> Report {
        if !self.without_scopes.is_empty() {
            let note = format!(
                "refusals for lack of scopes have no readable `required_scopes` in a body of JSON, so only what they let in \
                 was compared: {}",
                self.without_scopes.join(", ")
            );
            self.report.notes.push(note);
        }
        self.report.hide(self.keys.values().chain([&self.unissued]).map(String::as_str));
        self.report
    }

    /// The secret of a key. A key is made once, so that the server verifies it once.
    fn secret(&mut self, key: &Key) -> String {
        let Key::With(holding) = key else { return self.unissued.clone() };
        if let Some(secret) = self.keys.get(holding) {
            return secret.clone();
        }
        let mut specification = KeySpecification::new("probe");
        // For a key without scopes, Kinde also answers `null`, and that must not break the server.
        if !holding.scopes.is_empty() {
            specification = specification.scopes(holding.scopes.clone());
        }
        let Owner { organization, user } = holding.owner;
        if organization {
            specification = specification.organization("org_probe");
        }
        if user {
            specification = specification.user("kp_probe");
        }
        let secret = self.emulator.create_key(specification).secret;
        self.keys.insert(holding.clone(), secret.clone());
        secret
    }
}
