//! Compares the whole decision with a bare look-up in `moka`, two threads with one, and the memory of different
//! numbers of keys. All are measured in one run and in turns, so that a disturbance hits both sides.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use apikey_core::{Authenticator, Policy, Verification};
use decision_bench::{bearer, decide, filled, random_order, secret, verification};
use serde::Serialize;

/// Look-ups per round.
const ROUND: usize = 1_000_000;

#[derive(Serialize)]
struct Row {
    what: String,
    bound: Option<String>,
    measured: String,
    value: f64,
    is_kept: Option<bool>,
}

pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let (mut is_quick, mut json) = (false, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "--quick" => is_quick = true,
            "--json" => json = Some(*arguments.next().ok_or("--json takes a file")?),
            unknown => return Err(format!("there is no option '{unknown}'")),
        }
    }
    let rounds = if is_quick { 5 } else { 15 };
    let mut rows = Vec::new();
    for keys in [10_000, 1_000_000] {
        eprintln!("{keys} keys ...");
        compare(keys, rounds, &mut rows)?;
    }
    print!("{}", table(&rows));
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        std::fs::write(file, text).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    Ok(())
}

fn compare(keys: u64, rounds: usize, rows: &mut Vec<Row>) -> Result<(), String> {
    let before = resident();
    let authenticator = filled(keys)?;
    if let (Some(before), Some(after), 1_000_000) = (before, resident(), keys) {
        let bytes = after.saturating_sub(before) as f64 / keys as f64;
        rows.push(Row {
            what: format!("memory for each of {keys} cached keys, resident"),
            bound: Some("400 bytes or less".to_owned()),
            measured: format!("{bytes:.0} bytes"),
            value: bytes,
            is_kept: Some(bytes <= 400.0),
        });
    }
    let policy = Policy::all(["read:users"]);
    let values: Vec<Vec<u8>> = (0..keys).map(bearer).collect();
    let secrets: Vec<String> = (0..keys).map(secret).collect();
    let order = random_order(keys, ROUND);

    let by_secret = moka::sync::Cache::builder().max_capacity(2 * keys).build();
    let by_number = moka::sync::Cache::builder().max_capacity(2 * keys).build();
    // The map of the engine's cache.
    let in_the_map = papaya::HashMap::with_capacity(order.len());
    for number in 0..keys {
        let answer: Arc<Verification> = Arc::new(verification(number));
        in_the_map.pin().insert(mixed(number), Arc::clone(&answer));
        by_secret.insert(secret(number), Arc::clone(&answer));
        by_number.insert(mixed(number), answer);
    }
    by_secret.run_pending_tasks();
    by_number.run_pending_tasks();

    let mut decisions = Vec::new();
    let (mut secret_look_ups, mut number_look_ups, mut map_look_ups) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        decisions.push(nanoseconds(&order, |number| decide_once(&authenticator, &policy, &values[number])));
        // The header of a real request has just arrived, so it is in the processor's cache. Here it is not, so the
        // bare look-ups read it, too.
        number_look_ups.push(nanoseconds(&order, |number| {
            black_box(read(&values[number]));
            black_box(by_number.get(&mixed(number as u64)));
        }));
        map_look_ups.push(nanoseconds(&order, |number| {
            black_box(read(&values[number]));
            black_box(in_the_map.pin().get(&mixed(number as u64)).cloned());
        }));
        secret_look_ups.push(nanoseconds(&order, |number| {
            black_box(by_secret.get(secrets[number].as_str()));
        }));
    }
    let decision = median(&decisions);
    rows.push(Row {
        what: format!("{keys} keys: the whole decision"),
        bound: None,
        measured: format!("{decision:.0} ns ({})", spread(&decisions)),
        value: decision,
        is_kept: None,
    });
    for (name, look_ups, bound) in [
        ("a bare moka look-up by a 128-bit number", &number_look_ups, Some(0.75)),
        ("a bare moka look-up by the secret as text", &secret_look_ups, None),
        ("a bare papaya look-up, the map of the cache itself", &map_look_ups, None),
    ] {
        let ratios: Vec<f64> = decisions.iter().zip(look_ups).map(|(ours, theirs)| ours / theirs).collect();
        let ratio = median(&ratios);
        rows.push(Row {
            what: format!("{keys} keys: the decision against {name}"),
            bound: bound.map(|bound| format!("{bound} or less")),
            measured: format!("{ratio:.2} ({}), which took {:.0} ns", spread(&ratios), median(look_ups)),
            value: ratio,
            is_kept: bound.map(|bound| ratio <= bound),
        });
    }
    drop((by_secret, by_number, in_the_map));
    if keys == 10_000 {
        for (name, hot, bound) in [("distinct keys", false, 1.8), ("one hot key", true, 1.3)] {
            let gain = gain(&authenticator, &policy, &values, &order, hot, rounds);
            let ratio = median(&gain);
            rows.push(Row {
                what: format!("two threads against one, {name}"),
                bound: Some(format!("{bound} or better")),
                measured: format!("{ratio:.2} ({})", spread(&gain)),
                value: ratio,
                is_kept: Some(ratio >= bound),
            });
        }
    }
    Ok(())
}

