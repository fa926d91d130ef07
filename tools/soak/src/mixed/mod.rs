//! The mixed soak: all kinds of traffic and trouble at once, and an oracle that judges each answer.

mod director;
mod phases;
mod population;
mod stalls;
mod visitor;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apikey_axum::{AttemptLimit, TrustedProxies};
use apikey_core::{Clock, PresentedKey};
use apikey_testkit::emulator::{Emulator, Fault};
use fastrand::Rng;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::memory;
use crate::oracle::{Bounds, Oracle, Tally};
use crate::report::{Row, mebibytes};
use crate::world::{Server, ShiftedClock, Verifications, verifier_at};
use director::Director;
use population::Population;
use visitor::{Findings, Shared};

const TIME_TO_LIVE: Duration = Duration::from_secs(2);
const STALE_IF_ERROR: Duration = Duration::from_secs(4);
const NEGATIVE_TIME_TO_LIVE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 60;
const WINDOW: Duration = Duration::from_secs(3);
const CAPACITY: usize = 512;
/// What a busy machine may add to the budget of a verification and to the grace of its waiters.
const TOLERANCE: Duration = Duration::from_millis(750);
/// How much the live heap may grow between two moments of rest.
const HEAP_TOLERANCE: usize = 1 << 20;
/// The most that the emulator holds for each connection that died in silence.
const SILENT_CONNECTION: usize = 16 << 10;
/// How much the resident set may grow. It is more, because an allocator keeps what it once got.
const RESIDENT_TOLERANCE: usize = 16 << 20;

/// The length and size of the soak.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The length of the measured traffic, which follows the warm-up.
    pub duration: Duration,
    /// How long the warm-up lasts.
    pub warm_up: Duration,
    /// The seed of all random choices.
    pub seed: u64,
    /// How many clients send requests at the same time.
    pub visitors: usize,
    /// The longest pause of a client between two requests.
    pub pause: Duration,
    /// The approximate time of peace between two phases in which something goes wrong.
    pub peace: Duration,
    /// The approximate length of such a phase.
    pub failing: Duration,
    /// How many clients come at once in a crowd.
    pub crowd: usize,
    /// How many requests one client sends at once in a rush.
    pub rush: usize,
    /// How many keys are refused before the warm-up, and how many get an overload answer. They fill the memories of
    /// both, which have a limit of entries and would fill slowly otherwise.
    pub filling: usize,
    /// Whether to print the progress.
    pub prints: bool,
}

/// The result of the mixed soak.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The number of judged answers.
    pub judged: u64,
    /// Requests whose client left before the answer.
    pub hung_up: u64,
    /// The number of answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// The number of wrong decisions.
    pub wrongs: u64,
    /// The first wrong decisions, each with what was expected.
    pub wrong: Vec<String>,
    /// How often good keys were accepted, and how often they got no answer.
    pub tally: Tally,
    /// The live heap at rest, before and after the measured traffic.
    pub heap: (usize, usize),
    /// The resident set at the same moments.
    pub resident: Option<(usize, usize)>,
    /// The number of tasks, before all traffic and after it.
    pub tasks: (usize, usize),
    /// The most keys that were cached at once, and the limit.
    pub cached: (usize, usize),
    /// How often the machine stood still, so that a late answer was excused.
    pub stalls: u64,
    /// How many connections have died in silence since the warm-up.
    pub silenced: usize,
    /// The length of the traffic, with the warm-up.
    pub took: Duration,
}

