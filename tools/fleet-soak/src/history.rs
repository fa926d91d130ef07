//! What happened, and when: one list of events of all instances, on one clock.

use serde::{Deserialize, Serialize};

use crate::clock::{Moment, Span};

/// The number of an instance, from 0.
pub type Instance = usize;

/// What a key is in Kinde. Each change has the next version. Every answer of Kinde's tells its version as a scope.
pub type Version = u64;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// Kinde has changed a key.
    Changed {
        /// When the change was made. Answers from before it have a lower version.
        at: Moment,
        /// Its key id.
        key: String,
        /// Its version from now on.
        version: Version,
    },
    /// Kinde begins to answer calls, or ends it.
    KindeAnswers {
        /// From when on.
        at: Moment,
        /// Whether it does.
        answers: bool,
    },
    /// The process of an instance has started, and knows nothing.
    Started {
        /// When.
        at: Moment,
        /// Which.
        instance: Instance,
    },
    /// An instance tells something.
    Told {
        /// Which.
        instance: Instance,
        /// What.
        what: Told,
    },
}

/// What an instance tells of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "told")]
pub enum Told {
    /// It listens.
    Ready {
        /// The port of its API.
        api: u16,
        /// The port for commands.
        commands: u16,
    },
    /// It has decided about a request.
    Decided(Decision),
    /// Kinde has accepted a key.
    Verified {
        /// When the answer had come.
        at: Moment,
        /// The key id.
        key: String,
        /// Which of Kinde's answers about the key it is.
        answer: u64,
    },
    /// It has removed a key, and obeys.
    Removed {
        /// When the removal was called.
        called: Moment,
        /// When the call had returned.
        returned: Moment,
        /// The key id.
        key: String,
        /// Answers with a lower version may not serve any more.
        version: Version,
    },
    /// The store has taken a removal.
    Taken {
        /// When the instance knew.
        at: Moment,
        /// The key id.
        key: String,
        /// The version of the removal.
        version: Version,
    },
}

/// A decision about one request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Decision {
    /// When it was noted, which is just after it was made.
    pub noted: Moment,
    /// The key id that the client has presented a key of. Empty if there is no such key.
    pub presented: String,
    /// The answer with which the request may pass.
    pub accepted: Option<Accepted>,
    /// The code of the denial.
    pub code: Option<String>,
    /// Whether the instance says that it hears of every removal.
    pub linked: bool,
}

/// The answer about a key with which a request may pass.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Accepted {
    /// The key id.
    pub key: String,
    /// Which of Kinde's answers about the key it is.
    pub answer: u64,
    /// The version that it tells.
    pub version: Version,
    /// How old the instance says it is.
    pub age: Span,
    /// Where the instance has it from.
    pub source: String,
}

/// The scope that tells a version.
#[must_use]
pub fn version_scope(version: Version) -> String {
    format!("version:{version:08}")
}

/// The version that these scopes tell.
pub fn version_of<'a>(mut scopes: impl Iterator<Item = &'a str>) -> Option<Version> {
    scopes.find_map(|scope| scope.strip_prefix("version:")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_scopes() {
        let scope = version_scope(17);
        assert_eq!(version_of(["read:users", &scope].into_iter()), Some(17));
        assert_eq!(version_of(["read:users"].into_iter()), None);
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let accepted =
            Accepted { key: "k".to_owned(), answer: 3, version: 2, age: 5, source: "hit".to_owned() };
        let decision =
            Decision { noted: 7, presented: "k".to_owned(), accepted: Some(accepted), ..Decision::default() };
        let event = Event::Told { instance: 1, what: Told::Decided(decision) };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
