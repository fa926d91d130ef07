//! How often fifty instances ask Kinde, against one instance that gets all their requests.

use std::time::Duration;

use apikey_core::Authenticator;
use apikey_testkit::servers::{Product, StoreServer};
use fleet_bench::{Kinde, instance, store, until_linked};
use tokio::runtime::Runtime;

use crate::schedule::{Traffic, send};
use crate::simulation::Expected;
use crate::table::Row;

const TIME_TO_LIVE: Duration = Duration::from_secs(10);
const KINDE_TAKES: Duration = Duration::from_millis(20);
/// The most calls of the fleet, as a part of those of one instance.
const BOUND: f64 = 1.1;

pub(super) fn measure(runtime: &Runtime, is_quick: bool) -> Result<Vec<Row>, String> {
    let span = Duration::from_secs(if is_quick { 15 } else { 30 });
    let traffic = Traffic { instances: 50, keys: 2_000, per_second_and_instance: 30.0, span };
    runtime.block_on(async {
        let server = StoreServer::start(Product::Redis, &[]);
        let (asked_by_fleet, asked_by_one) = (Kinde::new(KINDE_TAKES), Kinde::new(KINDE_TAKES));
        let new = |_| {
            instance(asked_by_fleet.clone(), store(&server)?, |builder| {
                builder.cache_time_to_live(TIME_TO_LIVE).verification_runtime(runtime.handle().clone())
            })
        };
        let fleet: Vec<Authenticator> = (0..traffic.instances).map(new).collect::<Result<_, _>>()?;
        let one = Authenticator::builder(asked_by_one.clone())
            .cache_time_to_live(TIME_TO_LIVE)
            .verification_runtime(runtime.handle().clone())
            .build();
        let one: Authenticator = one.map_err(|error| error.to_string())?;
        until_linked(&fleet).await?;
        // Both get each request at the same moment.
        let sent =
            send(&traffic.schedule(1), |arrival| vec![fleet[arrival.instance].clone(), one.clone()]).await;
        let sent = sent.all_let_in()?;
        let (calls, of_one) = (asked_by_fleet.calls(), asked_by_one.calls());
        let ratio = calls as f64 / of_one as f64;
        let looks = |result: &str| -> u64 {
            let labels = [("result", result)];
            fleet.iter().map(|keys| keys.statistics().total("apikey.fleet.looks", &labels)).sum()
        };
        let looked =
            ["found", "missed", "failed"].map(|result| format!("{} {result}", looks(result))).join(", ");
        let expected = Expected::of(&traffic, TIME_TO_LIVE.as_secs_f64(), KINDE_TAKES.as_secs_f64());
        Ok(vec![
            Row::new(
                format!("50 instances against one, 2,000 keys, {} s", span.as_secs()),
                format!("{ratio:.3} times the calls: {calls} against {of_one}"),
            )
            .bound(format!("{BOUND} times or less"), ratio <= BOUND),
            Row::new("looks of the fleet", looked),
            Row::new(
                "calls that the simulation expects once it is warm",
                format!("{:.0} a second", expected.calls),
            ),
            Row::new("traffic", sent),
        ])
    })
}
