//! Kinde fails in every way, one after another, for a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use apikey_core::{Clock, ManualClock, PresentedKey};
use apikey_testkit::emulator::{Endpoint, Fault, IssuedKey, KeySpecification};
use apikey_testkit::raw::Connection;
use tokio::task::JoinHandle;

use crate::report::{Row, quantile};
use crate::world::{World, get, socket};

const OUTAGE: Duration = Duration::from_secs(60);
const KNOWN: usize = 200;
const REVOKED: usize = 20;
/// The library's default. The known keys are past it when the outage begins.
const TIME_TO_LIVE: Duration = Duration::from_secs(300);
/// Answers that took longer waited for Kinde, because of a probe or because the breaker was not open yet.
const WAITED: Duration = Duration::from_millis(50);

fn faults() -> Vec<(Endpoint, Fault)> {
    let verify = |fault| (Endpoint::Verify, fault);
    vec![
        verify(Fault::status(503)),
        verify(Fault::status(500)),
        verify(Fault::TooManyRequests { rate_limit_reset: Some(5), retry_after: None }),
        verify(Fault::Reset),
        verify(Fault::Close),
        verify(Fault::Hang),
        verify(Fault::Garbage),
        verify(Fault::RawGarbage),
        verify(Fault::Empty),
        verify(Fault::HugeBody(200_000)),
        verify(Fault::SlowBody(Duration::from_millis(50))),
        (Endpoint::Token, Fault::Hang),
        (Endpoint::Token, Fault::status(503)),
    ]
}

#[derive(Default)]
struct Tally {
    asked: usize,
    right: usize,
    times: Vec<Duration>,
    odd: Option<String>,
}

