//! How long a request waits if the answer is in the process, in Redis, or at Kinde.

use std::time::{Duration, Instant};

use apikey_core::{Authenticator, KindeSettings, KindeVerifier, MachineToMachine};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, KeySpecification};
use apikey_testkit::servers::{Product, StoreServer};
use decision_bench::secret;
use fleet_bench::{instance, store, until, until_linked};
use tokio::runtime::Runtime;

use super::at;
use crate::schedule::request;
use crate::table::Row;

const KINDE_TAKES: Duration = Duration::from_millis(20);

pub(super) fn measure(runtime: &Runtime, is_quick: bool) -> Result<Vec<Row>, String> {
    let rounds = if is_quick { 100 } else { 500 };
    runtime.block_on(async {
        let server = StoreServer::start(Product::Redis, &[]);
        let kinde = Emulator::start().await.map_err(|error| error.to_string())?;
        let new = || {
            let credentials = MachineToMachine::new(kinde.client_id(), kinde.client_secret());
            let settings =
                KindeSettings::new(kinde.url()).machine_to_machine(credentials).audience(kinde.audience());
            let verifier = KindeVerifier::new(settings).map_err(|error| error.to_string())?;
            instance(verifier, store(&server)?, |builder| builder)
        };
        let [writer, reader] = [new()?, new()?];
        until_linked(&[writer.clone(), reader.clone()]).await?;
        // The odd keys are known to the fleet.
        for key in 0..2 * rounds {
            let specification = KeySpecification { secret: Some(secret(key)), ..KeySpecification::new("a key") };
            kinde.create_key(specification);
            if key % 2 == 1 {
                took(&writer, key).await?;
            }
        }
        let entries = || server.command(&["KEYS", "apikey:entry:*"]).list().unwrap_or_default().len();
        until("the store has the answers", || entries() as u64 == rounds).await?;
        kinde.set_fault(Endpoint::Verify, Some(Fault::Latency(KINDE_TAKES)));
        let mut times = [const { Vec::new() }; 3];
        for key in 0..rounds {
            let (cold, known) = (2 * key, 2 * key + 1);
            // Each kind is measured in each round, so that a disturbance hits all.
            times[2].push(took(&reader, cold).await?);
            times[1].push(took(&reader, known).await?);
            times[0].push(took(&reader, known).await?);
        }
        let found = reader.statistics().total("apikey.fleet.looks", &[("result", "found")]);
        times.iter_mut().for_each(|times| times.sort_unstable());
        let medians = times.each_ref().map(|times| at(times, 500).unwrap_or_default().as_secs_f64());
        let names = ["an answer in the process", "an answer in Redis", "an answer from Kinde at 20 ms"];
        let mut rows: Vec<Row> = names
            .iter()
            .zip(&times)
            .map(|(name, times)| {
                let [median, p99] = [500, 990].map(|part| at(times, part).unwrap_or_default());
                Row::new(*name, format!("{median:.1?} (median), {p99:.1?} (p99) of {}", times.len()))
            })
            .collect();
        rows.push(Row::new(
            "medians",
            format!(
                "Redis takes {:.0} times as long as the process, Kinde {:.0} times as long as Redis; {found} of {rounds} \
                 looks found the answer",
                medians[1] / medians[0],
                medians[2] / medians[1]
            ),
        ));
        Ok(rows)
    })
}

async fn took(keys: &Authenticator, key: u64) -> Result<Duration, String> {
    let request = request(key);
    let began = Instant::now();
    let answer = keys.authenticate(&request).await;
    let took = began.elapsed();
    answer.map(|_| took).map_err(|denial| denial.to_string())
}
