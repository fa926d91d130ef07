//! What a test does to a store in memory.

use std::time::Duration;

use apikey_core::fleet::{Entry, Name, Record, StoreError, StoreTime};

use super::memory::MemoryStore;

/// Faults of one client.
impl MemoryStore {
    /// Every call of this client fails so, or succeeds again.
    pub fn set_fault(&self, fault: impl Into<Option<StoreError>>) {
        self.line.lock().fault = fault.into();
    }

    /// Every append of this client fails so, or succeeds again. Its other calls work.
    pub fn set_fault_of_appends(&self, fault: impl Into<Option<StoreError>>) {
        self.line.lock().fault_of_appends = fault.into();
    }

    /// Every call of this client fails at once, as if nobody answered, or succeeds again.
    pub fn set_unavailable(&self, is_unavailable: bool) {
        let fault = StoreError::Unavailable("a test has cut the line".to_owned());
        self.set_fault(is_unavailable.then_some(fault));
    }

    /// A call of this client takes this long to the server, and its reply takes this long back. If the caller gives up, the
    /// server does it nevertheless.
    pub fn set_delays(&self, there: Duration, back: Duration) {
        let mut state = self.line.lock();
        (state.there, state.back) = (there, back);
    }
}

/// Faults of the server, for all its clients.
impl MemoryStore {
    /// Changes the clock by so many milliseconds, also backwards.
    pub fn jump_clock(&self, milliseconds: i64) {
        self.lock().clock += i128::from(milliseconds);
    }

    /// The server has no memory left, or has some again. The log works nevertheless.
    pub fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// All logs are gone. The entries and the run stay.
    pub fn lose_logs(&self) {
        self.lock().logs.clear();
    }

    /// All entries are gone. The logs and the run stay.
    pub fn lose_entries(&self) {
        self.lock().entries.clear();
    }

    /// Another run of a server answers from now on, with everything that this one had.
    pub fn begin_another_run(&self) {
        self.lock().run += 1;
    }

    /// Another server takes over. It never got the last records of each log: so many of them.
    pub fn fail_over(&self, lost_records: usize) {
        let mut server = self.lock();
        server.run += 1;
        for log in server.logs.values_mut() {
            let kept = log.len().saturating_sub(lost_records);
            log.truncate(kept);
        }
    }

    /// Does this to the entry under each name, as somebody would who can write to the server.
    pub fn change_entries(&self, mut change: impl FnMut(&Name, &mut Entry)) {
        self.lock().entries.iter_mut().for_each(|(name, (entry, _))| change(name, entry));
    }

    /// Puts an entry under a name, whatever is there.
    pub fn put_entry(&self, name: Name, entry: Entry, keep_until: StoreTime) {
        self.lock().entries.insert(name, (entry, keep_until));
    }

    /// The entries, with their names.
    #[must_use]
    pub fn entries(&self) -> Vec<(Name, Entry)> {
        self.lock().entries.iter().map(|(name, (entry, _))| (*name, entry.clone())).collect()
    }

    /// Does this to each record, as somebody would who can write to the server.
    pub fn change_records(&self, mut change: impl FnMut(&mut Record)) {
        self.lock().logs.values_mut().flatten().for_each(|(_, _, record)| change(record));
    }

    /// The records of this log, oldest first.
    #[must_use]
    pub fn records(&self, log: &Name) -> Vec<Record> {
        let server = self.lock();
        server.logs.get(log).into_iter().flatten().map(|(_, _, record)| record.clone()).collect()
    }

    /// The names of all logs.
    #[must_use]
    pub fn logs(&self) -> Vec<Name> {
        self.lock().logs.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use apikey_core::fleet::FleetStore as _;

    use super::*;

    const LOG: Name = Name([1; 16]);
    const HOUR: Duration = Duration::from_secs(3600);

    fn record(number: u8) -> Record {
        Record { id: [number; 16], origin: [number; 16], sealed: vec![number] }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_done_though_its_caller_gave_up() {
        let store = MemoryStore::new();
        store.set_delays(Duration::from_millis(100), Duration::ZERO);
        let records = [record(1)];
        let given_up = tokio::time::timeout(Duration::from_millis(50), store.append(&LOG, &records, HOUR));
        assert!(given_up.await.is_err());
        assert!(store.records(&LOG).is_empty());
        tokio::time::sleep(Duration::from_millis(51)).await;
        assert_eq!(store.records(&LOG), [record(1)]);
    }

    #[tokio::test]
    async fn a_fault_of_one_client_spares_the_others() {
        let one = MemoryStore::new();
        let other = one.other_client();
        one.set_unavailable(true);
        assert!(matches!(one.pull(&LOG, None).await, Err(StoreError::Unavailable(_))));
        assert!(other.pull(&LOG, None).await.is_ok());
        one.set_unavailable(false);
        assert!(one.pull(&LOG, None).await.is_ok());
        assert_eq!(one.calls().pulls, 3);
    }

    #[tokio::test]
    async fn a_fail_over_loses_the_last_records_and_changes_the_run() {
        let store = MemoryStore::new();
        store.append(&LOG, &[record(1), record(2)], HOUR).await.unwrap();
        let before = store.pull(&LOG, None).await.unwrap();
        store.fail_over(1);
        let after = store.pull(&LOG, Some(&before.records[0].0)).await.unwrap();
        assert!(after.goes_on && after.records.is_empty() && after.run != before.run);
        let lost = store.pull(&LOG, Some(&before.records[1].0)).await.unwrap();
        assert!(!lost.goes_on);
        store.lose_logs();
        assert!(store.pull(&LOG, None).await.unwrap().records.is_empty());
    }

    #[tokio::test]
    async fn a_full_server_appends_and_keeps_nothing() {
        let store = MemoryStore::new();
        store.set_full(true);
        let entry = Entry { asked_at: store.now(), sealed: Vec::new() };
        assert!(matches!(store.keep(&LOG, &entry, HOUR).await, Err(StoreError::Full(_))));
        assert!(matches!(store.take(&LOG, 1, HOUR).await, Err(StoreError::Full(_))));
        assert!(store.append(&LOG, &[record(1)], HOUR).await.is_ok());
        assert_eq!(store.pull(&LOG, None).await.unwrap().records.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_back_turns_no_places_back() {
        let store = MemoryStore::new();
        store.append(&LOG, &[record(1)], HOUR).await.unwrap();
        let before = store.now();
        store.jump_clock(-5_000);
        store.append(&LOG, &[record(2)], HOUR).await.unwrap();
        let shown = store.pull(&LOG, None).await.unwrap();
        assert_eq!(shown.now.milliseconds, before.milliseconds - 5_000);
        assert_eq!(shown.records.iter().map(|(_, _, record)| record.sealed[0]).collect::<Vec<_>>(), [1, 2]);
        assert_ne!(shown.records[0].0.place, shown.records[1].0.place);
    }
}
