//! The events that were handled, so that a repeated one is not handled again.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::event::{Event, OLDEST};

/// How many events are remembered at most.
const MOST_EVENTS: usize = 4096;
/// The longest id that is remembered, in bytes. Kinde's have about 40.
const LONGEST_ID: usize = 256;

/// Bounded in number and in time. To forget an event early is harmless: it is handled twice.
///
/// An event is known by its own id and its effect, which Kinde has signed. Kinde's id of a delivery (`webhook-id`) stands in a
/// header, so whoever has a webhook could send it again and again with other ids, or pass one event off as another.
#[derive(Default)]
pub(super) struct Handled(Mutex<Events>);

#[derive(Default)]
struct Events {
    known: HashSet<Arc<Event>>,
    /// The oldest come first.
    in_order: VecDeque<(Instant, Arc<Event>)>,
}

impl Handled {
    pub(super) fn has(&self, event: &Event, now: Instant) -> bool {
        let mut events = self.0.lock();
        events.forget(now);
        events.known.contains(event)
    }

    pub(super) fn add(&self, event: Event, now: Instant) {
        if event.longest_id() > LONGEST_ID {
            return;
        }
        let event = Arc::new(event);
        let mut events = self.0.lock();
        if events.known.insert(Arc::clone(&event)) {
            events.in_order.push_back((now, event));
        }
        events.forget(now);
    }
}

impl Events {
    fn forget(&mut self, now: Instant) {
        while let Some((at, event)) = self.in_order.front() {
            let is_old = now.saturating_duration_since(*at) >= OLDEST;
            if !is_old && self.in_order.len() <= MOST_EVENTS {
                return;
            }
            self.known.remove(event);
            self.in_order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Effect;
    use super::*;
    use std::time::Duration;

    fn event(id: &str) -> Event {
        Event { id: id.into(), effect: Effect::User("kp_1".into()) }
    }

    #[test]
    fn handled_events_are_bounded_in_number() {
        let (handled, now) = (Handled::default(), Instant::now());
        for number in 0..3 * MOST_EVENTS {
            handled.add(event(&number.to_string()), now);
        }
        let events = handled.0.lock();
        assert_eq!((events.known.len(), events.in_order.len()), (MOST_EVENTS, MOST_EVENTS));
        assert!(!events.known.contains(&event("0")), "the oldest goes first");
    }

    #[test]
    fn handled_events_are_forgotten_after_48_hours() {
        let (handled, now) = (Handled::default(), Instant::now());
        handled.add(event("1"), now);
        assert!(handled.has(&event("1"), now + OLDEST - Duration::from_secs(1)));
        assert!(!handled.has(&event("1"), now + OLDEST));
        assert!(handled.0.lock().known.is_empty());
    }

    #[test]
    fn an_id_of_any_length_takes_no_memory() {
        let (handled, now) = (Handled::default(), Instant::now());
        let long = "x".repeat(LONGEST_ID + 1);
        handled.add(event(&long), now);
        handled.add(Event { id: "1".into(), effect: Effect::Organization(long.into()) }, now);
        assert!(handled.0.lock().known.is_empty());
    }

    #[test]
    fn the_id_of_one_event_hides_no_other() {
        let (handled, now) = (Handled::default(), Instant::now());
        handled.add(event("1"), now);
        assert!(handled.has(&event("1"), now));
        for effect in [Effect::User("kp_2".into()), Effect::Organization("kp_1".into())] {
            assert!(!handled.has(&Event { id: "1".into(), effect }, now));
        }
    }
}