fn decide_once(authenticator: &Authenticator, policy: &Policy, value: &[u8]) {
    let decision = decide(authenticator, policy, value);
    assert!(matches!(decision, Some(Ok(_))), "not a hit: {decision:?}");
    black_box(&decision);
}

/// How much more two threads do than one, round by round.
fn gain(
    authenticator: &Authenticator,
    policy: &Policy,
    values: &[Vec<u8>],
    order: &[usize],
    hot: bool,
    rounds: usize,
) -> Vec<f64> {
    let throughput = |threads: usize| -> f64 {
        let start = Barrier::new(threads);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|worker| {
                    let start = &start;
                    scope.spawn(move || {
                        // Each thread starts at another point of the same order.
                        let (later, sooner) = order.split_at(worker * order.len() / 2);
                        start.wait();
                        let began = Instant::now();
                        for number in sooner.iter().chain(later) {
                            decide_once(authenticator, policy, &values[if hot { 0 } else { *number }]);
                        }
                        order.len() as f64 / began.elapsed().as_secs_f64()
                    })
                })
                .collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).sum()
        })
    };
    (0..rounds).map(|_| throughput(2) / throughput(1)).collect()
}

fn read(value: &[u8]) -> u8 {
    value.iter().fold(0, |all, byte| all ^ byte)
}

/// The time of each look-up of a round.
fn nanoseconds(order: &[usize], mut look_up: impl FnMut(usize)) -> f64 {
    let began = Instant::now();
    for number in order {
        look_up(*number);
    }
    began.elapsed().as_nanos() as f64 / order.len() as f64
}

fn mixed(number: u64) -> u128 {
    u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn spread(values: &[f64]) -> String {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(0.0, f64::max);
    if highest < 10.0 { format!("{lowest:.2}..{highest:.2}") } else { format!("{lowest:.0}..{highest:.0}") }
}

/// The resident set in bytes, if the system tells it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

fn table(rows: &[Row]) -> String {
    let mut table = "\n| what | bound | measured (median, lowest..highest of the rounds) | kept |\n| --- | --- | --- | --- |\n".to_owned();
    for Row { what, bound, measured, is_kept, .. } in rows {
        let kept = match is_kept {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let bound = bound.as_deref().unwrap_or("reported");
        let _ = writeln!(table, "| {what} | {bound} | {measured} | {kept} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), "1.00..3.00");
    }

    #[test]
    fn a_broken_bound_is_shown() {
        let row = |is_kept| Row {
            what: "w".to_owned(),
            bound: Some("b".to_owned()),
            measured: "m".to_owned(),
            value: 1.0,
            is_kept,
        };
        let table = table(&[row(Some(false)), row(Some(true))]);
        assert!(table.contains("| w | b | m | NO |\n| w | b | m | yes |"));
    }
}
