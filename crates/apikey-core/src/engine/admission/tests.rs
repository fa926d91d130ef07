use std::collections::VecDeque;

use super::*;
use crate::client::Client;
use proptest::prelude::*;

const PATIENCE: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn settings(most_places: usize, most_queued: usize) -> AdmissionSettings {
    AdmissionSettings { most_places, most_queued, patience: PATIENCE }
}

fn client(number: usize) -> Option<Client> {
    Some(Client::of_address(
        std::net::Ipv4Addr::from_bits(0xc000_0200 + u32::try_from(number).unwrap()).into(),
        56,
    ))
}

/// A flight that asked for a place.
struct One {
    client: Option<Client>,
    turn: Arc<Turn>,
}

impl Admission {
    fn ask(&self, number: usize, has_answer: bool, now: Instant) -> Option<One> {
        let client = client(number);
        match self.apply(Applicant { client, has_answer, window: None, max_age: None }, now) {
            Admitted::Turn(turn) => Some(One { client, turn }),
            Admitted::Crowded => None,
            Admitted::Limited(_) => panic!("nobody counts here"),
        }
    }

    fn end(&self, one: &One, used: Used, now: Instant) {
        self.leave(one.client, &one.turn, used, now);
    }
}

/// Whether the turn has come. It is taken up by this.
fn has_come(one: &One) -> bool {
    matches!(one.turn.take(), Some(Decided::Come(_)))
}

#[test]
fn a_free_place_is_taken_at_once_and_the_queue_comes_next() {
    let (admission, now) = (Admission::new(settings(2, 2), Arc::default()), Instant::now());
    let all: Vec<Option<One>> = (0..5).map(|_| admission.ask(0, false, now)).collect();
    let come: Vec<Option<bool>> = all.iter().map(|one| one.as_ref().map(has_come)).collect();
    assert_eq!(come, [Some(true), Some(true), Some(false), Some(false), None]);
    admission.end(all[0].as_ref().unwrap(), Used::Judged(MILLISECOND), now);
    assert!(has_come(all[2].as_ref().unwrap()) && !has_come(all[3].as_ref().unwrap()));
    for one in all.iter().flatten() {
        admission.end(one, Used::Otherwise, now);
        admission.end(one, Used::Otherwise, now);
    }
    assert!(admission.is_empty(), "places are given back once each");
}

#[test]
fn a_client_alone_never_has_the_last_places() {
    let (admission, now) = (Admission::new(settings(64, 0), Arc::default()), Instant::now());
    let held: Vec<One> = (0..100).filter_map(|_| admission.ask(0, false, now)).collect();
    assert_eq!(held.len(), 60);
    assert_eq!((0..100).filter_map(|_| admission.ask(1, false, now)).count(), 4);
}

#[test]
fn while_others_wait_a_client_has_a_quarter_of_the_places() {
    let (admission, now) = (Admission::new(settings(8, 100), Arc::default()), Instant::now());
    let greedy: Vec<One> = (0..20).filter_map(|_| admission.ask(0, false, now)).collect();
    let modest: Vec<One> = (0..4).filter_map(|_| admission.ask(1, false, now)).collect();
    assert_eq!(modest.iter().filter(|one| has_come(one)).count(), 0);
    for one in greedy.iter().take(4) {
        assert!(has_come(one));
        admission.end(one, Used::Judged(MILLISECOND), now);
    }
    let come = modest.iter().filter(|one| has_come(one)).count();
    assert_eq!(come, 4, "each place that came free went to the client that had none");
}

#[test]
fn a_client_with_more_than_an_eighth_of_the_queue_makes_room() {
    let (admission, now) = (Admission::new(settings(1, 80), Arc::default()), Instant::now());
    let greedy: Vec<One> = (0..200).filter_map(|_| admission.ask(0, false, now)).collect();
    assert_eq!(greedy.len(), 81);
    let modest: Vec<One> = (0..20).filter_map(|_| admission.ask(1, false, now)).collect();
    assert_eq!(modest.len(), 10);
    let turned_away = greedy.iter().filter(|one| matches!(one.turn.take(), Some(Decided::Crowded))).count();
    assert_eq!(turned_away, 10);
    assert!(admission.ask(0, false, now).is_none());
}

#[test]
fn keys_with_a_stale_answer_go_first() {
    let (admission, now) = (Admission::new(settings(1, 10), Arc::default()), Instant::now());
    let first = admission.ask(0, false, now).unwrap();
    let cold = admission.ask(1, false, now).unwrap();
    let known = admission.ask(2, true, now).unwrap();
    admission.end(&first, Used::Judged(MILLISECOND), now);
    assert!(has_come(&known) && !has_come(&cold));
}

