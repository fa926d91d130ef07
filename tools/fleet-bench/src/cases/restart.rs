//! What a rolling restart costs Kinde.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use apikey_core::Authenticator;
use apikey_testkit::servers::{Product, StoreServer};
use fleet_bench::{Kinde, instance, store, until_linked};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::schedule::{Arrival, Traffic, send};
use crate::table::Row;

const KINDE_TAKES: Duration = Duration::from_millis(20);
/// How far apart two instances restart.
const EVERY: Duration = Duration::from_secs(2);

pub(super) fn measure(runtime: &Runtime, is_quick: bool) -> Result<Vec<Row>, String> {
    let instances = if is_quick { 4 } else { 10 };
    let restarting = EVERY * (instances as u32 + 1);
    let traffic = Traffic { instances, keys: 5_000, per_second_and_instance: 50.0, span: restarting };
    runtime.block_on(async {
        let server = StoreServer::start(Product::Redis, &[]);
        let (with_store, alone) = (Kinde::new(KINDE_TAKES), Kinde::new(KINDE_TAKES));
        let new = || {
            let with_store = instance(with_store.clone(), store(&server)?, |builder| {
                builder.verification_runtime(runtime.handle().clone())
            })?;
            let alone = Authenticator::builder(alone.clone()).verification_runtime(runtime.handle().clone());
            Ok::<[Authenticator; 2], String>([with_store, alone.build().map_err(|error| error.to_string())?])
        };
        let pairs: Vec<[Authenticator; 2]> = (0..instances).map(|_| new()).collect::<Result<_, _>>()?;
        let linked: Vec<Authenticator> = pairs.iter().map(|[keys, _]| keys.clone()).collect();
        until_linked(&linked).await?;
        drop(linked);
        // A poisoned lock would mean that this program has panicked.
        let pairs: Vec<Mutex<[Authenticator; 2]>> = pairs.into_iter().map(Mutex::new).collect();
        let pick = |instance: usize| pairs[instance].lock().expect("nothing panics here").to_vec();

        // First the fleet learns of every key, and then each instance fills its own cache.
        for first in (0..traffic.keys).step_by(256) {
            let some = first..traffic.keys.min(first + 256);
            let asked = |key: u64| Arrival { after: Duration::ZERO, instance: key as usize % instances, key };
            send(&some.map(asked).collect::<Vec<_>>(), |arrival| pick(arrival.instance))
                .await
                .all_let_in()?;
        }
        send(&traffic.schedule(1), |arrival| pick(arrival.instance)).await.all_let_in()?;
        let before = [with_store.calls(), alone.calls()];
        let restarted = traffic.schedule(2);
        let restarts = async {
            for pair in &pairs {
                sleep(EVERY).await;
                *pair.lock().expect("nothing panics here") = new()?;
            }
            Ok::<(), String>(())
        };
        let (sent, restarts) = tokio::join!(send(&restarted, |arrival| pick(arrival.instance)), restarts);
        restarts?;
        let sent = sent.all_let_in()?;
        let calls = [with_store.calls() - before[0], alone.calls() - before[1]];
        let presented: HashSet<u64> = restarted.iter().map(|arrival| arrival.key).collect();
        Ok(vec![
            Row::new(
                format!("calls while {instances} instances restart one by one, {} s", restarting.as_secs()),
                format!(
                    "{} with the store, {} without. Requests presented {} of {} keys, which the fleet knew",
                    calls[0],
                    calls[1],
                    presented.len(),
                    traffic.keys
                ),
            ),
            Row::new("traffic", sent),
        ])
    })
}
