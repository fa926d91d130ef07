//! Notes every decision, with its moment.

use std::io::Write as _;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;

use apikey_core::{Authenticator, DecisionOutcome, DecisionRecord, Event, Observer, Verification};

use crate::clock::now;
use crate::history::{Accepted, Decision, Told, version_of};

/// The observer of an instance. A thread of its own writes, so that no request waits for the reader.
#[derive(Debug)]
pub(super) struct Notes {
    queue: Sender<Told>,
    /// Says whether the instance is linked.
    keys: OnceLock<Authenticator>,
}

impl Notes {
    pub(super) fn start() -> Result<Arc<Self>, String> {
        let (queue, told) = mpsc::channel::<Told>();
        let write = move || {
            let mut output = std::io::stdout().lock();
            for told in told {
                let Ok(mut line) = serde_json::to_vec(&told) else { continue };
                line.push(b'\n');
                if output.write_all(&line).and_then(|()| output.flush()).is_err() {
                    return; // Nobody reads.
                }
            }
        };
        thread::Builder::new().name("notes".to_owned()).spawn(write).map_err(|error| error.to_string())?;
        Ok(Arc::new(Self { queue, keys: OnceLock::new() }))
    }

    /// From now on, each decision is noted with what this authenticator says of its link.
    pub(super) fn ask(&self, keys: Authenticator) {
        self.keys.get_or_init(|| keys);
    }

    pub(super) fn tell(&self, told: Told) {
        let _ = self.queue.send(told);
    }

    fn decision(&self, decision: &DecisionRecord<'_>) -> Decision {
        let noted = now();
        let is_accepted = decision.outcome == DecisionOutcome::Accepted;
        let accepted = decision.key.filter(|_| is_accepted).map(|key| Accepted {
            key: key.key_id().to_owned(),
            answer: answer(key),
            version: version_of(key.scopes()).unwrap_or_default(),
            age: decision.age.map_or(0, |age| age.as_nanos() as u64),
            source: decision.source.map_or("", |source| source.as_str()).to_owned(),
        });
        Decision {
            noted,
            presented: decision.request_id.unwrap_or_default().to_owned(),
            accepted,
            code: decision.code.map(|code| code.as_str().to_owned()),
            linked: self.keys.get().is_some_and(is_linked),
        }
    }
}

impl Observer for Notes {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Decided(decision) => self.tell(Told::Decided(self.decision(decision))),
            Event::VerificationEnded(ended) => {
                if let Some(key) = ended.key {
                    let told =
                        Told::Verified { at: now(), key: key.key_id().to_owned(), answer: answer(key) };
                    self.tell(told);
                }
            }
            _ => {}
        }
    }

    fn hears_every_decision(&self) -> bool {
        true
    }
}

pub(super) fn is_linked(keys: &Authenticator) -> bool {
    keys.statistics().total("apikey.fleet.linked", &[]) == 1
}

/// Kinde counts its answers about a key.
fn answer(key: &Verification) -> u64 {
    key.verification_count().unwrap_or_default()
}
