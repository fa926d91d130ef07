//! The promises of stores notice a store that breaks them.
#![cfg(feature = "fleet")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apikey_core::fleet::{
    Entry, FleetStore, Looked, Name, Pulled, Record, StoreError, StoreTime, Taken, Tip, WindowId,
};
use apikey_testkit::store::{MemoryStore, StoreSubject, promises};
use async_trait::async_trait;
use promises::{calls, entries, log, windows};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Every try to append is taken for a new removal.
    AppendsTwice,
    /// A place counts without its id.
    BelievesPlaces,
    /// A pull shows the log as it was at the pull before.
    ShowsTheLogLate,
    /// Nothing leaves the log.
    DropsNothing,
    /// Pages end without a word.
    HidesPages,
    /// Every pull is said to come from another run.
    ChangesRuns,
    /// The last one that is kept stays.
    KeepsTheLastEntry,
    KeepsEntriesForEver,
    /// All entries have one name.
    MixesEntriesUp,
    /// One attempt more than the limit.
    CountsTooMany,
    KeepsWindowsForEver,
    /// Nothing is given back.
    GivesNothingBack,
    /// Attempts that stay counted are given back, too.
    GivesEverythingBack,
    /// The clock stands.
    StopsTheClock,
    FailsItsCheck,
}

#[derive(Clone)]
struct Flawed {
    flaw: Flaw,
    inner: MemoryStore,
    earlier: Arc<Mutex<Option<Pulled>>>,
}

