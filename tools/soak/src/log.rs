//! Records what one thread logs, because a case judges it.

use std::cell::RefCell;
use std::io::Write;

use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::prelude::*;

thread_local! {
    /// `None` on a thread that nobody listens to.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Makes `listen` work. Call it before anything logs: `tracing` asks only once whether anybody listens to a line, and
/// a thread that this subscriber does not see yet would answer for all threads.
pub fn install() {
    let is_heard = dynamic_filter_fn(|_, _| LINES.with_borrow(Option::is_some));
    let filter = is_heard.with_max_level_hint(LevelFilter::INFO);
    let lines = layer().with_ansi(false).with_writer(|| Lines);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

/// Listens to this thread from now on.
pub(crate) fn listen() {
    LINES.set(Some(Vec::new()));
}

/// What this thread has logged since somebody listens.
pub(crate) fn heard() -> String {
    LINES.with_borrow(|lines| String::from_utf8_lossy(lines.as_deref().unwrap_or_default()).into_owned())
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.get_or_insert_default().extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
