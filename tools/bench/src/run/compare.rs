//! Servers under load, taken in turns, so that what disturbs one disturbs all.

use std::io::{self, IsTerminal as _, Write as _};

use super::Bench;
use super::child::Server;
use super::wrk::{Keys, Seen};
use crate::report::{Bound, Finding, Load, Spread, Unit};

/// Below this part of its core a server had time left, so requests a second say nothing of it. Changing turns takes some of
/// the rest.
const SATURATED: f64 = 0.9;

/// A kind of server, and what was seen of it round by round.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) rounds: Vec<Round>,
    /// Under load alone: there are no latencies in slices of time.
    undisturbed: Option<Seen>,
}

/// One server in one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) seen: Seen,
    /// Seconds of processor time.
    processor_time: Option<f64>,
}

/// One server against another, round by round: how many times as many requests, or as little processor time.
#[derive(Debug, Default)]
pub(super) struct Ratios {
    pub(super) rates: Vec<f64>,
    pub(super) processor_times: Vec<f64>,
}

impl Round {
    fn microseconds_per_request(&self) -> Option<f64> {
        Some(self.processor_time? * 1e6 / self.seen.requests as f64)
    }

    /// The part of a core that the server has used.
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
        let seen = bench.wrk.run(server.address, keys, seconds)?;
        self.undisturbed = Some(seen);
        self.note(server, seen, keys, before)
    }

    /// Notes what was seen of the server, which had used so much processor time before.
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

    /// How it did against another one.
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
        let parts: Vec<f64> = self.rounds.iter().filter_map(Round::processor_part).collect();
        // Where there is no such figure, nothing better than requests a second is left.
        Spread::of(&parts).is_none_or(|parts| parts.median >= SATURATED)
    }
}

impl Ratios {
    pub(super) fn add(&mut self, own: &Round, other: &Round) {
        self.rates.push(own.seen.rate() / other.seen.rate());
        let times = own.microseconds_per_request().zip(other.microseconds_per_request());
        self.processor_times.extend(times.map(|(own, other)| other / own));
    }
}

/// One round: each of them under load by turns of a quarter of a second, every other round the other way about. In the last
/// one each is alone for a while, too, unless the run must be quick. The first is the measure of the others, and its
/// differences from round to round are noise.
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
    let seen = bench.wrk.run_in_slices(&loads, bench.seconds)?;
    for (position, index) in order.into_iter().enumerate() {
        contenders[index].note(&servers[index], seen[position], loads[position].1, before[position])?;
    }
    if round + 1 == bench.rounds && !bench.quick {
        for (contender, server) in contenders.iter_mut().zip(servers) {
            contender.undisturbed = Some(bench.wrk.run(server.address, keys(), bench.seconds)?);
        }
    }
    Ok(())
}

/// Notes how a bare server differed from itself.
pub(super) fn note_noise(bench: &mut Bench, bare: &Contender) {
    for pair in bare.rounds.windows(2) {
        bench.noise.add(&pair[1], &pair[0]);
    }
}

/// How the first did against the second, in both figures. The bound is for requests a second where both servers were
/// saturated, and for processor time where one was not.
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
            Some(bound) => finding.bound(bound).note("the server was not saturated, so this is what counts"),
            None => finding,
        });
    }
    // What disturbs a server only ever adds to its time, so its quietest round tells most on a machine that is not.
    if let Some((own_time, other_time)) = own.quietest().zip(other.quietest()) {
        let what = format!("{} / {}, processor time per request in the quietest round", own.name, other.name);
        findings.push(Finding::new(what, Unit::Ratio, Spread::exactly(other_time / own_time)));
    }
    findings
}

/// Shows what is going on, in one line that the next one replaces.
pub(super) fn progress(what: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r{what:<78}\r");
        let _ = io::stderr().flush();
    }
}
