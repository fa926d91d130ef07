//! Whether a slow upstream slows down callers with cached keys, and what happens to the others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Bench;
use super::compare::{Contender, findings, progress};
use super::single::{connect, new_key, request};
use super::stampede::answers;
use super::wrk::Keys;
use crate::report::{Bound, Finding, Section, Spread, Unit};

const UPSTREAM_MILLISECONDS: u64 = 2000;
const SEED: u64 = 10_000;
/// The time between two new keys. At this rate 100 verifications would be in flight at once.
const INTERVAL: Duration = Duration::from_millis(20);

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    bench.upstream.reset(0)?;
    let [mut quiet, mut disturbed] = ["cached alone", "with new keys"].map(Contender::new);
    let (alone, crowded) =
        (bench.server(framework, "scoped", SEED)?, bench.server(framework, "scoped", SEED)?);
    bench.upstream.reset(UPSTREAM_MILLISECONDS)?;
    let seconds = bench.seconds.max(3);
    for server in [&alone, &crowded] {
        bench.wrk.run(server.address, Keys::Good(SEED), 1, bench.server_core)?;
    }
    let rounds = if bench.quick { 1 } else { bench.rounds.min(5) };
    let mut statuses = BTreeMap::new();
    for round in 0..rounds {
        progress(&format!("slow/{framework}: round {} of {rounds}", round + 1));
        quiet.take_turn(bench, &alone, Keys::Good(SEED), seconds)?;
        let strangers = Strangers::start(crowded.address);
        // By now the number of verifications in flight has reached its maximum.
        thread::sleep(Duration::from_millis(UPSTREAM_MILLISECONDS));
        let turn = disturbed.take_turn(bench, &crowded, Keys::Good(SEED), seconds);
        for (status, count) in strangers.stop() {
            *statuses.entry(status).or_default() += count;
        }
        turn?;
    }
    progress("");
    let mut findings = findings(&disturbed, &quiet, Some(Bound::AtLeast(0.95)));
    let total: u64 = statuses.values().sum();
    let strangers = Finding::new("requests with new keys", Unit::Count, Spread::exactly(total as f64));
    findings.push(strangers.note(answers(&statuses)));
    Ok(vec![Section {
        name: format!("slow/{framework}"),
        title: format!(
            "cached keys, while 50 new keys a second wait for an upstream of {UPSTREAM_MILLISECONDS} ms"
        ),
        loads: vec![quiet.load()?, disturbed.load()?],
        findings,
    }])
}

/// Requests with new keys, one every [`INTERVAL`], each on a new connection.
struct Strangers {
    ending: Arc<AtomicBool>,
    sender: JoinHandle<BTreeMap<u16, u64>>,
}

impl Strangers {
    fn start(server: SocketAddr) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ending);
        let sender = thread::spawn(move || {
            let statuses = Mutex::new(BTreeMap::new());
            thread::scope(|scope| {
                while !ended.load(Ordering::Relaxed) {
                    scope.spawn(|| {
                        let status = status_of_new_key(server).unwrap_or(0);
                        *statuses
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .entry(status)
                            .or_default() += 1;
                    });
                    thread::sleep(INTERVAL);
                }
            });
            statuses.into_inner().unwrap_or_else(PoisonError::into_inner)
        });
        Self { ending, sender }
    }

    /// Ends it, waits for the outstanding answers, and returns how many there were by status. 0 means no answer.
    fn stop(self) -> BTreeMap<u16, u64> {
        self.ending.store(true, Ordering::Relaxed);
        self.sender.join().unwrap_or_default()
    }
}

fn status_of_new_key(server: SocketAddr) -> Result<u16, String> {
    let answer = connect(server)?.exchange(&request(&new_key())).map_err(|error| error.to_string())?;
    answer.status().ok_or_else(|| answer.first_line.clone())
}