pub(super) async fn down(is_quick: bool) -> Result<Vec<Row>, String> {
    let outage = if is_quick { OUTAGE / 10 } else { OUTAGE };
    let clock = Arc::new(ManualClock::new());
    let world = World::start(|builder| {
        builder
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .cache_time_to_live(TIME_TO_LIVE)
            .stale_if_error(TIME_TO_LIVE)
            .verification_timeout(Duration::from_secs(1))
            .attempt_limit(None)
    })
    .await?;
    let keys = &world.server.keys;
    let create = |count, name: &str| -> Vec<IssuedKey> {
        (0..count).map(|_| world.emulator.create_key(KeySpecification::new(name))).collect()
    };
    let (known, revoked) = (create(KNOWN, "known"), create(REVOKED, "revoked"));
    for key in known.iter().chain(&revoked) {
        let secret = PresentedKey::parse(&key.secret).map_err(|error| error.to_string())?;
        keys.verify(secret).await.map_err(|denial| format!("before the outage: {denial:?}"))?;
    }
    // Half of them are purged. The other half is seen to be refused once it expires.
    for (number, key) in revoked.iter().enumerate() {
        world.emulator.revoke(&key.key_id);
        if number < REVOKED / 2 {
            keys.remove_key_id(&key.key_id);
        }
    }
    clock.advance(TIME_TO_LIVE);
    for key in &revoked[REVOKED / 2..] {
        let secret = PresentedKey::parse(&key.secret).map_err(|error| error.to_string())?;
        if keys.verify(secret).await.is_ok() {
            return Err("a revoked key was let in before the outage".to_owned());
        }
    }

    let is_over = Arc::new(AtomicBool::new(false));
    let ticking = tick(Arc::clone(&clock), Arc::clone(&is_over));
    let address = world.server.address;
    let start = |secrets: Secrets, right: fn(u16) -> bool| {
        tokio::spawn(ask(address, secrets, right, Arc::clone(&is_over)))
    };
    let faults = faults();
    set(&world, &faults[0]);
    let secrets = |keys: &[IssuedKey]| keys.iter().map(|key| key.secret.clone()).collect();
    let known = start(Secrets::These(secrets(&known)), |status| status == 200);
    let unknown = start(Secrets::Fresh, |status| status == 503);
    let revoked = start(Secrets::These(secrets(&revoked)), |status| matches!(status, 401 | 503));
    for fault in &faults {
        set(&world, fault);
        tokio::time::sleep(outage / u32::try_from(faults.len()).unwrap_or(1)).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let [mut known, mut unknown, revoked] =
        [finished(known).await?, finished(unknown).await?, finished(revoked).await?];
    finished_ticking(ticking).await;
    let case = |what: &str| {
        format!("Kinde down for {outage:?}, {} faults in turn, stale-if-error 300 s: {what}", faults.len())
    };
    let told = |tally: &Tally| {
        let odd = tally.odd.as_ref().map(|odd| format!("; first: {odd}")).unwrap_or_default();
        format!("{} of {} over sockets as they should be{odd}", tally.right, tally.asked)
    };
    let all_right = |tally: &Tally| tally.asked > 0 && tally.right == tally.asked;
    let (hit, slowest) = (quantile(&mut known.times, 0.5), quantile(&mut known.times, 1.0));
    let waited = unknown.times.iter().filter(|time| **time > WAITED).count();
    let (median, late) = (quantile(&mut unknown.times, 0.5), quantile(&mut unknown.times, 0.99));
    Ok(vec![
        Row::new(
            case("known keys"),
            "0 failures",
            format!("{}; median {hit:.1?}, slowest {slowest:.1?}", told(&known)),
            all_right(&known),
        ),
        Row::new(
            case("unknown keys"),
            "503, median under 1 ms once the breaker is open",
            format!("{}; median {median:.1?}, 99 % {late:.1?}, {waited} waited for Kinde", told(&unknown)),
            all_right(&unknown) && median < Duration::from_millis(1),
        ),
        Row::new(case("revoked keys"), "none let in", told(&revoked), all_right(&revoked)),
    ])
}

fn set(world: &World, (endpoint, fault): &(Endpoint, Fault)) {
    for each in [Endpoint::Verify, Endpoint::Token] {
        world.emulator.set_fault(each, (each == *endpoint).then(|| fault.clone()));
    }
    // Then a verification gets no further than its token.
    if *endpoint == Endpoint::Token {
        world.emulator.revoke_tokens();
    }
}

/// From here on the clock runs as fast as real time.
fn tick(clock: Arc<ManualClock>, is_over: Arc<AtomicBool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut last = Instant::now();
        while !is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = Instant::now();
            clock.advance(now - last);
            last = now;
        }
    })
}

async fn finished_ticking(ticking: JoinHandle<()>) {
    let _ended = ticking.await;
}

enum Secrets {
    These(Vec<String>),
    Fresh,
}

/// One client that sends requests until the outage is over.
async fn ask(
    address: std::net::SocketAddr,
    secrets: Secrets,
    right: fn(u16) -> bool,
    is_over: Arc<AtomicBool>,
) -> Result<Tally, String> {
    let mut connection = Connection::connect(address).await.map_err(socket)?;
    let mut tally = Tally::default();
    while !is_over.load(Ordering::Relaxed) {
        let secret = match &secrets {
            Secrets::These(secrets) => secrets[tally.asked % secrets.len()].clone(),
            Secrets::Fresh => format!("k_live_never_seen_{}", tally.asked),
        };
        let began = Instant::now();
        connection.send(&get("/api/me", &secret)).await.map_err(socket)?;
        let answer = connection.read_response(false).await.map_err(socket)?;
        tally.times.push(began.elapsed());
        tally.asked += 1;
        if right(answer.status) {
            tally.right += 1;
        } else {
            tally.odd.get_or_insert_with(|| format!("{} {}", answer.status, answer.body_text()));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(tally)
}

async fn finished(client: JoinHandle<Result<Tally, String>>) -> Result<Tally, String> {
    client.await.map_err(|error| error.to_string())?
}
