//! The rules of the link, one by one.

mod clocks;
mod confirming;
mod forgetting;
mod judging;
mod pacing;
mod telling;

use super::*;

const KEY: u8 = 0;
const OTHER_KEY: u8 = 1;

/// A link, with its clock and the store's in milliseconds since the beginning.
struct Case {
    link: Link,
    zero: Instant,
    now: u64,
    run: &'static str,
}

impl Case {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut LinkSettings)) -> Self {
        let zero = Instant::now() + Duration::from_secs(1_000_000);
        let mut settings = LinkSettings::new(Duration::from_secs(300));
        change(&mut settings);
        Self { link: Link::new(settings, &[7; 16], zero), zero, now: 0, run: "first" }
    }

    /// Linked at 3 s, with record 1 as the head.
    fn linked() -> Self {
        let mut case = Self::new();
        case.pull(false, &[nothing(1)]);
        case.pull_until(3_000);
        assert!(case.is_linked());
        case
    }

    /// Pulls every 250 ms at most, and at this moment.
    fn pull_until(&mut self, end: u64) -> Pulled {
        loop {
            self.now = end.min(self.now + 250);
            let pulled = self.pull(true, &[]);
            if self.now == end {
                return pulled;
            }
        }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.zero + Duration::from_millis(milliseconds)
    }

    fn instant(&self) -> Instant {
        self.at(self.now)
    }

    /// The store's clock is 1,000 s ahead.
    fn store_now(&self) -> StoreTime {
        StoreTime { milliseconds: 1_000_000 + self.now }
    }

    fn page(&self, goes_on: bool, records: &[Logged]) -> Page {
        Page {
            now: self.store_now(),
            run: self.run.to_owned(),
            goes_on,
            records: records.to_vec(),
            more: false,
        }
    }

    /// A pull that takes no time.
    fn pull(&mut self, goes_on: bool, records: &[Logged]) -> Pulled {
        let page = self.page(goes_on, records);
        self.pull_page(page)
    }

    fn pull_page(&mut self, page: Page) -> Pulled {
        let now = self.instant();
        let number = self.link.begin_pull(now).number;
        self.link.pulled(number, page, now)
    }

    fn is_linked(&self) -> bool {
        self.link.is_linked(self.instant())
    }

    /// The origins that an append takes now.
    fn append(&mut self) -> (u64, Vec<u8>) {
        if self.link.append_due_at(self.instant()).is_none_or(|due| due > self.instant()) {
            return (0, Vec::new());
        }
        let append = self.link.begin_append();
        (append.number, append.records.iter().map(|record| record.origin[0]).collect())
    }

    /// Judges an entry of `KEY` that was asked for at this moment.
    fn judge(&self, head: u8, asked: u64) -> Option<u64> {
        let now = self.instant();
        let entry = Travelled {
            head: [head; 16],
            asked_at: StoreTime { milliseconds: 1_000_000 + asked },
            store_now: self.store_now(),
            sent: now,
            received: now,
        };
        self.judge_entry(&entry)
    }

    fn judge_entry(&self, entry: &Travelled) -> Option<u64> {
        let concerns = |purge: &Purge| *purge == of_key(KEY) || *purge == Purge::Everything;
        let asked = self.link.judge(entry, self.instant(), concerns)?;
        Some(asked.duration_since(self.zero).as_millis() as u64)
    }
}

fn of_key(key: u8) -> Purge {
    Purge::KeyId(key.to_string().into())
}

/// A record whose id and origin are this number.
fn logged(number: u8, purge: Option<Purge>) -> Logged {
    let tip = Tip { place: number.to_string(), id: [number; 16] };
    Logged { tip, origin: [number; 16], at: StoreTime { milliseconds: 1_000_000 }, purge }
}

fn nothing(number: u8) -> Logged {
    logged(number, None)
}

fn removal(number: u8, key: u8) -> Logged {
    logged(number, Some(of_key(key)))
}
