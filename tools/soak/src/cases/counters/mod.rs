//! Whether the counters of an authenticator agree, to the last request, with what its clients know.
//!
//! No client hangs up. So each request has exactly one answer, which its client reads. Before that, the client knows
//! what the answer must be and where it must come from: it has keys and addresses of its own, and time and faults
//! change only between the phases. Nothing here asks the authenticator what it decided.

mod client;
mod crowd;
mod ledger;
mod model;
mod remembered;

use std::sync::Arc;
use std::time::Duration;

use apikey_axum::{ApiKey, AttemptLimit, Authenticator, MaybeApiKey, Policy};
use apikey_core::{Clock, VerifiedKey};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault};
use axum::routing::get;
use axum::{Extension, Router};
use fastrand::Rng;
use tokio::task::JoinSet;

use super::arrivals::proxies;
use crate::report::Row;
use crate::world::{Server, ShiftedClock, World, bound_verifier};
use client::Client;
use crowd::Crowds;
use ledger::{Counts, Ledger, add, counted, differences};
use model::{ATTEMPTS, Phase};

const ORGANIZATION: &str = "org_ours";
const SCOPE: &str = "read:users";
const TIME_TO_LIVE: Duration = Duration::from_secs(100);
/// The clock moves by this between two phases, or not at all. It ends every time to live, also if a phase itself takes a
/// minute.
const STEP: Duration = Duration::from_secs(150);
/// An answer is stale at the ages of one and two steps, and has expired after three.
const STALE_IF_ERROR: Duration = Duration::from_secs(300);
const EXPIRED: u32 = 3;
const CLIENTS: u32 = 24;

/// What the clients know of a run, and what was counted in it.
struct Run {
    ledger: Ledger,
    counted: Counts,
    verify_calls: u64,
}

pub(super) async fn at_rest(is_quick: bool) -> Result<Vec<Row>, String> {
    // The generator of this thread has the seed of the report.
    Ok(vec![run(fastrand::u64(..), if is_quick { 6 } else { 36 }).await?.row()])
}

async fn run(seed: u64, phases: usize) -> Result<Run, String> {
    let mut random = Rng::with_seed(seed);
    let clock = Arc::new(ShiftedClock::default());
    let world = Arc::new(start(Arc::clone(&clock) as Arc<dyn Clock>, false).await?);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(Client::connect(&world, random.fork(), number, CLIENTS).await?);
    }
    let mut crowds = Crowds::new(&world, random.fork());
    let mut number = 0;
    // Kinde is down in the phases that have a fault.
    let faults = [None, None, Some(Fault::status(500)), Some(Fault::Close), Some(Fault::status(503)), None];
    let steps = [0, 1, 0, 1, 1, 1];
    for (fault, step) in faults.into_iter().zip(steps).cycle().take(phases) {
        number += step;
        clock.shift(STEP * step);
        let phase = Phase { number, is_down: fault.is_some() };
        world.emulator.set_fault(Endpoint::Verify, fault);
        let mut acting = JoinSet::new();
        for client in clients.drain(..) {
            acting.spawn(client.act(phase));
        }
        while let Some(client) = acting.join_next().await {
            clients.push(client.map_err(|error| error.to_string())??);
        }
        if !phase.is_down {
            crowds.gather().await?;
            crowds.reach_the_limit().await?;
        }
    }
    let mut ledger = crowds.ledger;
    for client in clients {
        ledger.add(client.ledger);
    }
    let verify_calls = world.emulator.counters().verify_calls;
    let mut counted = counted(&world.server.keys.statistics());
    let (failures, counted_failures) = remembered::failures(random.fork()).await?;
    ledger.add(failures);
    add(&mut counted, counted_failures);
    Ok(Run { ledger, counted, verify_calls })
}

impl Run {
    /// Whatever does not agree.
    fn complaints(&self) -> Vec<String> {
        let Ledger { counts, calls, wrongs, wrong, .. } = &self.ledger;
        let mut complaints = differences(counts, &self.counted);
        if self.verify_calls != *calls {
            complaints.push(format!("clients know {calls} calls, and Kinde got {}", self.verify_calls));
        }
        if *wrongs > 0 {
            complaints.push(format!("{wrongs} wrong answers, the first: {}", wrong.join("; ")));
        }
        complaints
    }