impl StoreSubject for Flawed {
    fn client(&self) -> Arc<dyn FleetStore> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl FleetStore for Flawed {
    async fn look(&self, name: &Name) -> Result<Looked, StoreError> {
        let name = if self.flaw == Flaw::MixesEntriesUp { &Name([0; 16]) } else { name };
        let mut looked = self.inner.look(name).await?;
        if self.flaw == Flaw::StopsTheClock {
            looked.now = StoreTime { milliseconds: 1 };
        }
        Ok(looked)
    }

    async fn keep(&self, name: &Name, entry: &Entry, keep_for: Duration) -> Result<(), StoreError> {
        if self.flaw == Flaw::KeepsTheLastEntry {
            self.inner.put_entry(*name, entry.clone(), StoreTime { milliseconds: u64::MAX });
            return Ok(());
        }
        let name = if self.flaw == Flaw::MixesEntriesUp { &Name([0; 16]) } else { name };
        let keep_for = if self.flaw == Flaw::KeepsEntriesForEver { HOUR } else { keep_for };
        self.inner.keep(name, entry, keep_for).await
    }

    async fn append(&self, log: &Name, records: &[Record], keep_for: Duration) -> Result<(), StoreError> {
        let keep_for = if self.flaw == Flaw::DropsNothing { HOUR } else { keep_for };
        let mut records = records.to_vec();
        if self.flaw == Flaw::AppendsTwice {
            records.iter_mut().for_each(|record| record.origin = record.id);
        }
        self.inner.append(log, &records, keep_for).await
    }

    async fn pull(&self, log: &Name, tip: Option<&Tip>) -> Result<Pulled, StoreError> {
        let mut pulled = match (self.flaw, tip) {
            (Flaw::BelievesPlaces, Some(tip)) => {
                let all = self.inner.pull(log, None).await?;
                let known = all.records.into_iter().map(|(known, _, _)| known);
                let known = known.into_iter().find(|known| known.place == tip.place);
                self.inner.pull(log, known.as_ref()).await?
            }
            _ => self.inner.pull(log, tip).await?,
        };
        match self.flaw {
            Flaw::HidesPages => pulled.more = false,
            Flaw::ChangesRuns => pulled.run = format!("{:?}", pulled.records.len()),
            Flaw::ShowsTheLogLate => {
                let mut earlier = self.earlier.lock().unwrap();
                return Ok(earlier.replace(pulled.clone()).unwrap_or(pulled));
            }
            _ => {}
        }
        Ok(pulled)
    }

    async fn hint(&self, log: &Name) {
        self.inner.hint(log).await;
    }

    async fn take(&self, name: &Name, limit: u32, window: Duration) -> Result<Taken, StoreError> {
        let limit = if self.flaw == Flaw::CountsTooMany { limit + 1 } else { limit };
        if self.flaw == Flaw::KeepsWindowsForEver {
            let taken = self.inner.take(name, limit, HOUR).await?;
            return Ok(match taken {
                Taken::Full { resets_in, is_used_up } => {
                    Taken::Full { resets_in: resets_in.min(window), is_used_up }
                }
                counted => counted,
            });
        }
        self.inner.take(name, limit, window).await
    }

    async fn end_attempt(&self, name: &Name, window: WindowId, is_used: bool) -> Result<(), StoreError> {
        if self.flaw == Flaw::GivesNothingBack {
            return Ok(());
        }
        if self.flaw == Flaw::GivesEverythingBack {
            return self.inner.end_attempt(name, window, false).await;
        }
        self.inner.end_attempt(name, window, is_used).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        if self.flaw == Flaw::FailsItsCheck {
            return Err(StoreError::Unavailable("it never works".to_owned()));
        }
        self.inner.check().await
    }
}

/// Whether a promise notices a flaw, and no flaw where there is none.
fn notices<F: Future<Output = ()>>(flaw: Flaw, promise: impl Fn(Flawed) -> F) -> bool {
    let is_broken = |flaw| {
        let subject = Flawed { flaw, inner: MemoryStore::new(), earlier: Arc::default() };
        catch_unwind(AssertUnwindSafe(|| promises::run(promise(subject)))).is_err()
    };
    is_broken(flaw) && !is_broken(Flaw::None)
}

macro_rules! noticed {
    ($($test:ident: $flaw:ident breaks $theme:ident::$promise:ident;)*) => {
        $(
            #[test]
            fn $test() {
                assert!(notices(Flaw::$flaw, async |subject: Flawed| $theme::$promise(&subject).await));
            }
        )*
    };
}

noticed! {
    a_record_that_is_appended_twice_is_noticed: AppendsTwice breaks log::an_origin_is_appended_once;
    a_place_without_its_id_is_noticed: BelievesPlaces breaks log::a_tip_with_another_id_is_another_log;
    a_late_log_is_noticed: ShowsTheLogLate breaks log::what_was_appended_is_in_every_later_pull;
    a_log_that_grows_is_noticed: DropsNothing breaks log::old_records_are_dropped_but_not_the_newest_of_them;
    a_hidden_page_is_noticed: HidesPages breaks log::many_records_come_in_pages;
    another_name_of_a_run_is_noticed: ChangesRuns breaks log::a_run_keeps_its_name;
    an_entry_from_before_is_noticed: KeepsTheLastEntry breaks entries::a_later_entry_stays;
    an_entry_that_never_ends_is_noticed: KeepsEntriesForEver breaks entries::an_entry_ends_after_its_time;
    one_name_for_all_entries_is_noticed: MixesEntriesUp breaks entries::entries_have_names_of_their_own;
    a_mixed_up_reply_is_noticed: MixesEntriesUp breaks calls::each_reply_goes_to_its_own_caller;
    a_clock_that_stands_is_noticed: StopsTheClock breaks entries::the_clock_goes_on;
    an_attempt_too_many_is_noticed: CountsTooMany breaks windows::a_window_fills;
    a_crowd_that_takes_too_many_is_noticed: CountsTooMany breaks windows::no_crowd_takes_more_than_the_limit;
    a_window_that_never_ends_is_noticed: KeepsWindowsForEver breaks windows::a_window_ends_after_its_time;
    an_attempt_that_stays_counted_is_noticed: GivesNothingBack breaks windows::what_is_given_back_can_be_taken_again;
    a_used_attempt_that_is_given_back_is_noticed: GivesEverythingBack breaks windows::attempts_under_way_do_not_use_a_window_up;
    a_store_that_does_not_work_is_noticed: FailsItsCheck breaks calls::a_store_that_works_passes_its_check;
}