/// Runs the soak.
///
/// # Errors
///
/// If the servers cannot start.
pub async fn run(settings: &Settings) -> Result<Outcome, String> {
    let began = Instant::now();
    let mut random = Rng::with_seed(settings.seed);
    let oracle = Arc::new(Oracle::new(Bounds {
        time_to_live: TIME_TO_LIVE,
        stale_if_error: STALE_IF_ERROR,
        negative_time_to_live: NEGATIVE_TIME_TO_LIVE,
        budget: TIMEOUT + TOLERANCE,
        attempts: ATTEMPTS,
        window: WINDOW,
    }));
    let proxies = TrustedProxies::parse("127.0.0.0/8").map_err(|error| error.to_string())?;
    let emulator =
        Emulator::start().await.map_err(|error| format!("the emulator does not start: {error}"))?;
    let clock = Arc::new(ShiftedClock::default());
    let verifier = verifier_at(&emulator.url(), &emulator, Arc::clone(&clock) as Arc<dyn Clock>)?;
    let verifications = Verifications::start()?;
    let server = Server::start(verifier, |builder| {
        builder
            .verification_runtime(verifications.handle())
            .cache_time_to_live(TIME_TO_LIVE)
            .stale_if_error(STALE_IF_ERROR)
            .stale_while_slow(Duration::from_millis(200))
            .negative_time_to_live(NEGATIVE_TIME_TO_LIVE)
            .verification_timeout(TIMEOUT)
            .cache_capacity(CAPACITY)
            .attempt_limit(AttemptLimit::new(ATTEMPTS, WINDOW))
            .trusted_proxies(proxies)
    })
    .await?;
    let alive = || Handle::current().metrics().num_alive_tasks() + verifications.tasks();
    let tasks_before = alive();
    let emulator = Arc::new(emulator);
    let population = Population::new(&emulator, &oracle, &mut random);
    let shared = Arc::new(Shared {
        address: server.address,
        oracle: Arc::clone(&oracle),
        population,
        is_over: AtomicBool::new(false),
        findings: Findings::default(),
        next_junk: AtomicU64::new(0),
    });
    let director = Arc::new(Director {
        shared: Arc::clone(&shared),
        emulator: Arc::clone(&emulator),
        keys: server.keys.clone(),
        clock,
        budget: TIMEOUT + TOLERANCE,
        crowd: settings.crowd,
        rush: settings.rush,
        phase_is_over: Arc::default(),
        silenced: AtomicUsize::new(0),
    });
    let soak = Soak { settings, director, most_cached: AtomicU64::new(0), stalls: Arc::default() };

    soak.fill(settings.filling).await?;
    soak.traffic("warm-up", settings.warm_up, &mut random).await;
    let (heap_before, resident_before) = soak.at_rest().await;
    soak.director.silenced.store(0, Ordering::Relaxed);
    soak.traffic("traffic", settings.duration, &mut random).await;
    let (heap_after, resident_after) = soak.at_rest().await;

    let mut outcome = Outcome {
        judged: shared.findings.judged.load(Ordering::Relaxed),
        hung_up: shared.findings.hung_up.load(Ordering::Relaxed),
        by_status: shared.findings.by_status(),
        tally: oracle.tally(),
        heap: (heap_before, heap_after),
        resident: resident_before.zip(resident_after),
        cached: (soak.most_cached.load(Ordering::Relaxed) as usize, CAPACITY),
        stalls: soak.stalls.load(Ordering::Relaxed),
        silenced: soak.director.silenced.load(Ordering::Relaxed),
        took: began.elapsed(),
        ..Outcome::default()
    };
    drop((soak, oracle));
    // Idle connections for later verifications have tasks, too. They end with the emulator.
    if let Some(emulator) = Arc::into_inner(emulator) {
        emulator.stop().await;
    }
    outcome.wrongs = shared.findings.wrongs.load(Ordering::Relaxed);
    outcome.wrong =
        std::mem::take(&mut *shared.findings.wrong.lock().unwrap_or_else(|error| error.into_inner()));
    outcome.tasks = (tasks_before, tasks_settled(tasks_before, alive).await);
    drop(server);
    Ok(outcome)
}

struct Soak<'s> {
    settings: &'s Settings,
    director: Arc<Director>,
    most_cached: AtomicU64,
    stalls: Arc<AtomicU64>,
}

