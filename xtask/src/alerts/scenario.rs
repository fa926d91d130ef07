//! What happens on one stage: a fault, or quiet traffic.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use apikey_testkit::raw;
use tokio::time::{Instant, sleep};

use super::programs::Programs;
use super::prometheus::{Prometheus, SCRAPE};
use super::stage::Stage;
use xtask::ops::faults::{Fault, Quiet, Traffic};

/// How often Prometheus is asked which alerts fire.
const LOOK: Duration = Duration::from_millis(100);
/// How long Prometheus may take until it scrapes a server.
const SCRAPED_LIMIT: Duration = Duration::from_secs(30);
/// How long the ordinary traffic lasts before a fault.
const BEFORE: Duration = Duration::from_secs(4);
/// An alert must fire within its own delay and this.
const TWO_SCRAPES: Duration = Duration::from_secs(2 * SCRAPE.as_secs());
/// When a fault has ended, its alerts must clear within this. A service may need 60 s until it doubts its token, and then the
/// failures must leave the longest window. Neither the 60 s nor the pauses of the breaker are shortened.
const CLEAR_LIMIT: Duration = Duration::from_secs(80);

/// What all scenarios share.
pub(super) struct World {
    pub(super) programs: Programs,
    pub(super) prometheus: Prometheus,
    /// How long each alert's expression must be true, shortened.
    pub(super) delays: BTreeMap<String, Duration>,
    /// All queries of the dashboard.
    pub(super) queries: Vec<String>,
    pub(super) ordinary: Traffic,
    /// By how much times are shortened.
    pub(super) factor: u32,
}

/// The outcome of one scenario.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What the command prints about the fault: each alert that fired, and when.
    pub(super) story: Vec<String>,
    /// What was not as it must be.
    pub(super) problems: Vec<String>,
}

impl World {
    /// Lets a fault happen: exactly its alerts must fire in time, and clear when it has ended.
    pub(super) async fn fault(
        &self,
        fault: &Fault,
        binary: &Path,
        metrics: SocketAddr,
    ) -> Result<Report, String> {
        let mut stage = Stage::start(binary, metrics, &fault.settings, fault.store_lacks.is_some()).await?;
        let mut watch = Watch::new(&self.prometheus, &fault.name);
        let _ordinary = stage.send(fault.ordinary.unwrap_or(self.ordinary));
        watch.until_linked().await?;
        watch.during(BEFORE).await?;
        watch.demand_no_other("before the fault", &BTreeMap::new());

        for command in &fault.start {
            stage.command(command).await?;
        }
        let changes = !fault.settings_during.is_empty();
        if fault.stops || fault.restarts || changes {
            stage.stop_server().await;
        }
        if !fault.stops {
            stage.start_server(&fault.settings_during).await?;
        }
        if let Some(permission) = &fault.store_lacks {
            stage.forbid(permission)?;
        }
        let traffic = stage.send(fault.traffic);
        let removal = fault.store_lacks.as_ref().map(|_| stage.remove_by_webhook());
        watch.begin();
        watch.during(self.length(fault)).await?;
        for (alert, shows) in &fault.alerts {
            let delay = self.delays.get(alert).ok_or_else(|| format!("there is no alert {alert}"))?;
            watch.demand(alert, Duration::from_secs_f64(*shows) + *delay + TWO_SCRAPES);
        }

        drop((traffic, removal));
        if changes {
            stage.stop_server().await;
        }
        stage.start_server(&BTreeMap::new()).await?;
        stage.reset().await?;
        watch.until_clear().await?;
        watch.demand_no_other("in this fault", &fault.alerts);
        self.check_metrics(metrics, &mut watch.report).await?;
        watch.report.story.push(format!("answers: {}", stage.answers()));
        stage.stop_server().await;
        Ok(watch.report)
    }

    /// How long a fault lasts: until the slowest rule would have fired, too.
    fn length(&self, fault: &Fault) -> Duration {
        let slowest = self.delays.values().max().copied().unwrap_or_default();
        let shows = fault.alerts.values().copied().fold(0.0, f64::max);
        let expected = fault.alerts.keys().filter_map(|alert| self.delays.get(alert)).max();
        let expected = Duration::from_secs_f64(shows) + expected.copied().unwrap_or_default();
        slowest.max(expected) + 2 * TWO_SCRAPES
    }

    /// Sends traffic that is below all thresholds. It must fire nothing. Every query of the dashboard must find a number.
    pub(super) async fn quiet(
        &self,
        quiet: &Quiet,
        binary: &Path,
        metrics: SocketAddr,
    ) -> Result<Report, String> {
        let mut stage = Stage::start(binary, metrics, &quiet.settings, false).await?;
        let mut watch = Watch::new(&self.prometheus, QUIET);
        let _traffic = stage.send(quiet.traffic);
        watch.until_linked().await?;
        // Before that, the windows are not full.
        let warming = self.delays.values().max().copied().unwrap_or_default();
        watch.during(warming + Duration::from_secs(60) * quiet.minutes / self.factor).await?;
        watch.demand_no_other("with quiet traffic", &BTreeMap::new());
        for query in &self.queries {
            if self.prometheus.count(&with_values(query)).await? == 0 {
                watch.report.problems.push(format!("this query of the dashboard finds no number: {query}"));
            }
        }
        self.check_metrics(metrics, &mut watch.report).await?;
        watch.report.story.push(format!("answers: {}", stage.answers()));
        stage.stop_server().await;
        Ok(watch.report)
    }

