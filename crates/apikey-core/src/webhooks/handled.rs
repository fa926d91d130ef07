//! The deliveries that were handled, so that a repeated one is not handled again.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::event::OLDEST;

/// How many deliveries are remembered at most.
const MOST_DELIVERIES: usize = 4096;
/// The longest id that is remembered, in bytes. Kinde's have about 40.
const LONGEST_ID: usize = 256;

/// Kinde's id of a delivery, and the id of its event. The first stands in a header, so anybody can choose it. The second is
/// signed. With both, nobody can pass one event off as another.
type Delivery = Arc<(Box<str>, Box<str>)>;

/// Bounded in number and in time. To forget a delivery early is harmless: it is handled twice.
#[derive(Default)]
pub(super) struct Handled(Mutex<Deliveries>);

#[derive(Default)]
struct Deliveries {
    known: HashSet<Delivery>,
    /// The oldest come first.
    in_order: VecDeque<(Instant, Delivery)>,
}

impl Handled {
    pub(super) fn has(&self, webhook_id: &str, event_id: &str, now: Instant) -> bool {
        let mut deliveries = self.0.lock();
        deliveries.forget(now);
        deliveries.known.contains(&(webhook_id.into(), event_id.into()))
    }

    pub(super) fn add(&self, webhook_id: &str, event_id: &str, now: Instant) {
        if webhook_id.len() > LONGEST_ID || event_id.len() > LONGEST_ID {
            return;
        }
        let delivery: Delivery = Arc::new((webhook_id.into(), event_id.into()));
        let mut deliveries = self.0.lock();
        if deliveries.known.insert(Arc::clone(&delivery)) {
            deliveries.in_order.push_back((now, delivery));
        }
        deliveries.forget(now);
    }
}

impl Deliveries {
    fn forget(&mut self, now: Instant) {
        while let Some((at, delivery)) = self.in_order.front() {
            let is_old = now.saturating_duration_since(*at) >= OLDEST;
            if !is_old && self.in_order.len() <= MOST_DELIVERIES {
                return;
            }
            self.known.remove(delivery);
            self.in_order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn handled_deliveries_are_bounded_in_number() {
        let (handled, now) = (Handled::default(), Instant::now());
        for number in 0..3 * MOST_DELIVERIES {
            handled.add(&number.to_string(), "event", now);
        }
        let deliveries = handled.0.lock();
        assert_eq!((deliveries.known.len(), deliveries.in_order.len()), (MOST_DELIVERIES, MOST_DELIVERIES));
        assert!(!deliveries.known.contains(&("0".into(), "event".into())), "the oldest goes first");
    }

    #[test]
    fn handled_deliveries_are_forgotten_after_48_hours() {
        let (handled, now) = (Handled::default(), Instant::now());
        handled.add("1", "event", now);
        assert!(handled.has("1", "event", now + OLDEST - Duration::from_secs(1)));
        assert!(!handled.has("1", "event", now + OLDEST));
        assert!(handled.0.lock().known.is_empty());
    }

    #[test]
    fn an_id_of_any_length_takes_no_memory() {
        let (handled, now) = (Handled::default(), Instant::now());
        let long = "x".repeat(LONGEST_ID + 1);
        handled.add(&long, "event", now);
        handled.add("1", &long, now);
        assert!(handled.0.lock().known.is_empty());
    }
}
