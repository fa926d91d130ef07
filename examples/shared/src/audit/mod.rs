//! The audit log: a file with one line of JSON for each event. An event says that the server let a caller in, that it
//! refused one, or that it forgot cached keys.
//!
//! A thread of its own writes. A request only puts its line into a bounded queue. What the queue can't take, and what can't be
//! written, is counted. `docs/observability.md` lists the fields.

mod line;
mod sink;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use apikey_core::{ConfigError, Event, Observer, VerificationResult};
use sink::Sink;

/// How many lines may wait for the writer. A line has about 400 bytes.
const LONGEST_QUEUE: usize = 4_096;
/// How long the end of the server waits for the lines that are queued.
const LAST_LINES: Duration = Duration::from_secs(2);
/// The log names lost events at most this often.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// `AUDIT`: which events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuditedEvents {
    /// Everything but requests that were let in, and verifications that did not accept their key.
    Denials,
    /// Everything.
    All,
}

/// `AUDIT_LOG` and `AUDIT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditSettings {
    /// A path, or `-` for standard output.
    pub(crate) target: String,
    pub(crate) events: AuditedEvents,
}

impl AuditSettings {
    /// Reads the values of the two variables. `None` if nothing is to be written.
    pub(crate) fn read(target: Option<String>, events: Option<&str>) -> Result<Option<Self>, ConfigError> {
        let audited = match events {
            None | Some("denials") => AuditedEvents::Denials,
            Some("all") => AuditedEvents::All,
            Some("off") => return Ok(None),
            Some(_) => return Err(ConfigError::new("AUDIT", "expected denials, all or off")),
        };
        match target {
            Some(target) => Ok(Some(Self { target, events: audited })),
            None if events.is_none() => Ok(None),
            None => Err(ConfigError::new("AUDIT", "set AUDIT_LOG, too: a file, or - for standard output")),
        }
    }
}

/// Writes the audit log. It is the observer of an authenticator.
#[derive(Debug)]
pub(crate) struct AuditLog {
    events: AuditedEvents,
    queue: SyncSender<Entry>,
    /// How many events are not in the audit log.
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    /// Everything before it has been written, or is lost.
    Mark(Sender<()>),
}

impl AuditLog {
    /// Opens the file and starts the thread that writes.
    pub(crate) fn open(settings: &AuditSettings) -> Result<Self, ConfigError> {
        let failed =
            |error| ConfigError::new("AUDIT_LOG", format!("can't write to {}: {error}", settings.target));
        let file = sink::open(&settings.target).map_err(failed)?;
        Self::start(file, settings.events, LONGEST_QUEUE).map_err(failed)
    }

    fn start(
        target: impl Write + Send + 'static,
        events: AuditedEvents,
        longest_queue: usize,
    ) -> std::io::Result<Self> {
        let (queue, entries) = mpsc::sync_channel(longest_queue);
        let lost = Arc::<AtomicU64>::default();
        let log = Self { events, queue, lost: Arc::clone(&lost) };
        let write = move || write_entries(&entries, Sink::new(target), &lost);
        thread::Builder::new().name("audit log".to_owned()).spawn(write)?;
        Ok(log)
    }

    /// Waits until everything that is queued has been written, for 2 s at most.
    pub(crate) fn finish(&self) {
        if !self.is_written_within(LAST_LINES) {
            tracing::warn!("AUDIT_LOG: the last events could not be written within {LAST_LINES:?}");
        }
    }

    fn is_written_within(&self, patience: Duration) -> bool {
        let (mark, reached) = mpsc::channel();
        let queue = self.queue.clone();
        // If the queue is full, sending waits without a limit.
        thread::spawn(move || queue.send(Entry::Mark(mark)));
        reached.recv_timeout(patience).is_ok()
    }
}

impl Observer for AuditLog {
    fn observe(&self, event: &Event<'_>) {
        if let Event::VerificationEnded(verification) = event
            && self.events == AuditedEvents::Denials
            && verification.result != VerificationResult::Accepted
        {
            return; // The denials of the requests that waited for it say the same.
        }
        // Its parts are borrowed. To render them here takes as long as to copy them for the other thread.
        let Some(line) = line::render(event) else { return };
        match self.queue.try_send(Entry::Line(line)) {
            Ok(()) => {}
            // The writer logs it. This thread must not, because the log may go where the events go.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn hears_every_decision(&self) -> bool {
        self.events == AuditedEvents::All
    }

    fn dropped_events(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn write_entries(entries: &Receiver<Entry>, mut sink: Sink<impl Write>, lost: &AtomicU64) {
    let mut log = LossLog::default();
    for entry in entries {
        let mut failure = None;
        match entry {
            Entry::Line(line) => {
                if let Err(error) = sink.write_line(&line) {
                    lost.fetch_add(1, Ordering::Relaxed);
                    failure = Some(error);
                }
            }
            // Nobody waits any more if it took too long.
            Entry::Mark(mark) => drop(mark.send(())),
        }
        let count = lost.load(Ordering::Relaxed);
        if log.is_due(count, Instant::now()) {
            match failure {
                Some(error) => {
                    tracing::warn!("AUDIT_LOG: {count} events could not be written so far: {error}")
                }
                None => tracing::warn!(
                    "AUDIT_LOG: {count} events could not be written so far: they come faster than they are written"
                ),
            }
        }
    }
}

/// When the log last named lost events, and how many.
#[derive(Default)]
struct LossLog(Option<(Instant, u64)>);

impl LossLog {
    /// Whether more are lost than the log has named, and its latest line is a minute old. Then this one counts as the
    /// latest.
    fn is_due(&mut self, lost: u64, now: Instant) -> bool {
        let due = match self.0 {
            None => lost > 0,
            Some((at, named)) => lost > named && now.saturating_duration_since(at) >= LOG_PAUSE,
        };
        if due {
            self.0 = Some((now, lost));
        }
        due
    }
}

#[cfg(test)]
mod tests;
