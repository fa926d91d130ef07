//! Connections to Kinde that die, and backends of Kinde that hang.

use std::time::Duration;

use apikey_testkit::emulator::{BackendChoice, Backends, Endpoint, Fault};

use tokio::task::JoinSet;

use super::arrivals::{Arrivals, Target, behind_a_proxy, good_keys};
use crate::report::Row;
use crate::world::World;

/// How many requests come at once if one backend hangs, and the time between two such crowds.
const CROWD: usize = 10;
const BETWEEN_CROWDS: Duration = Duration::from_millis(400);
/// How much later an answer may be because of scheduling.
const TOLERANCE: Duration = Duration::from_millis(250);

/// Opens this many connections and leaves them idle, by having as many verifications in flight at once.
async fn warm(world: &World, target: &Target, connections: usize) -> Result<(), String> {
    let gate = world.hold();
    let keys = good_keys(&world.emulator, connections);
    let waiting = tokio::spawn({
        let target = target.clone();
        async move { target.at_once(keys, connections).await }
    });
    let wanted = connections as u64;
    world.emulator.wait_until(|counters| counters.verifications_in_flight >= wanted).await;
    gate.open();
    world.emulator.set_fault(Endpoint::Verify, None);
    let warmed = waiting.await.map_err(|error| error.to_string())??;
    if warmed.all_let_in() { Ok(()) } else { Err("the connections could not be warmed".to_owned()) }
}

/// A NAT or a load balancer forgets all connections, and tells neither side.
pub(super) async fn dead(_is_quick: bool) -> Result<Vec<Row>, String> {
    let (mut early, mut late, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for connections in [1, 20, 60] {
        let world = behind_a_proxy(|builder| builder).await?;
        let target = Target::new(&world);
        warm(&world, &target, connections).await?;
        let dead = world.emulator.silence_connections();
        let arrivals =
            target.at_a_rate(good_keys(&world.emulator, 90), 30, Duration::from_millis(33)).await?;
        let well = arrivals.since(Duration::from_millis(1100));
        told.push(format!(
            "{dead} dead: {} of {} let in, slowest {:.0?}, after the first second {:.0?}",
            arrivals.let_in(),
            arrivals.0.len(),
            arrivals.slowest(),
            well.slowest(),
        ));
        early.push(arrivals);
        late.push(well);
    }
    let (all, well) = (Arrivals::join(early), Arrivals::join(late));
    Ok(vec![Row::new(
        "1, 20 and 60 idle connections are dead and nobody says so, budget 3s, 30 cold keys a second",
        "all let in within 1.5 s; within 250 ms after the first second",
        told.join("; "),
        all.all_let_in()
            && all.slowest() <= Duration::from_millis(1500) + TOLERANCE
            && well.slowest() <= Duration::from_millis(250) + TOLERANCE,
    )])
}

/// The peer closes each connection after a few uses, or all of them at once.
pub(super) async fn closed(_is_quick: bool) -> Result<Vec<Row>, String> {
    let mut used = Vec::new();
    // If it closed them at their first use, no connection would ever bring an answer.
    for nth in 2..=6 {
        let world = behind_a_proxy(|builder| builder).await?;
        let target = Target::new(&world);
        world.emulator.close_connections_at_use(Some(nth));
        used.push(target.at_a_rate(good_keys(&world.emulator, 60), 10, Duration::from_millis(5)).await?);
    }
    let used = Arrivals::join(used);

    let world = behind_a_proxy(|builder| builder).await?;
    let target = Target::new(&world);
    warm(&world, &target, 60).await?;
    let gate = world.hold();
    let (keys, all_at_once) = (good_keys(&world.emulator, 64), target.clone());
    let waiting = tokio::spawn(async move { all_at_once.at_once(keys, 64).await });
    world.emulator.wait_until(|counters| counters.verifications_in_flight >= 64).await;
    world.emulator.cut_connections();
    gate.open();
    let cut = waiting.await.map_err(|error| error.to_string())??;
    let after = target.at_once(good_keys(&world.emulator, 20), 20).await?;
    let told = |arrivals: &Arrivals| {
        format!("{} of {} let in, slowest {:.0?}", arrivals.let_in(), arrivals.0.len(), arrivals.slowest())
    };
    Ok(vec![
        Row::new(
            "each connection is closed without an answer at its 2nd, 3rd, 4th, 5th or 6th use",
            "0 × 503",
            told(&used),
            used.all_let_in(),
        ),
        Row::new(
            "all connections are closed once, 64 verifications under way",
            "0 × 503, then or afterwards",
            format!("{}; afterwards {}", told(&cut), told(&after)),
            cut.all_let_in() && after.all_let_in(),
        ),
    ])
}

/// Three backends stand behind Kinde's address, and one of them never answers. The others end idle connections, so
/// each crowd of callers needs new ones.
/// crowd of callers needs new ones.
pub(super) async fn one_machine_hangs(is_quick: bool) -> Result<Vec<Row>, String> {
    let crowds = if is_quick { 9 } else { 30 };
    let mut rows = Vec::new();
    for (name, choice, is_fair) in [
        ("in turn", BackendChoice::RoundRobin, true),
        ("by chance", BackendChoice::Random(fastrand::u64(..)), false),
    ] {
        let world = behind_a_proxy(|builder| builder).await?;
        world.emulator.set_backends(Backends { count: 3, choice });
        world.emulator.set_backend_fault(1, Some(Fault::Hang));
        let target = Target::new(&world);
        let mut sent = JoinSet::new();
        for _ in 0..crowds {
            let (keys, target) = (good_keys(&world.emulator, CROWD), target.clone());
            sent.spawn(async move { target.at_once(keys, CROWD).await });
            tokio::time::sleep(BETWEEN_CROWDS).await;
            world.emulator.drain_connections();
        }
        let mut arrivals = Vec::new();
        while let Some(crowd) = sent.join_next().await {
            arrivals.push(crowd.map_err(|error| error.to_string())??);
        }
        let arrivals = Arrivals::join(arrivals);
        let count = arrivals.0.len();
        let unlucky = if is_fair { 0 } else { count.div_ceil(100) };
        let (median, failed) = (arrivals.median(), count - arrivals.let_in());
        let machines = world.emulator.backend_counters();
        let requests: Vec<String> = machines.iter().map(|machine| machine.requests.to_string()).collect();
        rows.push(Row::new(
            format!(
                "one of Kinde's three machines hangs, connections are given to them {name}: {count} cold keys in crowds of \
                 {CROWD}, each crowd on new connections"
            ),
            format!("at most {unlucky} × 503, median 1.2 s at most"),
            format!(
                "{failed} × 503; median {median:.1?}, slowest {:.1?}; calls to each: {}",
                arrivals.slowest(),
                requests.join(", ")
            ),
            failed <= unlucky && median <= Duration::from_millis(1200),
        ));
    }
    Ok(rows)
}