    fn row(&self) -> Row {
        let Ledger { requests, counts, calls, .. } = &self.ledger;
        let complaints = self.complaints();
        let decisions: u64 = counts.values().sum();
        let measured = format!(
            "{requests} requests, {decisions} decisions under {} combinations of labels, {calls} calls to Kinde",
            counts.len()
        );
        Row::new(
            format!("{CLIENTS} clients and crowds: decisions counted at rest, by outcome, code and source"),
            "exactly as many as the clients know, each combination at least once",
            if complaints.is_empty() { measured } else { format!("{measured}: {}", complaints.join("; ")) },
            complaints.is_empty(),
        )
    }
}

/// Nothing but the clock and the emulator's answers may decide where an answer comes from: there are no retries, no
/// renewals in the background, and times that no busy machine reaches.
async fn start(clock: Arc<dyn Clock>, has_breaker: bool) -> Result<World, String> {
    let emulator =
        Emulator::start().await.map_err(|error| format!("the emulator does not start: {error}"))?;
    let proxies = proxies()?;
    let configure = |builder: apikey_axum::AuthenticatorBuilder<Authenticator>| {
        builder
            .clock(clock)
            .cache_time_to_live(TIME_TO_LIVE)
            .negative_time_to_live(TIME_TO_LIVE)
            .stale_if_error(STALE_IF_ERROR)
            .stale_while_slow(Duration::from_secs(60))
            .verification_timeout(Duration::from_secs(60))
            .attempt_limit(AttemptLimit::new(ATTEMPTS, TIME_TO_LIVE))
            .refresh_ahead(false)
            .retries(false)
            .circuit_breaker(has_breaker)
            .trusted_proxies(proxies)
    };
    let server = Server::start_with(|keys| Ok(app(keys)), bound_verifier(&emulator)?, configure).await?;
    Ok(World { emulator, server })
}

/// The handlers answer with the key id.
fn app(keys: &Authenticator) -> Router {
    let key_id = async |Extension(key): Extension<VerifiedKey>| key.key_id().to_owned();
    let route = |policy: Policy| get(key_id).layer(keys.require(policy));
    Router::new()
        .route("/any", get(async |key: ApiKey| key.key_id().to_owned()))
        .route(
            "/optional",
            get(async |key: MaybeApiKey| key.key().map(|key| key.key_id().to_owned()).unwrap_or_default()),
        )
        .route("/scope", route(Policy::scope(SCOPE)))
        .route("/organization", route(Policy::organization_key()))
        .route("/user", route(Policy::user_key()))
        .route("/ours", route(Policy::organization(ORGANIZATION)))
        .route(
            "/twice",
            get(async |key: ApiKey| key.key_id().to_owned()).layer(keys.require(Policy::any_key())),
        )
        .with_state(keys.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn counters_agree_with_clients_to_the_last_request() {
        let run = run(7, 6).await.unwrap();
        assert!(run.complaints().is_empty(), "{:#?}", run.complaints());
        assert!(run.ledger.requests > 5_000, "{}", run.ledger.requests);
        assert!(run.counted.len() > 40, "{:#?}", run.counted);
    }

    #[tokio::test]
    async fn a_decision_that_no_client_knows_is_found() {
        let world = start(Arc::new(ShiftedClock::default()), false).await.unwrap();
        let request = client::request(model::Route::Any, &[], 1);
        let answer = apikey_testkit::raw::exchange(world.server.address, &request).await.unwrap();
        let mut ledger = Ledger::default();
        let counted = counted(&world.server.keys.statistics());
        let found = |ledger: &Ledger| {
            let differences = differences(&ledger.counts, &counted);
            differences.into_iter().any(|difference| difference.contains("MISSING_KEY"))
        };
        assert!(found(&ledger));
        ledger.note(ledger::Expected::denied("MISSING_KEY", ""), false, &answer, "");
        assert!(!found(&ledger));
        assert_eq!(ledger.wrongs, 0);
        ledger.note(ledger::Expected::denied("MULTIPLE_KEYS", ""), false, &answer, "");
        assert_eq!(ledger.wrongs, 1, "the client reads another answer than it expects");
    }
}
