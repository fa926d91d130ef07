//! Kinde refuses the service's own token.

use std::sync::Arc;
use std::time::Duration;

use apikey_core::Clock;
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, KeySpecification};
use apikey_testkit::raw;

use crate::log;
use crate::report::Row;
use crate::world::{Server, ShiftedClock, get, socket, verifier_at};

const JUNK: usize = 1_000;
/// How long a token is not doubted after Kinde accepted it for another key.
const TRUST: Duration = Duration::from_secs(61);

/// Runs on its own thread. With one thread per runtime, its log contains no other case's lines.
pub(super) fn refused() -> Result<Vec<Row>, String> {
    let thread = std::thread::spawn(|| {
        log::listen();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(refuse())
    });
    thread.join().map_err(|_| "the case panicked".to_owned())?
}

async fn refuse() -> Result<Vec<Row>, String> {
    let emulator =
        Emulator::start().await.map_err(|error| format!("the emulator does not start: {error}"))?;
    let clock = Arc::new(ShiftedClock::default());
    let verifier = verifier_at(&emulator.url(), &emulator, Arc::clone(&clock) as Arc<dyn Clock>)?;
    let application = tokio::runtime::Handle::current();
    let server = Server::start(verifier, |builder| {
        // The log has only the lines of this thread.
        builder.attempt_limit(None).verification_runtime(application)
    })
    .await?;
    let key = || emulator.create_key(KeySpecification::new("good")).secret;
    let ask =
        async |secret: &str| raw::exchange(server.address, &get("/api/me", secret)).await.map_err(socket);
    let good = key();
    let before = ask(&good).await?.status;
    let tokens_before = emulator.counters().token_calls;
    emulator.set_fault(Endpoint::Verify, Some(Fault::status(401)));
    // A moment ago Kinde accepted the token for another key.
    let (cold, later) = (key(), key());
    let trusted = ask(&cold).await?.status;
    let renewals_while_trusted = emulator.counters().token_calls - tokens_before;
    clock.shift(TRUST);
    let answer = ask(&later).await?;
    let renewals = emulator.counters().token_calls - tokens_before;
    let mut not_500 = 0;
    for number in 0..JUNK {
        not_500 += usize::from(ask(&format!("k_live_junk_{number}")).await?.status != 500);
    }
    let storm = emulator.counters().token_calls - tokens_before - renewals;
    let text = log::heard();
    let errors = text.lines().filter(|line| line.contains("ERROR")).count();
    let names_it = text.lines().any(|line| line.contains("ERROR") && line.contains("check audience"));
    let secrets = [good.as_str(), &cold, &later, emulator.client_secret()];
    let tokens = emulator.issued_tokens();
    let leaks =
        tokens.iter().map(String::as_str).chain(secrets).filter(|secret| text.contains(secret)).count();
    Ok(vec![
        Row::new(
            "one key draws a 401 that is not about it, seconds after the token was accepted for another key",
            "503, and the token stays",
            format!("200 before: {}; then {trusted}, {renewals_while_trusted} renewals", before == 200),
            before == 200 && trusted == 503 && renewals_while_trusted == 0,
        ),
        Row::new(
            "the same a minute after the token was last accepted",
            "one renewal, then 500 and a log line that names the setting",
            format!(
                "{renewals} renewal, then {} {}; names the audience: {names_it}; {leaks} secrets logged",
                answer.status,
                answer.json()["code"],
            ),
            renewals == 1 && answer.status == 500 && names_it && leaks == 0,
        ),
        Row::new(
            format!("the same: {JUNK} junk keys"),
            "no further token is fetched; all 500; at most 3 lines for the operator",
            format!("{storm} fetched; {not_500} not 500; {errors} lines"),
            storm == 0 && not_500 == 0 && errors <= 3,
        ),
    ])
}
