//! The state that a server keeps between requests.

use crate::answers::{CreatedRecord, Record};
use crate::data_set::{DataSet, Ticket, User};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many created records are kept. After that, the oldest one is dropped.
pub const MAX_CREATED: usize = 100;

/// The state of one server. It is cheap to clone, and every clone sees the same state.
#[derive(Debug, Clone)]
pub struct Store {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    data: DataSet,
    created: VecDeque<CreatedRecord>,
    created_so_far: u64,
}

impl Store {
    /// A store with the [reference data set](DataSet::reference).
    pub fn new() -> Self {
        Self::with(DataSet::reference())
    }

    /// A store that starts from other data.
    pub fn with(data: DataSet) -> Self {
        let state = State { data, created: VecDeque::new(), created_so_far: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The users, then the created records, oldest first.
    pub(crate) fn records(&self) -> Vec<Record> {
        let state = self.lock();
        let users = state.data.users.iter().cloned().map(Record::User);
        users.chain(state.created.iter().cloned().map(Record::Created)).collect()
    }

    /// Keeps a record under a new id.
    pub(crate) fn create(&self, mut fields: BTreeMap<String, Value>) -> CreatedRecord {
        fields.remove("id");
        let mut state = self.lock();
        state.created_so_far += 1;
        let record = CreatedRecord { id: format!("record_{}", state.created_so_far), fields };
        if state.created.len() == MAX_CREATED {
            state.created.pop_front();
        }
        state.created.push_back(record.clone());
        record
    }

    /// Runs a function on the users, under the lock.
    pub(crate) fn with_users<T>(&self, work: impl FnOnce(&mut Vec<User>) -> T) -> T {
        work(&mut self.lock().data.users)
    }

    /// Runs a function on the tickets of one organization, under the lock. An unknown organization has none.
    pub(crate) fn with_tickets<T>(&self, organization: &str, work: impl FnOnce(&mut [Ticket]) -> T) -> T {
        let mut state = self.lock();
        match state.data.organizations.iter_mut().find(|known| known.code == organization) {
            Some(known) => work(&mut known.tickets),
            None => work(&mut []),
        }
    }

    /// Ignores the poison of the lock. A request that panicked may have stopped halfway through a list, but each
    /// field is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_panics_does_not_take_the_server_down() {
        let store = Store::new();
        let clone = store.clone();
        let panicked = std::thread::spawn(move || clone.with_users(|_| panic!("on purpose"))).join();
        assert!(panicked.is_err());
        assert_eq!(store.records().len(), 5);
    }

    #[test]
    fn every_clone_sees_the_same_state() {
        let store = Store::new();
        store.clone().create(BTreeMap::new());
        assert_eq!(store.records().len(), 6);
    }
}
