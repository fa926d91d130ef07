//! When answers may be missing or stale, and why: for all callers, and for single keys.

use std::collections::HashMap;
use std::time::Instant;

/// Why answers may be missing or stale for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Kinde cannot answer, or has too much to do: there may be no answer, and a stale one may serve.
    Outage,
    /// Kinde answers slowly: a stale answer may serve in the meantime, and every good key is accepted.
    Slow,
    /// One of several backends of Kinde hangs. Like `Slow`, but a few callers may get no answer. They are counted.
    Patchy,
    /// Kinde refuses the service's own set-up.
    SetUp,
    /// Kinde judges the keys that it knows. Its answers about all others are unreadable.
    UnknownUnjudged,
}

/// What Kinde answers about one key that it does not judge. This is the oracle's own reading of the classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// It is slow, has too much to do, or fails: a stale answer may serve.
    Unwell,
    /// Its answer judges nothing and says nothing about its health: a stale answer is forgotten.
    Unreadable,
}

#[derive(Debug, Clone, Copy)]
struct Period<T> {
    what: T,
    from: Instant,
    until: Option<Instant>,
}

impl<T: Copy> Period<T> {
    fn overlaps(&self, from: Instant, to: Instant) -> bool {
        self.from <= to && self.until.is_none_or(|until| until >= from)
    }

    fn end(&mut self, now: Instant) {
        self.until.get_or_insert(now);
    }

    fn matters(&self, before: Instant) -> bool {
        self.until.is_none_or(|until| until >= before)
    }
}

/// The troubles and their times.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    of_everybody: Vec<Period<Trouble>>,
    of_keys: HashMap<String, Vec<Period<Oddity>>>,
}

impl Troubles {
    pub(super) fn begin(&mut self, trouble: Trouble, from: Instant) {
        self.of_everybody.push(Period { what: trouble, from, until: None });
    }

    pub(super) fn stalled(&mut self, from: Instant, until: Instant) {
        self.of_everybody.push(Period { what: Trouble::Outage, from, until: Some(until) });
    }

    pub(super) fn begin_for(&mut self, secret: &str, oddity: Oddity, from: Instant) {
        let period = Period { what: oddity, from, until: None };
        self.of_keys.entry(secret.to_owned()).or_default().push(period);
    }

    /// Ends all troubles.
    pub(super) fn end(&mut self, now: Instant) {
        self.of_everybody.iter_mut().for_each(|period| period.end(now));
        self.of_keys.values_mut().flatten().for_each(|period| period.end(now));
    }

    pub(super) fn forget(&mut self, before: Instant) {
        self.of_everybody.retain(|period| period.matters(before));
        self.of_keys.retain(|_, periods| {
            periods.retain(|period| period.matters(before));
            !periods.is_empty()
        });
    }

    pub(super) fn shrink(&mut self) {
        self.of_everybody.shrink_to_fit();
        self.of_keys.shrink_to_fit();
    }

    /// Whether one of these troubles existed for all callers at some moment between the two.
    pub(super) fn any(&self, of: &[Trouble], from: Instant, to: Instant) -> bool {
        self.of_everybody.iter().any(|period| of.contains(&period.what) && period.overlaps(from, to))
    }

    /// The oddity of a key at some moment between the two.
    pub(super) fn oddities(&self, secret: &str, from: Instant, to: Instant) -> impl Iterator<Item = Oddity> {
        let periods = self.of_keys.get(secret).into_iter().flatten();
        periods.filter(move |period| period.overlaps(from, to)).map(|period| period.what)
    }

    /// In words: the troubles, with how long before `now` they were.
    pub(super) fn tell(&self, secret: &str, ago: impl Fn(Instant) -> String) -> String {
        let mut text = String::new();
        let mut line = |what: String, from: Instant, until: Option<Instant>| {
            let until = until.map_or_else(|| "now".to_owned(), &ago);
            text.push_str(&format!("    {}..{until}: {what}\n", ago(from)));
        };
        for period in &self.of_everybody {
            line(format!("{:?}", period.what), period.from, period.until);
        }
        for period in self.of_keys.get(secret).into_iter().flatten() {
            line(format!("this key is {:?}", period.what), period.from, period.until);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_trouble_matters_from_its_beginning_to_its_end() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut troubles = Troubles::default();
        troubles.begin(Trouble::Slow, start + 2 * second);
        troubles.begin_for("k", Oddity::Unwell, start + 2 * second);
        troubles.end(start + 4 * second);
        let slow =
            |from: u32, to: u32| troubles.any(&[Trouble::Slow], start + from * second, start + to * second);
        assert!(!slow(0, 1) && slow(1, 2) && slow(3, 3) && slow(4, 9) && !slow(5, 9));
        assert!(!troubles.any(&[Trouble::Outage, Trouble::SetUp], start, start + 9 * second));
        assert_eq!(troubles.oddities("k", start, start + 2 * second).count(), 1);
        assert_eq!(troubles.oddities("k", start + 5 * second, start + 9 * second).count(), 0);
        assert_eq!(troubles.oddities("other", start, start + 9 * second).count(), 0);
    }
}
