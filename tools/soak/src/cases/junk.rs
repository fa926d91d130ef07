//! A flood of unknown keys against a cache of good ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_core::{Judgement, PresentedKey, Verification};
use apikey_testkit::FakeVerifier;
use apikey_testkit::raw::Connection;
use tokio::task::JoinSet;

use crate::memory::{live_heap, resident};
use crate::report::{Row, mebibytes};
use crate::world::{Server, get, socket};

const JUNK: usize = 1_000_000;
const OVER_SOCKETS: usize = 50_000;
const WARM: usize = 1_000;
const FLOODS: usize = 16;
/// How much the flood may add once all bounded memories are full.
const TOLERANCE: usize = 1 << 20;

pub(super) async fn flood(is_quick: bool) -> Result<Vec<Row>, String> {
    let part = if is_quick { 10 } else { 1 };
    let (junk, over_sockets) = (JUNK / part, OVER_SOCKETS / part);
    let verifier = FakeVerifier::new();
    for number in 0..WARM {
        let verification = Verification::active(format!("api_key_{number}"));
        verifier.answer(warm(number), Ok(Judgement::accepted(verification)));
    }
    let server = Server::start(verifier.clone(), |builder| {
        builder.cache_capacity(2 * WARM).negative_time_to_live(Duration::from_secs(60)).attempt_limit(None)
    })
    .await?;
    for number in 0..WARM {
        hit(&server, number).await?;
    }
    // The first tenth fills the bounded memories.
    let began = Instant::now();
    let first = junk / 10;
    let mut wrong = send(&server, 0, first, over_sockets / 10).await?;
    let (heap, resident_before) = (live_heap(), resident());
    wrong += send(&server, first, junk, over_sockets - over_sockets / 10).await?;
    let (grown, took) = (live_heap(), began.elapsed());
    let calls = verifier.calls();
    let mut hits = 0;
    for number in 0..WARM {
        hits += usize::from(hit(&server, number).await?);
    }
    let mut rows = vec![
        Row::new(
            format!(
                "{junk} distinct junk keys, no prefixes, negative cache on ({over_sockets} over sockets): heap"
            ),
            format!("grows by {} at most after the first tenth", mebibytes(TOLERANCE)),
            format!(
                "{} after {first}, {} after all; {wrong} not refused; {:.0} keys a second",
                mebibytes(heap),
                mebibytes(grown),
                junk as f64 / took.as_secs_f64()
            ),
            grown <= heap + TOLERANCE && wrong == 0 && calls as usize == WARM + junk,
        ),
        Row::new(
            format!("the same: {WARM} warm keys"),
            "all still hits",
            format!("{hits} hits, {} further calls", verifier.calls() - calls),
            hits == WARM && verifier.calls() == calls,
        ),
    ];
    if let (Some(before), Some(after)) = (resident_before, resident()) {
        rows.push(Row::new(
            "the same: resident set",
            "grows by 16 MiB at most after the first tenth",
            format!("{} then, {} at the end", mebibytes(before), mebibytes(after)),
            after <= before + (16 << 20),
        ));
    }
    Ok(rows)
}

fn warm(number: usize) -> String {
    format!("k_live_warm_{number}")
}

/// Whether the cache answers for a cached key.
async fn hit(server: &Server, number: usize) -> Result<bool, String> {
    let key = PresentedKey::parse(&warm(number)).map_err(|error| error.to_string())?;
    let found =
        server.keys.verify(key).await.map_err(|denial| format!("a warm key was answered {denial:?}"))?;
    Ok(found.is_from_cache() && found.key_id() == format!("api_key_{number}"))
}

/// Presents the junk keys with these numbers, some of them over sockets. Counts the ones that were not refused.
async fn send(server: &Server, from: usize, to: usize, over_sockets: usize) -> Result<usize, String> {
    let mut floods: JoinSet<Result<usize, String>> = JoinSet::new();
    let keys = Arc::new(server.keys.clone());
    for flood in 0..FLOODS {
        let (keys, address) = (Arc::clone(&keys), server.address);
        floods.spawn(async move {
            let mut connection = Connection::connect(address).await.map_err(socket)?;
            let mut wrong = 0;
            for number in (from + flood..to).step_by(FLOODS) {
                let secret = format!("k_live_junk_{number}");
                let status = if number - from < over_sockets {
                    connection.send(&get("/api/me", &secret)).await.map_err(socket)?;
                    connection.read_response(false).await.map_err(socket)?.status
                } else {
                    let key = PresentedKey::parse(&secret).map_err(|error| error.to_string())?;
                    keys.verify(key).await.map_or_else(|denial| denial.status(), |_| 200)
                };
                wrong += usize::from(status != 401);
            }
            Ok(wrong)
        });
    }
    let mut wrong = 0;
    while let Some(flood) = floods.join_next().await {
        wrong += flood.map_err(|error| error.to_string())??;
    }
    Ok(wrong)
}