#[test]
fn a_flight_whose_turn_would_come_too_late_is_turned_away() {
    let (admission, mut now) = (Admission::new(settings(1, 1000), Arc::default()), Instant::now());
    let mut waiting = VecDeque::new();
    // One turn comes every 100 ms, and two flights.
    for _ in 0..30 {
        for _ in 0..2 {
            waiting.extend(admission.ask(0, false, now));
        }
        now += 100 * MILLISECOND;
        let holder = waiting.pop_front().unwrap();
        admission.end(&holder, Used::Judged(100 * MILLISECOND), now);
    }
    assert!((8..=12).contains(&waiting.len()), "{} wait for ten turns a second", waiting.len());
}

#[test]
fn overload_halves_the_places_and_successes_add_one() {
    let (admission, mut now) = (Admission::new(settings(64, 0), Arc::default()), Instant::now());
    let overload = |now| {
        let one = admission.ask(0, false, now).unwrap();
        admission.end(&one, Used::Overloaded, now);
    };
    (0..50).for_each(|_| overload(now));
    assert_eq!(admission.places(), 32, "nothing tells the usual time yet, so 100 ms are assumed");
    for expected in [16, 8, 4, 2, 1, 1] {
        now += 100 * MILLISECOND;
        overload(now);
        assert_eq!(admission.places(), expected);
    }
    let mut successes = 0;
    while admission.places() < 10 {
        let one = admission.ask(0, false, now).unwrap();
        admission.end(&one, Used::Judged(50 * MILLISECOND), now);
        successes += 1;
    }
    assert_eq!(successes, (1..10).sum::<u32>(), "a round of successes adds one");
    overload(now + 50 * MILLISECOND);
    assert_eq!(admission.places(), 10, "so many succeeded in the usual time");
    now += 200 * MILLISECOND;
    overload(now);
    assert_eq!(admission.places(), 5);
}

#[test]
fn a_rest_gives_the_place_up() {
    let (admission, now) = (Admission::new(settings(2, 10), Arc::default()), Instant::now());
    let resting = admission.ask(0, false, now).unwrap();
    let other = admission.ask(1, false, now).unwrap();
    let cold = admission.ask(0, false, now).unwrap();
    assert!(has_come(&resting) && has_come(&other) && !has_come(&cold));
    assert!(admission.rest(resting.client, &resting.turn, Used::Overloaded, now));
    assert!(!has_come(&cold), "overload halved the places");
    admission.end(&other, Used::Otherwise, now);
    assert!(has_come(&cold));
    admission.end(&cold, Used::Otherwise, now);
    let again = admission.apply_again(resting.client, false, now + PATIENCE, now);
    assert!(matches!(again.take(), Some(Decided::Come(_))));
}

#[test]
fn after_a_rest_a_key_comes_after_those_who_wait_already() {
    let (admission, now) = (Admission::new(settings(1, 10), Arc::default()), Instant::now());
    let under_way = admission.ask(0, false, now).unwrap();
    let cold = admission.ask(0, false, now).unwrap();
    let turn = admission.apply_again(client(0), false, now + 3 * PATIENCE, now);
    let again = One { client: client(0), turn };
    let mut before = under_way;
    for next in [cold, again] {
        assert!(!has_come(&next));
        admission.end(&before, Used::Otherwise, now);
        assert!(has_come(&next));
        before = next;
    }
}

#[test]
fn turns_go_round_among_clients_and_no_retry_has_them_all() {
    let (admission, now) = (Admission::new(settings(1, 100), Arc::default()), Instant::now());
    let odd = admission.ask(0, false, now).unwrap();
    let waiting: Vec<One> = (0..3).map(|_| admission.ask(0, false, now).unwrap()).collect();
    let others: Vec<One> = (1..4).map(|client| admission.ask(client, false, now).unwrap()).collect();
    assert!(has_come(&odd) && admission.rest(odd.client, &odd.turn, Used::Overloaded, now));
    let turn = admission.apply_again(odd.client, false, now + PATIENCE / 2, now);
    let odd = One { client: odd.client, turn };
    for other in &others {
        assert!(has_come(other) && !has_come(&odd), "its client had a turn already");
        admission.end(other, Used::Otherwise, now);
    }
    assert!(has_come(&waiting[0]) && !has_come(&odd));
    assert!(!waiting[1..].iter().any(has_come));
}

#[test]
fn overload_of_one_client_alone_does_not_slow_others() {
    let (admission, mut now) = (Admission::new(settings(64, 100), Arc::default()), Instant::now());
    let mut asks = |number, used, pause| {
        now += pause;
        let one = admission.ask(number, false, now).unwrap();
        admission.end(&one, used, now);
        admission.places()
    };
    let judged = Used::Judged(50 * MILLISECOND);
    // While it is the only client, it may be Kinde. Then a key of another client is judged.
    assert_eq!(asks(0, Used::Overloaded, MILLISECOND), 32);
    assert_eq!(asks(0, Used::Overloaded, 200 * MILLISECOND), 16);
    assert_eq!(asks(1, judged, 200 * MILLISECOND), 64);
    for _ in 0..20 {
        assert_eq!(asks(0, Used::Overloaded, 200 * MILLISECOND), 64);
        assert_eq!(asks(1, judged, 200 * MILLISECOND), 64);
    }
    // If others draw overload, too, it is Kinde.
    assert_eq!(asks(2, Used::Overloaded, 200 * MILLISECOND), 32);
    assert_eq!(asks(0, Used::Overloaded, 200 * MILLISECOND), 16);
    assert_eq!(asks(1, judged, 200 * MILLISECOND), 16);
    // It may be Kinde again if no other client's key was judged lately.
    assert_eq!(asks(0, Used::Overloaded, 5 * PATIENCE), 8);
}

