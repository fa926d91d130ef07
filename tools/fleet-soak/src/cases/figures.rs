//! What is measured besides the faults.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use apikey_testkit::raw;

use super::{Case, judged};
use crate::clock::SECOND;
use crate::report::{Row, distribution};
use crate::secrecy::{Needles, read_store};
use crate::traffic::{Traffic, made_up_key};
use crate::world::{Setup, World, wait};

pub(super) const CASES: &[Case] = &[
    Case::figure("500 removals on one, load on the others", |name, is_quick| {
        Box::pin(removals(name, is_quick))
    }),
    Case::figure("attempts spread over three instances", |name, _| Box::pin(attempts(name))),
    Case::figure("every byte in the store", |name, _| Box::pin(secrecy(name))),
];

/// Few keys, so that each is asked for all the time. The removals are so far apart that each one's hint brings a reading of the log
/// at once, because an instance heeds 10 hints a second at most.
async fn removals(name: &'static str, is_quick: bool) -> Result<Row, String> {
    let rounds = if is_quick { 100 } else { 500 };
    let change_every = Duration::from_millis(125);
    let traffic = Traffic { keys: 5, removers: vec![0], change_every, ..Traffic::default() };
    let setup = Setup { traffic, ..Setup::default() };
    let mut world = World::start(name, &setup).await?;
    world.send();
    wait(change_every.as_secs_f64() * f64::from(rounds) * 1.03 + 1.0).await;
    let mut row = judged(name, &mut world, &setup.settings.bounds()).await;
    let spans = &row.findings.spans;
    let late = spans.iter().filter(|span| **span > 0).count();
    row.measured = format!(
        "from the call to the last older answer in another instance: {}; none after {} of them",
        distribution(spans),
        spans.len() - late
    );
    if spans.len() < rounds as usize {
        row.problems.push(format!("only {} removals reached the store", spans.len()));
    }
    if spans.last().is_some_and(|longest| *longest > SECOND * 9 / 10) {
        row.problems.push("an older answer was decided more than 0.9 s after the removal".to_owned());
    }
    Ok(row)
}

/// The limit counts the sum. Without the store, each instance counts by itself.
async fn attempts(name: &'static str) -> Result<Row, String> {
    const LIMIT: u32 = 30;
    let mut setup = Setup::default();
    setup.settings.attempts = LIMIT;
    let mut world = World::start(name, &setup).await?;
    let (judged, limited) = present_made_up_keys(&world, 3 * LIMIT).await?;
    world.store.kill();
    world.until_cut_off(&[0, 1, 2]).await?;
    let (more, limited_alone) = present_made_up_keys(&world, 6 * LIMIT).await?;
    world.end().await;
    let measured = format!(
        "limit {LIMIT}: Kinde was asked {judged} times ({limited} limited), and {more} times more when the store was gone \
         ({limited_alone} limited)"
    );
    let mut row = Row { case: name.to_owned(), measured, ..Row::default() };
    row.requests = u64::from(judged + limited + more + limited_alone);
    if judged != LIMIT {
        row.problems.push(format!("{judged} attempts were judged, and the limit is {LIMIT}"));
    }
    if judged + more > 3 * LIMIT {
        row.problems.push(format!("{} attempts were judged by three instances on their own", judged + more));
    }
    Ok(row)
}

/// Returns how many were judged, and how many were over the limit.
async fn present_made_up_keys(world: &World, count: u32) -> Result<(u32, u32), String> {
    let (mut judged, mut limited) = (0, 0);
    for number in 0..count as usize {
        let api = world.instances[number % 3].lock().await.api.load(Ordering::SeqCst);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, api));
        let response = raw::exchange(address, &made_up_key()).await.map_err(|error| error.to_string())?;
        match response.status {
            401 => judged += 1,
            429 => limited += 1,
            status => {
                return Err(format!("a made-up key is answered with {status}: {}", response.body_text()));
            }
        }
    }
    Ok((judged, limited))
}

/// Searches what is in the store, and all that the instances sent to it.
async fn secrecy(name: &'static str) -> Result<Row, String> {
    let setup = Setup::default();
    let mut world = World::start(name, &setup).await?;
    world.proxies.iter().for_each(crate::proxy::Proxy::capture);
    world.send();
    wait(6.0).await;
    let needles = needles(&world, &setup);
    let mut kept = read_store(&world.store)?;
    let in_store = kept.len();
    for proxy in &world.proxies {
        kept.extend(proxy.captured());
    }
    let mut row = judged(name, &mut world, &setup.settings.bounds()).await;
    let found = needles.find(&kept);
    row.measured = format!(
        "{} words in clear, hex and base64, in {in_store} bytes of the store and {} bytes of the connections: {} found",
        needles.words(),
        kept.len() - in_store,
        found.len()
    );
    if in_store < 10_000 || kept.len() < 100_000 {
        row.problems.push("there was too little to search".to_owned());
    }
    row.problems.extend(found.into_iter().map(|word| format!("the store can read {word}")));
    Ok(row)
}

fn needles(world: &World, setup: &Setup) -> Needles {
    let mut needles = Needles::default();
    for key in world.keys.iter() {
        needles.add(&key.id);
        needles.add(&key.secret);
        needles.add(&key.organization);
        needles.add(&key.user);
    }
    needles.add("read:users");
    (1..100).for_each(|version| needles.add(&crate::history::version_scope(version)));
    needles.add(&setup.secrets);
    needles.add(world.emulator.client_secret());
    world.emulator.issued_tokens().iter().for_each(|token| needles.add(token));
    needles
}