    /// Lets `promtool` check the metrics that a server serves at this address.
    async fn check_metrics(&self, metrics: SocketAddr, report: &mut Report) -> Result<(), String> {
        let response = raw::exchange(metrics, &raw::get("/metrics", &[])).await;
        let response = response.map_err(|error| format!("no metrics: {error}"))?;
        if let Err(said) = self.programs.check_metrics(&response.body).await {
            report.problems.push(said);
        }
        Ok(())
    }
}

/// The name of the job with quiet traffic.
pub(super) const QUIET: &str = "quiet";

/// Puts values in for Grafana's variables.
fn with_values(query: &str) -> String {
    query.replace("$__rate_interval", "4s").replace("$job", QUIET).replace("$instance", ".*")
}

/// Watches the alerts of one job.
struct Watch<'a> {
    prometheus: &'a Prometheus,
    job: &'a str,
    began: Instant,
    seen: BTreeMap<String, Seen>,
    report: Report,
}

/// What was seen of an alert since the watch began.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// When its expression was first seen to be true.
    active: Duration,
    /// When it was first seen to fire.
    fired: Option<Duration>,
    fires_now: bool,
}

impl<'a> Watch<'a> {
    fn new(prometheus: &'a Prometheus, job: &'a str) -> Self {
        Self { prometheus, job, began: Instant::now(), seen: BTreeMap::new(), report: Report::default() }
    }

    /// Waits until Prometheus has seen that the server is linked with its fleet, or has none. A new Prometheus begins after
    /// some seconds. The 2 s that a link takes are not shortened, so an alert may fire until then.
    async fn until_linked(&mut self) -> Result<(), String> {
        let query = format!("apikey_fleet_linked{{job=\"{}\"}} == 1", self.job);
        loop {
            let is_linked = self.prometheus.count(&query).await? > 0;
            self.look().await?;
            if is_linked && self.names(|seen| seen.fires_now).is_empty() {
                self.seen.clear();
                return Ok(());
            }
            if self.began.elapsed() > SCRAPED_LIMIT {
                return Err(format!("Prometheus sees no linked server after {} s", SCRAPED_LIMIT.as_secs()));
            }
            sleep(LOOK).await;
        }
    }

    /// Begins again, when a fault begins.
    fn begin(&mut self) {
        self.began = Instant::now();
        self.seen.clear();
    }

    async fn look(&mut self) -> Result<(), String> {
        let alerts = self.prometheus.alerts(self.job).await?;
        let now = self.began.elapsed();
        self.seen.values_mut().for_each(|seen| seen.fires_now = false);
        for (alert, fires) in alerts {
            let seen = self.seen.entry(alert).or_insert(Seen { active: now, fired: None, fires_now: false });
            seen.fires_now = fires;
            if fires {
                seen.fired.get_or_insert(now);
            }
        }
        Ok(())
    }

    async fn during(&mut self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.look().await?;
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until no alert fires any longer.
    async fn until_clear(&mut self) -> Result<(), String> {
        let ended = Instant::now();
        loop {
            self.look().await?;
            let firing = self.names(|seen| seen.fires_now);
            if firing.is_empty() {
                self.report.story.push(format!("clear {:.1} s after its end", ended.elapsed().as_secs_f64()));
                return Ok(());
            }
            if ended.elapsed() > CLEAR_LIMIT {
                let seconds = CLEAR_LIMIT.as_secs();
                self.report.problems.push(format!("{seconds} s after the fault still fire: {firing}"));
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// This alert must have fired within this time.
    fn demand(&mut self, alert: &str, limit: Duration) {
        let limit = limit.as_secs_f64();
        let seen = self.seen.get(alert);
        let active = seen
            .map_or("never true".to_owned(), |seen| format!("true after {:.1} s", seen.active.as_secs_f64()));
        match seen.and_then(|seen| seen.fired).map(|fired| fired.as_secs_f64()) {
            Some(fired) if fired <= limit => {
                self.report
                    .story
                    .push(format!("{alert} fired after {fired:.1} s of {limit:.1} s ({active})"));
            }
            Some(fired) => {
                let problem = format!("{alert} fired after {fired:.1} s, not within {limit:.1} s ({active})");
                self.report.problems.push(problem);
            }
            None => self.report.problems.push(format!("{alert} did not fire ({active})")),
        }
    }

    /// No alert but these may have fired.
    fn demand_no_other(&mut self, when: &str, expected: &BTreeMap<String, f64>) {
        for (alert, seen) in self.seen.iter().filter(|(alert, _)| !expected.contains_key(*alert)) {
            if let Some(fired) = seen.fired {
                let fired = fired.as_secs_f64();
                self.report.problems.push(format!("{alert} fired {when}, after {fired:.1} s, and must not"));
            }
        }
    }

    fn names(&self, which: impl Fn(&Seen) -> bool) -> String {
        let names = self.seen.iter().filter(|(_, seen)| which(seen)).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}
