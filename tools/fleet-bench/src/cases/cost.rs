//! What Redis pays for fifty busy instances.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_core::Authenticator;
use apikey_testkit::servers::{Product, StoreServer};
use fleet_bench::{Kinde, instance, store, until_linked};
use tokio::runtime::Runtime;

use crate::counted::{Calls, Counted};
use crate::schedule::{Traffic, send};
use crate::simulation::Expected;
use crate::table::Row;

/// The design's simulation has 100,000 keys and 300 s. To warm up takes a time to live, so both are a tenth here. Then an
/// answer is used as often as there before it expires.
const KEYS: u64 = 10_000;
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
const KINDE_TAKES: Duration = Duration::from_millis(100);

/// What Redis has done since it started.
struct Paid {
    at: Instant,
    calls: [(&'static str, u64); 6],
    kinde: u64,
    commands: f64,
    processor: f64,
    received: f64,
    sent: f64,
}

pub(super) fn measure(runtime: &Runtime, is_quick: bool) -> Result<Vec<Row>, String> {
    let per_second_and_instance = if is_quick { 50.0 } else { 200.0 };
    let keys = if is_quick { KEYS / 4 } else { KEYS };
    let warm = TIME_TO_LIVE + Duration::from_secs(2);
    let measured = Duration::from_secs(if is_quick { 8 } else { 20 });
    let traffic = Traffic { instances: 50, keys, per_second_and_instance, span: warm + measured };
    runtime.block_on(async {
        let server = StoreServer::start(Product::Redis, &[]);
        let (kinde, calls) = (Kinde::new(KINDE_TAKES), Arc::new(Calls::default()));
        let new = |_| {
            let store = Counted { store: store(&server)?, calls: Arc::clone(&calls) };
            instance(kinde.clone(), store, |builder| {
                let builder = builder.cache_time_to_live(TIME_TO_LIVE).max_in_flight(1024).max_queued(4096);
                builder.verification_runtime(runtime.handle().clone())
            })
        };
        let fleet: Vec<Authenticator> = (0..traffic.instances).map(new).collect::<Result<_, _>>()?;
        until_linked(&fleet).await?;
        let paid = || Paid::now(&server, &calls, &kinde);
        let readings = async {
            tokio::time::sleep(warm).await;
            let before = paid();
            tokio::time::sleep(measured).await;
            (before, paid())
        };
        let arrivals = traffic.schedule(1);
        let (sent, (before, after)) =
            tokio::join!(send(&arrivals, |arrival| vec![fleet[arrival.instance].clone()]), readings);
        let sent = sent.all_let_in()?;
        Ok(rows(&traffic, &before, &after, sent))
    })
}

fn rows(traffic: &Traffic, before: &Paid, after: &Paid, sent: String) -> Vec<Row> {
    let seconds = (after.at - before.at).as_secs_f64();
    let each = |now: f64, then: f64| (now - then) / seconds;
    let kinds = after.calls.iter().zip(before.calls).map(|((name, now), (_, then))| {
        let rate = each(*now as f64, then as f64);
        (rate, format!("{rate:.0} {name}"))
    });
    let (rates, kinds): (Vec<f64>, Vec<String>) = kinds.unzip();
    let operations: f64 = rates.iter().sum();
    let expected = Expected::of(traffic, TIME_TO_LIVE.as_secs_f64(), KINDE_TAKES.as_secs_f64());
    vec![
        Row::new(
            format!(
                "operations a second for {:.0} requests a second, {} keys",
                traffic.per_second(),
                traffic.keys
            ),
            format!(
                "{operations:.0} ({}). The simulation expects {:.0} with {:.0} looks, and gives no attempt back; for the \
                 design's 100,000 keys and 300 s it says 3,730",
                kinds.join(", "),
                expected.operations(traffic),
                expected.looks,
            ),
        ),
        Row::new(
            "calls to Kinde a second",
            format!(
                "{:.0}. The simulation expects {:.0}",
                each(after.kinde as f64, before.kinde as f64),
                expected.calls
            ),
        ),
        Row::new(
            "Redis meanwhile",
            format!(
                "{:.1} % of a core; {:.0} commands a second, those of scripts among them; {:.0} kB/s in, {:.0} kB/s out",
                100.0 * each(after.processor, before.processor),
                each(after.commands, before.commands),
                each(after.received, before.received) / 1e3,
                each(after.sent, before.sent) / 1e3
            ),
        ),
        Row::new("traffic", sent),
    ]
}

impl Paid {
    fn now(server: &StoreServer, calls: &Calls, kinde: &Kinde) -> Self {
        let info = |name: &str| server.info(name).and_then(|value| value.parse().ok()).unwrap_or(f64::NAN);
        Self {
            at: Instant::now(),
            calls: calls.now(),
            kinde: kinde.calls(),
            commands: info("total_commands_processed"),
            processor: info("used_cpu_user") + info("used_cpu_sys"),
            received: info("total_net_input_bytes"),
            sent: info("total_net_output_bytes"),
        }
    }
}
