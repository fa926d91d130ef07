//! A Kinde that serves ten calls at once, and refuses the others for the moment.

use std::time::Duration;

use apikey_testkit::emulator::ConcurrencyLimit;

use super::arrivals::{Arrival, Target, behind_a_proxy, good_keys};
use crate::report::Row;

const AT_ONCE: u64 = 10;
const LATENCY: Duration = Duration::from_millis(50);
const A_SECOND: usize = 300;
const SECONDS: usize = 10;
const COLD_START: usize = 200;

fn limit(retry_after: Option<u64>) -> ConcurrencyLimit {
    ConcurrencyLimit { most: AT_ONCE, latency: LATENCY, retry_after, rate_limit_reset: None }
}

pub(super) async fn ten_at_once(is_quick: bool) -> Result<Vec<Row>, String> {
    let seconds = if is_quick { SECONDS / 2 } else { SECONDS };
    let count = A_SECOND * seconds;
    let mut rows = Vec::new();
    for (clients, retry_after, part) in [(1, None, 1600), (20, None, 1600), (20, Some(1), 800)] {
        let world = behind_a_proxy(|builder| builder).await?;
        world.emulator.limit_concurrency(Some(limit(retry_after)));
        let keys = good_keys(&world.emulator, count);
        let every = Duration::from_secs(1) / u32::try_from(A_SECOND).unwrap_or(u32::MAX);
        let arrivals = Target::new(&world).at_a_rate(keys, clients, every).await?;
        let least = part * count / (A_SECOND * SECONDS);
        let (let_in, worst) = (arrivals.let_in(), arrivals.least_in_a_second());
        let overloads = world.emulator.counters().overload_answers;
        let whose = if clients == 1 { "one client".to_owned() } else { format!("{clients} clients") };
        let what = retry_after
            .map_or_else(|| "429".to_owned(), |seconds| format!("429 with Retry-After: {seconds}"));
        rows.push(Row::new(
            format!(
                "Kinde takes {AT_ONCE} calls of {LATENCY:?} at once and answers {what} beyond: {A_SECOND} cold keys a second \
                 for {seconds} s from {whose}"
            ),
            format!("at least {least} of {count} let in, some in every second"),
            format!(
                "{let_in} let in ({worst} in the worst second), {} × 503, {} otherwise; {overloads} × 429 from Kinde",
                arrivals.count(503),
                arrivals.0.len() - let_in - arrivals.count(503),
            ),
            let_in >= least && worst > 0,
        ));
    }
    for retry_after in [None, Some(1)] {
        let world = behind_a_proxy(|builder| builder).await?;
        world.emulator.limit_concurrency(Some(limit(retry_after)));
        let arrivals = Target::new(&world).at_once(good_keys(&world.emulator, COLD_START), 1).await?;
        let is_bound = retry_after.is_none();
        rows.push(Row::new(
            format!(
                "the same{}, {COLD_START} cold keys of one client at once after a start",
                if is_bound { "" } else { " with Retry-After: 1" }
            ),
            if is_bound { "all let in within 2 s" } else { "none is refused" },
            format!(
                "{} let in, slowest {:.2?}; {} × 503",
                arrivals.let_in(),
                arrivals.slowest(),
                arrivals.count(503)
            ),
            match is_bound {
                true => arrivals.all_let_in() && arrivals.slowest() <= Duration::from_secs(2),
                false => arrivals.let_in() + arrivals.count(503) == COLD_START,
            },
        ));
    }
    Ok(rows)
}

/// Kinde asks all callers for a minute of silence.
pub(super) async fn silence(is_quick: bool) -> Result<Vec<Row>, String> {
    let lasts = if is_quick { 10 } else { 60 };
    let world = behind_a_proxy(|builder| builder).await?;
    let target = Target::new(&world);
    let before = target.at_once(good_keys(&world.emulator, 5), 5).await?;
    world.emulator.ask_for_silence(lasts);
    // The service gets this answer, and then asks nothing until the minute is over.
    target.at_a_rate(good_keys(&world.emulator, 20), 20, Duration::from_millis(50)).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.emulator.reset_counters();
    let left = Duration::from_secs(lasts.saturating_sub(5));
    let every = Duration::from_millis(50);
    let count = usize::try_from(left.as_millis() / every.as_millis()).unwrap_or_default();
    let meanwhile = target.at_a_rate(good_keys(&world.emulator, count), 20, every).await?;
    let calls = world.emulator.counters().verify_calls;
    // The silence began some seconds before the first of these. No caller is told to wait longer than what is left of
    // it.
    let is_told_the_rest = meanwhile.0.iter().all(|arrival| {
        let left = (lasts as f64 - arrival.at.as_secs_f64()).ceil();
        arrival.retry_after.is_some_and(|told| (left - 6.0..=left).contains(&(told as f64)))
    });
    let told =
        |arrival: Option<&Arrival>| arrival.and_then(|arrival| arrival.retry_after).unwrap_or_default();
    let (first, last) = (told(meanwhile.0.first()), told(meanwhile.0.last()));
    Ok(vec![Row::new(
        format!("Kinde asks everybody for {lasts} s of silence, 20 cold keys a second"),
        "once everybody has heard of it, at most 2 calls within them; callers are told the rest of it",
        format!(
            "{calls} calls, {} × 503 that say {first} s at first and {last} s at last, {} let in; before: {} let in",
            meanwhile.count(503),
            meanwhile.let_in(),
            before.let_in()
        ),
        calls <= 2 && is_told_the_rest && meanwhile.count(503) == meanwhile.0.len() && before.all_let_in(),
    )])
}
