//! One client's keys that Kinde does not judge, beside other clients' good keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apikey_axum::AttemptLimit;
use apikey_testkit::emulator::{Fault, ScriptedAnswer};
use tokio::task::JoinSet;

use super::arrivals::{Arrivals, Target, behind_a_proxy, good_keys};
use crate::report::Row;

const GOOD: usize = 300;
const LASTS: Duration = Duration::from_secs(10);
/// How often the odd client sends a key.
const ODD_EVERY: Duration = Duration::from_millis(50);
const BUDGET: Duration = Duration::from_secs(3);
/// How much later an answer may be because of scheduling.
const TOLERANCE: Duration = Duration::from_millis(250);
/// Keys in use, which expire and are renewed all the time.
const IN_USE: usize = 5;
/// The odd client reaches this limit after ten times as many answers that judge nothing.
const LIMIT: u32 = 8;
const ODD_CLIENT: &str = "203.0.113.9";

/// A way in which Kinde does not judge a key, and whether its client reaches the limit. It does not if the key has to
/// wait.
struct Kind {
    name: &'static str,
    fault: Fault,
    is_limited: bool,
}

fn kinds() -> Vec<Kind> {
    let kind = |name, fault| Kind { name, fault, is_limited: true };
    let waits = |name, fault| Kind { name, fault, is_limited: false };
    let json = |body: &str| Fault::Status { status: 200, body: body.to_owned() };
    let hour = ScriptedAnswer::new(503, "").header("retry-after", "3600");
    vec![
        kind("400", Fault::status(400)),
        kind("404", Fault::status(404)),
        kind("500", Fault::status(500)),
        kind("503", Fault::status(503)),
        waits("503 for an hour", Fault::Answer(hour)),
        waits("429", Fault::TooManyRequests { rate_limit_reset: None, retry_after: None }),
        kind("401", Fault::status(401)),
        kind("{}", json("{}")),
        kind("no key_id", json(r#"{"is_valid":true,"status":"active","scopes":[]}"#)),
        kind("reset", Fault::Reset),
        waits("hang", Fault::Hang),
    ]
}

/// The result of one kind.
struct Found {
    good: Arrivals,
    in_use_failed: usize,
    odd_ended_limited: bool,
    odd_let_in_or_refused: usize,
}

pub(super) async fn beside_good_keys(is_quick: bool) -> Result<Vec<Row>, String> {
    Ok(vec![with(1, is_quick).await?, with(50, is_quick).await?])
}

async fn with(odd_keys: usize, is_quick: bool) -> Result<Row, String> {
    let part = if is_quick { 2 } else { 1 };
    let mut running = JoinSet::new();
    for kind in kinds() {
        running.spawn(async move { one_kind(&kind, odd_keys, part).await.map(|found| (kind, found)) });
    }
    let (mut good, mut failures) = (Vec::new(), Vec::new());
    while let Some(ended) = running.join_next().await {
        let (kind, found) = ended.map_err(|error| error.to_string())??;
        let limit_holds = found.odd_ended_limited || !kind.is_limited || is_quick;
        if !found.good.all_let_in()
            || found.in_use_failed > 0
            || found.odd_let_in_or_refused > 0
            || !limit_holds
        {
            failures.push(format!(
                "{}: {} of {} let in, {} keys in use failed, odd keys judged {} times, limited: {}",
                kind.name,
                found.good.let_in(),
                found.good.0.len(),
                found.in_use_failed,
                found.odd_let_in_or_refused,
                found.odd_ended_limited,
            ));
        }
        good.push(found.good);
    }
    let good = Arrivals::join(good);
    let what = if odd_keys == 1 { "one odd key" } else { "50 odd keys" };
    let mut measured = format!(
        "{} of {} let in, slowest {:.0?}, median {:.1?}",
        good.let_in(),
        good.0.len(),
        good.slowest(),
        good.median()
    );
    for failure in &failures {
        measured.push_str(&format!("; {failure}"));
    }
    Ok(Row::new(
        format!(
            "{what} of one client, 20 requests a second, each of {} answers that judge nothing",
            kinds().len()
        ),
        format!(
            "all good cold keys of other clients let in, none later than {BUDGET:?}; keys in use stay so; the client is \
             limited in the end, unless its key has to wait"
        ),
        measured,
        failures.is_empty() && good.slowest() <= BUDGET + TOLERANCE,
    ))
}

async fn one_kind(kind: &Kind, odd_keys: usize, part: u32) -> Result<Found, String> {
    let world = behind_a_proxy(|builder| {
        let limit = AttemptLimit::new(LIMIT, Duration::from_secs(900));
        builder.cache_time_to_live(Duration::from_secs(1)).attempt_limit(limit)
    })
    .await?;
    let target = Target::new(&world);
    let (lasts, count) = (LASTS / part, GOOD / part as usize);
    let good = good_keys(&world.emulator, count);
    let in_use = good_keys(&world.emulator, IN_USE);
    for secret in &in_use {
        target.present(secret, "198.51.100.1").await?;
    }
    world.emulator.set_prefix_fault("odd_", Some(kind.fault.clone()));

    let is_over = Arc::new(AtomicBool::new(false));
    let (over, odd_target) = (Arc::clone(&is_over), target.clone());
    let odd = tokio::spawn(async move {
        let mut sent: JoinSet<Result<u16, String>> = JoinSet::new();
        let (mut statuses, mut number) = (Vec::new(), 0);
        while !over.load(Ordering::Relaxed) {
            let (target, secret) = (odd_target.clone(), format!("odd_{}", number % odd_keys));
            sent.spawn(async move { Ok(target.present(&secret, ODD_CLIENT).await?.status) });
            number += 1;
            tokio::time::sleep(ODD_EVERY).await;
        }
        while let Some(one) = sent.join_next().await {
            statuses.push(one.map_err(|error| error.to_string())??);
        }
        Ok::<_, String>(statuses)
    });
    let (over, steady_target) = (Arc::clone(&is_over), target.clone());
    let steady = tokio::spawn(async move {
        let mut failed = 0;
        while !over.load(Ordering::Relaxed) {
            for secret in &in_use {
                failed += usize::from(steady_target.present(secret, "198.51.100.1").await?.status != 200);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, String>(failed)
    });
    // The odd client has a head start, so that its effect is there.
    tokio::time::sleep(lasts / 5).await;
    let every = (lasts - lasts / 5) / u32::try_from(count).unwrap_or(u32::MAX);
    let good = target.at_a_rate(good, count, every).await?;
    is_over.store(true, Ordering::SeqCst);
    let odd = odd.await.map_err(|error| error.to_string())??;
    Ok(Found {
        good,
        in_use_failed: steady.await.map_err(|error| error.to_string())??,
        odd_ended_limited: odd.contains(&429),
        odd_let_in_or_refused: odd.iter().filter(|status| !matches!(status, 429 | 500 | 503)).count(),
    })
}