impl Soak<'_> {
    /// Presents this many made-up keys that are refused, and as many that get an overload answer. They are nobody's
    /// attempts.
    async fn fill(&self, count: usize) -> Result<(), String> {
        let Director { emulator, keys, .. } = &*self.director;
        let hour = Fault::TooManyRequests { rate_limit_reset: None, retry_after: Some(3600) };
        emulator.set_prefix_fault("k_busy_", Some(hour));
        for number in 0..2 * count {
            let sort = if number % 2 == 0 { "k_busy_" } else { "k_refused_" };
            let key = PresentedKey::parse(&format!("{sort}{number}")).map_err(|error| error.to_string())?;
            if keys.verify(key).await.is_ok() {
                return Err("a made-up key was let in".to_owned());
            }
        }
        emulator.clear_key_faults();
        Ok(())
    }

    async fn traffic(&self, name: &str, duration: Duration, random: &mut Rng) {
        let Self { settings, director, .. } = self;
        let shared = &director.shared;
        shared.is_over.store(false, Ordering::SeqCst);
        let mut all = JoinSet::new();
        for _ in 0..settings.visitors {
            all.spawn(visitor::visit(Arc::clone(shared), random.fork(), settings.pause));
        }
        let (failing, unrest) = (Arc::clone(director), Arc::clone(director));
        let (random_failing, random_unrest) = (random.fork(), random.fork());
        let (peace, outage) = (settings.peace, settings.failing);
        all.spawn(async move { failing.fail(random_failing, peace, outage).await });
        all.spawn(async move { unrest.unrest(random_unrest, Duration::from_millis(30)).await });
        let watch = tokio::spawn(stalls::watch(Arc::clone(&shared.oracle), Arc::clone(&self.stalls)));

        let (began, mut told) = (Instant::now(), Instant::now());
        while began.elapsed() < duration {
            tokio::time::sleep(Duration::from_millis(100).min(duration)).await;
            self.most_cached.fetch_max(director.keys.cached_keys() as u64, Ordering::Relaxed);
            if settings.prints && told.elapsed() >= Duration::from_secs(10) {
                told = Instant::now();
                let judged = shared.findings.judged.load(Ordering::Relaxed);
                let heap = mebibytes(memory::live_heap());
                println!(
                    "  {name}: {:.0} s, {judged} answers judged, heap {heap}",
                    began.elapsed().as_secs_f64()
                );
            }
        }
        shared.is_over.store(true, Ordering::SeqCst);
        all.join_all().await;
        shared.oracle.trouble_ends();
        watch.abort();
        let _aborted = watch.await;
    }

    /// Waits until no answer can depend on the past, forgets it, and measures.
    async fn at_rest(&self) -> (usize, Option<usize>) {
        let Director { emulator, shared, .. } = &*self.director;
        // The visitors' last verifications may still be in flight.
        emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
        // The connections of the last minute are no growth.
        emulator.cut_connections();
        emulator.reset_counters();
        tokio::time::sleep(shared.oracle.longest_memory()).await;
        shared.oracle.forget_the_past();
        (memory::live_heap(), memory::resident())
    }
}

/// The number of tasks once it no longer falls, or is as low as expected.
async fn tasks_settled(expected: usize, alive: impl Fn() -> usize) -> usize {
    for _ in 0..50 {
        if alive() <= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    alive()
}

impl Outcome {
    /// The bounds that must hold on any machine: right decisions, no left-over tasks, a cache within its limit.
    #[must_use]
    pub fn decisions(&self) -> Vec<Row> {
        let statuses: Vec<String> =
            self.by_status.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        let judged = format!(
            "{} wrong of {} ({}; {} more hung up; {:.0} s; {} stalls forgiven)",
            self.wrongs,
            self.judged,
            statuses.join(", "),
            self.hung_up,
            self.took.as_secs_f64(),
            self.stalls,
        );
        let Tally { let_in_while_well, unanswered_while_well, patchy, unlucky } = self.tally;
        let (before, after) = self.tasks;
        let (most, capacity) = self.cached;
        let case = |what: &str| format!("mixed soak over sockets: {what}");
        vec![
            Row::new(case("decisions"), "0 wrong", judged, self.wrongs == 0 && self.judged > 0),
            Row::new(
                case("keys without an answer although Kinde answers"),
                "0",
                format!("{unanswered_while_well}, and {let_in_while_well} good keys let in"),
                unanswered_while_well == 0,
            ),
            Row::new(
                case("the same while one of Kinde's three machines hangs, keys in use and others"),
                "at most 1 %",
                format!("{unlucky}, and {patchy} good keys let in"),
                unlucky * 100 <= patchy + unlucky,
            ),
            Row::new(
                case("tasks at the end"),
                format!("{} (before: {before})", before + POOL),
                after.to_string(),
                after <= before + POOL,
            ),
            Row::new(case("cached keys"), format!("at most {capacity}"), most.to_string(), most <= capacity),
        ]
    }

    /// Memory does not grow. Judged only if the run is long enough.
    #[must_use]
    pub fn memory(&self) -> Vec<Row> {
        let grown = |what: &str, (before, after): (usize, usize), tolerance: usize| {
            Row::new(
                format!("mixed soak over sockets: {what} at rest"),
                format!("grows by {} at most", mebibytes(tolerance)),
                format!("{} after the warm-up, {} at the end", mebibytes(before), mebibytes(after)),
                after <= before + tolerance,
            )
        };
        let silent = SILENT_CONNECTION * self.silenced;
        let mut heap = grown("live heap", self.heap, HEAP_TOLERANCE + silent);
        heap.bound.push_str(&format!(
            ", {} of them for {} silent connections",
            mebibytes(silent),
            self.silenced
        ));
        let resident = self.resident.map(|resident| grown("resident set", resident, RESIDENT_TOLERANCE));
        std::iter::once(heap).chain(resident).collect()
    }
}

/// The task that reqwest's pool of connections keeps for as long as it lives.
const POOL: usize = 1;
