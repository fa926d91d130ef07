//! Kinde refuses the service's own token.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use apikey_testkit::emulator::{Endpoint, Fault, KeySpecification};
use apikey_testkit::raw;
use tracing_subscriber::fmt::MakeWriter;

use crate::report::Row;
use crate::world::{World, get, socket};

const JUNK: usize = 1_000;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// On a thread of its own, for the log of a runtime with one thread can be read without touching anybody else's.
pub(super) fn refused() -> Result<Vec<Row>, String> {
    let thread = std::thread::spawn(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        tracing::subscriber::with_default(subscriber, || runtime.block_on(refuse(&log)))
    });
    thread.join().map_err(|_| "the case panicked".to_owned())?
}

async fn refuse(log: &Log) -> Result<Vec<Row>, String> {
    let world = World::start(|builder| builder.attempt_limit(None)).await?;
    let good = world.emulator.create_key(KeySpecification::new("good"));
    let ask = async |secret: &str| {
        raw::exchange(world.server.address, &get("/api/me", secret)).await.map_err(socket)
    };
    let before = ask(&good.secret).await?.status;
    let tokens_before = world.emulator.counters().token_calls;
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(401)));
    let cold = world.emulator.create_key(KeySpecification::new("cold"));
    let answer = ask(&cold.secret).await?;
    let renewals = world.emulator.counters().token_calls - tokens_before;
    let mut not_500 = 0;
    for number in 0..JUNK {
        not_500 += usize::from(ask(&format!("k_live_junk_{number}")).await?.status != 500);
    }
    let storm = world.emulator.counters().token_calls - tokens_before - renewals;
    let text = String::from_utf8_lossy(&log.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    let line = text.lines().find(|line| line.contains("ERROR") && line.contains("KINDE_MANAGEMENT_AUDIENCE"));
    let secrets = [good.secret.as_str(), &cold.secret, world.emulator.client_secret()];
    let tokens = world.emulator.issued_tokens();
    let leaks =
        tokens.iter().map(String::as_str).chain(secrets).filter(|secret| text.contains(secret)).count();
    Ok(vec![
        Row::new(
            "upstream 401 on the service's token, over sockets",
            "one renewal, then 500 and a log line that names the setting",
            format!(
                "200 before: {}; {renewals} renewal, then {} {}; names KINDE_MANAGEMENT_AUDIENCE: {}; {leaks} secrets logged",
                before == 200,
                answer.status,
                answer.json()["code"],
                line.is_some(),
            ),
            before == 200 && renewals == 1 && answer.status == 500 && line.is_some() && leaks == 0,
        ),
        Row::new(
            format!("the same: {JUNK} junk keys"),
            "no further token is fetched; all 500",
            format!("{storm} fetched; {not_500} not 500"),
            storm == 0 && not_500 == 0,
        ),
    ])
}
