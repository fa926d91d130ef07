//! What this program logs, one test at a time.

use std::io::Write;
use std::sync::{Mutex, OnceLock};

use tokio::sync::MutexGuard;

static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The log. Another test has to wait until this one drops it.
pub(crate) struct Log(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Log {
    pub(crate) async fn listen() -> Self {
        static SUBSCRIBER: OnceLock<()> = OnceLock::new();
        let log = Self(ALONE.lock().await);
        SUBSCRIBER.get_or_init(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Lines).init());
        log.take();
        log
    }

    /// What has been logged since the last look.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *LINES.lock().unwrap())).unwrap()
    }
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
