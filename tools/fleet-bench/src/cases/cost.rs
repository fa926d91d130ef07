//! What Redis pays for fifty busy instances.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_core::Authenticator;
use apikey_testkit::servers::{Product, StoreServer};
use fleet_bench::{Kinde, instance, store, until_linked};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::counted::{Calls, Counted};
use crate::schedule::{Traffic, send};
use crate::simulation::Expected;
use crate::table::Row;

/// The design's simulation has 100,000 keys and a time to live of 300 s. To warm up takes a time to live, so both are a tenth
/// here. Then an answer is used as often as there before it expires: each key is presented 30 times in it on average.
const PRESENTED: f64 = 30.0;
const KINDE_TAKES: Duration = Duration::from_millis(100);
const INSTANCES: usize = 50;
const IDLE: Duration = Duration::from_secs(5);

/// What Redis has done since it started.
struct Paid {
    at: Instant,
    calls: [(&'static str, u64); 6],
    kinde: f64,
    commands: f64,
    processor: f64,
    received: f64,
    sent: f64,
}

pub(super) fn measure(runtime: &Runtime, is_quick: bool) -> Result<Vec<Row>, String> {
    let (per_second_and_instance, seconds) = if is_quick { (50.0, 10) } else { (200.0, 30) };
    let time_to_live = Duration::from_secs(seconds);
    let warm = time_to_live + Duration::from_secs(2);
    // In this time nearly every answer is renewed once.
    let measured = time_to_live * 9 / 10;
    let keys = (per_second_and_instance * INSTANCES as f64 * time_to_live.as_secs_f64() / PRESENTED) as u64;
    let traffic = Traffic { instances: INSTANCES, keys, per_second_and_instance, span: warm + measured };
    runtime.block_on(async {
        let server = StoreServer::start(Product::Redis, &[]);
        let (kinde, calls) = (Kinde::new(KINDE_TAKES), Arc::new(Calls::default()));
        let new = |_| {
            let store = Counted { store: store(&server)?, calls: Arc::clone(&calls) };
            instance(kinde.clone(), store, |builder| {
                let builder = builder.cache_time_to_live(time_to_live).max_in_flight(1024).max_queued(4096);
                builder.verification_runtime(runtime.handle().clone())
            })
        };
        let fleet: Vec<Authenticator> = (0..traffic.instances).map(new).collect::<Result<_, _>>()?;
        until_linked(&fleet).await?;
        let paid = || Paid::now(&server, &calls, &kinde);
        let before = paid();
        sleep(IDLE).await;
        let mut rows = vec![Row::new("Redis while all instances are idle", paid().since(&before))];
        let readings = async {
            sleep(warm).await;
            let before = paid();
            sleep(measured).await;
            (before, paid())
        };
        let arrivals = traffic.schedule(1);
        let (sent, (before, after)) =
            tokio::join!(send(&arrivals, |arrival| vec![fleet[arrival.instance].clone()]), readings);
        let sent = sent.all_let_in()?;
        let expected = Expected::of(&traffic, time_to_live.as_secs_f64(), KINDE_TAKES.as_secs_f64());
        rows.extend(busy(&traffic, &expected, &before, &after));
        rows.push(Row::new("traffic", sent));
        Ok(rows)
    })
}

fn busy(traffic: &Traffic, expected: &Expected, before: &Paid, after: &Paid) -> [Row; 3] {
    [
        Row::new(
            format!("Redis for {:.0} requests a second, {} keys", traffic.per_second(), traffic.keys),
            after.since(before),
        ),
        Row::new(
            "what the simulation expects of this",
            format!(
                "{:.0} operations a second with {:.0} looks and without attempts that are given back, and {:.0} calls to \
                 Kinde. For 100,000 keys and 300 s: 3,730 operations",
                expected.operations(traffic),
                expected.looks,
                expected.calls
            ),
        ),
        Row::new("calls to Kinde a second", format!("{:.0}", after.each(before, |paid| paid.kinde))),
    ]
}

impl Paid {
    fn now(server: &StoreServer, calls: &Calls, kinde: &Kinde) -> Self {
        let info = |name: &str| server.info(name).and_then(|value| value.parse().ok()).unwrap_or(f64::NAN);
        Self {
            at: Instant::now(),
            calls: calls.now(),
            kinde: kinde.calls() as f64,
            commands: info("total_commands_processed"),
            processor: info("used_cpu_user") + info("used_cpu_sys"),
            received: info("total_net_input_bytes"),
            sent: info("total_net_output_bytes"),
        }
    }

    /// How much more of this than before, in a second.
    fn each(&self, before: &Self, what: impl Fn(&Self) -> f64) -> f64 {
        (what(self) - what(before)) / (self.at - before.at).as_secs_f64()
    }

    fn since(&self, before: &Self) -> String {
        let (mut operations, mut kinds) = (0.0, Vec::new());
        for (kind, (name, _)) in self.calls.iter().enumerate() {
            let rate = self.each(before, |paid| paid.calls[kind].1 as f64);
            operations += rate;
            kinds.push(format!("{rate:.0} {name}"));
        }
        let processor = self.each(before, |paid| paid.processor);
        format!(
            "{operations:.0} operations a second ({}); {:.1} % of a core; {:.0} commands a second, those of scripts among \
             them; {:.0} kB/s in, {:.0} kB/s out",
            kinds.join(", "),
            100.0 * processor,
            self.each(before, |paid| paid.commands),
            self.each(before, |paid| paid.received) / 1e3,
            self.each(before, |paid| paid.sent) / 1e3
        )
    }
}