#[test]
fn what_one_client_halved_is_halved_for_that_client_alone() {
    let (admission, now) = (Admission::new(settings(64, 0), Arc::default()), Instant::now());
    for round in 0..8 {
        let later = now + round * 200 * MILLISECOND;
        let one = admission.ask(0, false, later).unwrap();
        admission.end(&one, Used::Overloaded, later);
    }
    let later = now + 2 * PATIENCE;
    let culprit = admission.ask(0, false, later).unwrap();
    assert!(has_come(&culprit) && admission.ask(0, false, later).is_none(), "one place is left for it");
    assert!((0..10).all(|_| admission.ask(1, false, later).is_some_and(|one| has_come(&one))));
}

#[test]
fn one_client_alone_leaves_a_place_also_after_overload() {
    let (admission, now) = (Admission::new(settings(64, 0), Arc::default()), Instant::now());
    for (client, round) in [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)] {
        let later = now + round * 200 * MILLISECOND;
        let one = admission.ask(client, false, later).unwrap();
        admission.end(&one, Used::Overloaded, later);
    }
    let places = admission.places();
    assert!((2..16).contains(&places), "{places}");
    let later = now + PATIENCE;
    assert_eq!((0..64).filter_map(|_| admission.ask(0, false, later)).count(), places - 1);
    assert!(admission.ask(2, false, later).is_some());
}

#[test]
fn those_at_rest_count_towards_their_clients_share() {
    let (admission, now) = (Admission::new(settings(40, 80), Arc::default()), Instant::now());
    let flying: Vec<One> = (0..20).filter_map(|_| admission.ask(0, false, now)).collect();
    let other = admission.ask(1, false, now).unwrap();
    assert!(admission.rest(other.client, &other.turn, Used::Overloaded, now), "somebody else waits");
    let resting =
        flying.iter().filter(|one| admission.rest(one.client, &one.turn, Used::Overloaded, now)).count();
    assert_eq!(resting, 10, "an eighth of the queue");
}

proptest! {
    /// Whatever happens, no more places are taken than there are, no place is lost, and no flight waits while
    /// its client may take a free place.
    #[test]
    fn no_schedule_loses_a_place_or_leaves_one_unused(
        places in 1..9_usize,
        queued in 0..12_usize,
        steps in prop::collection::vec((0..6_u8, 0..4_usize, 0..300_u64), 0..300),
    ) {
        let admission = Admission::new(settings(places, queued), Arc::default());
        let mut now = Instant::now();
        let (mut flying, mut waiting): (Vec<One>, Vec<One>) = (Vec::new(), Vec::new());
        let mut resting: Vec<One> = Vec::new();
        for (what, number, milliseconds) in steps {
            match what {
                0 | 1 => waiting.extend(admission.ask(number, what == 1, now)),
                2 if !flying.is_empty() => {
                    let one = flying.swap_remove(number % flying.len());
                    admission.end(&one, Used::Judged(Duration::from_millis(milliseconds)), now);
                }
                3 if !flying.is_empty() => {
                    let one = flying.swap_remove(number % flying.len());
                    if admission.rest(one.client, &one.turn, Used::Overloaded, now) {
                        resting.push(one);
                    }
                }
                4 if !waiting.is_empty() => {
                    let one = waiting.swap_remove(number % waiting.len());
                    admission.end(&one, Used::Otherwise, now);
                }
                5 if !resting.is_empty() => {
                    let one = resting.swap_remove(number % resting.len());
                    let turn = admission.apply_again(one.client, number == 0, now + PATIENCE, now);
                    waiting.push(One { client: one.client, turn });
                }
                _ => now += Duration::from_millis(milliseconds),
            }
            let mut still = Vec::new();
            for one in waiting.drain(..) {
                match one.turn.take() {
                    Some(Decided::Come(_)) => flying.push(one),
                    Some(_) => {}
                    None => still.push(one),
                }
            }
            waiting = still;
            prop_assert!(flying.len() <= places);
            prop_assert_eq!(admission.taken(), flying.len());
            prop_assert!((1..=places).contains(&admission.places()));
            let inner = admission.lock();
            prop_assert_eq!(inner.shares.queued(), waiting.len());
            let is_full = inner.shares.taken() >= inner.places.count();
            prop_assert!(is_full || inner.shares.queued() == 0, "a place is free and somebody waits");
        }
        for one in flying.iter().chain(&waiting) {
            admission.end(one, Used::Otherwise, now);
        }
        resting.iter().for_each(|one| admission.stop_resting(one.client, now));
        prop_assert!(admission.is_empty());
    }
}
