//! Puts servers under load in turns, so that a disturbance hits all of them.

use std::io::{self, IsTerminal as _, Write as _};

use super::Bench;
use super::child::Server;
use super::wrk::{Keys, Seen};
use crate::report::{Bound, Finding, Load, Spread, Unit};

/// If more than this part of one core had nothing to do, the load did not use the server up, so its requests a second
/// say nothing. Changing turns takes some of it.
const MOST_IDLE: f64 = 0.1;

/// A kind of server, with its measurements round by round.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) rounds: Vec<Round>,
    /// Under load alone, because there are no latencies in slices of time.
    undisturbed: Option<Seen>,
}

/// One server in one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) seen: Seen,
    /// Seconds.
    processor_time: Option<f64>,
}

/// One server compared with another, round by round: the ratio of requests, and the inverse ratio of processor time.
#[derive(Debug, Default)]
pub(super) struct Ratios {
    pub(super) rates: Vec<f64>,
    pub(super) processor_times: Vec<f64>,
}

impl Round {
    fn microseconds_per_request(&self) -> Option<f64> {
        Some(self.processor_time? * 1e6 / self.seen.requests as f64)
    }

    /// The part of a core that the server used.
    fn processor_part(&self) -> Option<f64> {
        Some(self.processor_time? / self.seen.seconds())
    }
}

impl Contender {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, rounds: Vec::new(), undisturbed: None }
    }

    /// Puts such a server under load once, alone.
    pub(super) fn take_turn(
        &mut self,
        bench: &Bench,
        server: &Server,
        keys: Keys,
        seconds: u64,
    ) -> Result<Round, String> {
        let before = server.processor_time();
        let seen = bench.wrk.run(server.address, keys, seconds, bench.server_core)?;
        self.undisturbed = Some(seen);
        self.note(server, seen, keys, before)
    }

    /// Records a measurement. `before` is the server's processor time before the load.
    fn note(
        &mut self,
        server: &Server,
        seen: Seen,
        keys: Keys,
        before: Option<f64>,
    ) -> Result<Round, String> {
        let after = server.processor_time();
        if seen.broken > 0 || seen.requests == 0 {
            return Err(format!(
                "{}: {} of {} requests had no answer",
                self.name, seen.broken, seen.requests
            ));
        }
        let expected = if matches!(keys, Keys::Junk(_)) { seen.requests } else { 0 };
        if seen.refused.abs_diff(expected) > expected / 100 {
            return Err(format!(
                "{}: {} of {} requests were refused",
                self.name, seen.refused, seen.requests
            ));
        }
        let processor_time = before.zip(after).map(|(before, after)| after - before);
        let round = Round { seen, processor_time };
        self.rounds.push(round);
        Ok(round)
    }

    pub(super) fn load(&self) -> Result<Load, String> {
        let spread = |figure: &dyn Fn(&Round) -> Option<f64>| {
            Spread::of(&self.rounds.iter().filter_map(figure).collect::<Vec<_>>())
        };
        let needed = || format!("{} was never measured", self.name);
        Ok(Load {
            server: self.name.to_owned(),
            requests_per_second: spread(&|round| Some(round.seen.rate())).ok_or_else(needed)?,
            processor_percent: spread(&|round| Some(round.processor_part()? * 100.0)),
            microseconds_per_request: spread(&Round::microseconds_per_request),
            median_latency: self.undisturbed.map(|seen| seen.median / 1000.0),
            high_latency: self.undisturbed.map(|seen| seen.high / 1000.0),
        })
    }

    /// The ratios of this server to another one.
    pub(super) fn against(&self, other: &Self) -> Ratios {
        let mut ratios = Ratios::default();
        for (own, other) in self.rounds.iter().zip(&other.rounds) {
            ratios.add(own, other);
        }
        ratios
    }

    /// The least processor time per request of all rounds.
    fn quietest(&self) -> Option<f64> {
        let times: Vec<f64> = self.rounds.iter().filter_map(Round::microseconds_per_request).collect();
        Spread::of(&times).map(|times| times.lowest)
    }

    fn is_saturated(&self) -> bool {
        let parts: Vec<f64> = self.rounds.iter().filter_map(|round| round.seen.idle_part()).collect();
        // Without this figure, requests a second are the best that there is.
        Spread::of(&parts).is_none_or(|parts| parts.median <= MOST_IDLE)
    }
}

impl Ratios {
    pub(super) fn add(&mut self, own: &Round, other: &Round) {
        self.rates.push(own.seen.rate() / other.seen.rate());
        let times = own.microseconds_per_request().zip(other.microseconds_per_request());
        self.processor_times.extend(times.map(|(own, other)| other / own));
    }
}

/// One round: each server is under load in turns of a quarter of a second. Every other round reverses the order. In
/// the last round each also runs alone for a while, unless the run is quick. The first server is the reference, and
/// its differences from round to round are noise.
pub(super) fn take_turns(
    bench: &Bench,
    round: u64,
    contenders: &mut [Contender],
    servers: &[Server],
    mut keys: impl FnMut() -> Keys,
) -> Result<(), String> {
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    if !round.is_multiple_of(2) {
        order.reverse();
    }
    let loads: Vec<_> = order.iter().map(|index| (servers[*index].address, keys())).collect();
    let before: Vec<_> = order.iter().map(|index| servers[*index].processor_time()).collect();
    let seen = bench.wrk.run_in_slices(&loads, bench.seconds, bench.server_core)?;
    for (position, index) in order.into_iter().enumerate() {
        contenders[index].note(&servers[index], seen[position], loads[position].1, before[position])?;
    }
    if round + 1 == bench.rounds && !bench.quick {
        for (contender, server) in contenders.iter_mut().zip(servers) {
            contender.undisturbed =
                Some(bench.wrk.run(server.address, keys(), bench.seconds, bench.server_core)?);
        }
    }
    Ok(())
}

/// Records how a bare server differs from itself.
pub(super) fn note_noise(bench: &mut Bench, bare: &Contender) {
    for pair in bare.rounds.windows(2) {
        bench.noise.add(&pair[1], &pair[0]);
    }
}

/// The ratios of the first server to the second. The bound is for requests a second if both servers were saturated,
/// and otherwise for processor time.
pub(super) fn findings(own: &Contender, other: &Contender, bound: Option<Bound>) -> Vec<Finding> {
    let ratios = own.against(other);
    let is_saturated = own.is_saturated() && other.is_saturated();
    let mut findings = Vec::new();
    let rates = (ratios.rates, "requests a second", is_saturated);
    let times = (ratios.processor_times, "processor time per request", !is_saturated);
    for (ratios, figure, counts) in [rates, times] {
        let Some(spread) = Spread::of(&ratios) else { continue };
        let finding = Finding::new(format!("{} / {}, {figure}", own.name, other.name), Unit::Ratio, spread);
        findings.push(match bound.filter(|_| counts) {
            Some(bound) if is_saturated => finding.bound(bound),
            Some(bound) => finding.bound(bound).note("the server was not saturated, so this figure counts"),
            None => finding,
        });
    }
    // A disturbance only adds to a server's time, so on a noisy machine its quietest round says most.
    if let Some((own_time, other_time)) = own.quietest().zip(other.quietest()) {
        let what = format!("{} / {}, processor time per request in the quietest round", own.name, other.name);
        findings.push(Finding::new(what, Unit::Ratio, Spread::exactly(other_time / own_time)));
    }
    findings
}

/// Shows the progress in one line. The next call replaces it.
pub(super) fn progress(what: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r{what:<78}\r");
        let _ = io::stderr().flush();
    }
}
