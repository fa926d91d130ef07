//! Slow answers that are good ones, an outage that ends with them, and an address that moves.

use std::time::{Duration, Instant};

use apikey_core::SystemClock;
use apikey_testkit::emulator::{Emulator, Endpoint, Fault};

use super::arrivals::{Target, behind_a_proxy, good_keys, proxies};
use crate::report::Row;
use crate::switch::Switch;
use crate::world::{Server, verifier_at};

const BUDGET: Duration = Duration::from_secs(3);
const OUTAGE: Duration = Duration::from_secs(30);
/// Longer than the breaker's longest pause.
const RECOVERY: Duration = Duration::from_secs(35);

/// Every call succeeds and takes most of the budget.
pub(super) async fn slow_successes(is_quick: bool) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for part in [75, 99] {
        let world = behind_a_proxy(|builder| builder.verification_timeout(BUDGET)).await?;
        let latency = BUDGET * part / 100;
        world.emulator.set_fault(Endpoint::Verify, Some(Fault::Latency(latency)));
        let keys = good_keys(&world.emulator, if is_quick { 30 } else { 100 });
        let arrivals = Target::new(&world).at_a_rate(keys, 20, Duration::from_millis(100)).await?;
        let calls = world.emulator.counters().verify_calls;
        rows.push(Row::new(
            format!("every call succeeds after {part} % of the budget, 10 cold keys a second"),
            "all let in",
            format!(
                "{} of {} let in, slowest {:.2?}; {calls} calls",
                arrivals.let_in(),
                arrivals.0.len(),
                arrivals.slowest()
            ),
            arrivals.all_let_in(),
        ));
    }
    Ok(rows)
}

/// Kinde is down, then answers slowly.
pub(super) async fn back_and_slow(is_quick: bool) -> Result<Vec<Row>, String> {
    let outage = if is_quick { OUTAGE / 6 } else { OUTAGE };
    let world = behind_a_proxy(|builder| builder.verification_timeout(BUDGET)).await?;
    let target = Target::new(&world);
    let every = Duration::from_millis(100);
    let keys = |lasts: Duration| {
        let count = usize::try_from(lasts.as_millis() / every.as_millis()).unwrap_or_default();
        good_keys(&world.emulator, count)
    };
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    let during = target.at_a_rate(keys(outage), 20, every).await?;
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Latency(BUDGET * 75 / 100)));
    let back = Instant::now();
    let mut closed = None;
    while closed.is_none() && back.elapsed() < RECOVERY + BUDGET {
        let arrival = target.present(&good_keys(&world.emulator, 1)[0], "198.51.100.1").await?;
        closed = (arrival.status == 200).then(|| back.elapsed());
        tokio::time::sleep(every).await;
    }
    let after = target.at_a_rate(keys(Duration::from_secs(3)), 20, every).await?;
    Ok(vec![Row::new(
        format!("Kinde is down for {outage:?}, then every call takes 75 % of the budget; no older answers"),
        format!("keys are let in within {RECOVERY:?}, and then all of them"),
        format!(
            "{} let in while it was down; after {}; then {} of {}",
            during.let_in(),
            closed.map_or_else(|| "never".to_owned(), |closed| format!("{closed:.1?}")),
            after.let_in(),
            after.0.len()
        ),
        closed.is_some_and(|closed| closed <= RECOVERY) && after.all_let_in(),
    )])
}

/// From some moment on, Kinde's name leads to another address.
pub(super) async fn moved(is_quick: bool) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (what, refuses, most) in [
        ("answers 503 on the connections that it has", false, Duration::from_secs(30)),
        ("refuses and resets all connections", true, Duration::from_secs(2)),
    ] {
        let cannot = |error: std::io::Error| format!("the emulator does not start: {error}");
        let old = Emulator::start().await.map_err(cannot)?;
        let new = Emulator::builder().same_business_as(&old).start().await.map_err(cannot)?;
        let switch = Switch::start(old.address()).await.map_err(cannot)?;
        let proxies = proxies()?;
        let verifier = verifier_at(&switch.url(), &old, std::sync::Arc::new(SystemClock))?;
        let server = Server::start(verifier, |builder| builder.trusted_proxies(proxies)).await?;
        let target = Target::at(server.address);
        let before = target.at_once(good_keys(&old, 20), 20).await?;
        switch.lead_to(new.address());
        if refuses {
            old.refuse_connections(true).await.map_err(cannot)?;
            old.cut_connections();
        } else {
            old.set_fault(Endpoint::Verify, Some(Fault::status(503)));
            old.set_fault(Endpoint::Token, Some(Fault::status(503)));
        }
        let count = if is_quick { 60 } else { 300 };
        let arrivals = target.at_a_rate(good_keys(&old, count), 20, Duration::from_millis(50)).await?;
        let last_failure = arrivals.0.iter().rfind(|arrival| arrival.status != 200);
        let recovered = last_failure.map(|last| last.at + last.took).unwrap_or_default();
        let is_at_new = new.counters().verify_calls > 0;
        rows.push(Row::new(
            format!("Kinde's address moves, and the old one {what}: 20 cold keys a second"),
            format!("all let in after {most:?} at most"),
            format!(
                "{} of {} let in, the last 503 after {recovered:.1?}; slowest {:.0?}; {} calls to the new address",
                arrivals.let_in(),
                arrivals.0.len(),
                arrivals.slowest(),
                new.counters().verify_calls
            ),
            recovered <= most && is_at_new && before.all_let_in(),
        ));
    }
    Ok(rows)
}
