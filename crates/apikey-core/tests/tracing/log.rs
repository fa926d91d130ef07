//! Listens to the log, one test at a time.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tokio::sync::MutexGuard;
use tracing::Subscriber;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// While it lives, this thread's subscriber is the only one.
pub(crate) struct Listening {
    // The order of the fields matters: the next test waits until nobody listens.
    _subscriber: DefaultGuard,
    _alone: MutexGuard<'static, ()>,
}

pub(crate) async fn listen(subscriber: impl Subscriber + Send + Sync + 'static) -> Listening {
    let alone = ALONE.lock().await;
    Listening { _subscriber: tracing::subscriber::set_default(subscriber), _alone: alone }
}

/// What is logged on this thread, as an operator reads it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) async fn listen() -> (Self, Listening) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        (log, listen(subscriber).await)
    }

    /// What has been logged since the last look.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
