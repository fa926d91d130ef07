//! Listens to what is published about logs, on connections of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::client::{Command, Stream};
use crate::dial::DIAL_LIMIT;
use crate::fault::Fault;
use crate::servers::Shared;

/// How long nobody tries again when listening has ended. Hints only save time, so this may be longer than for calls.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Hints(Mutex<HashMap<String, Listener>>);

/// A task that listens to one channel until this is dropped.
struct Listener {
    heard: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hints {
    /// Resolves when something was published in this channel since the last hint, or may have been. `key` is that of the log.
    pub(crate) async fn next(&self, shared: &Arc<Shared>, channel: String, key: Vec<u8>) {
        let heard = {
            let mut listeners = self.0.lock();
            // A task ends when its runtime does.
            listeners.retain(|_, listener| !listener.task.is_finished());
            let listener = listeners.entry(channel).or_insert_with_key(|channel| {
                let heard = Arc::new(Notify::new());
                let listening = listen(Arc::clone(shared), channel.clone(), key, Arc::clone(&heard));
                Listener { heard, task: tokio::spawn(listening) }
            });
            Arc::clone(&listener.heard)
        };
        heard.notified().await;
    }

    /// Listens anew, perhaps to another server.
    pub(crate) fn forget(&self) {
        // Callers that wait keep their `Notify`. They hear nothing more, so they are told to pull now.
        self.0.lock().drain().for_each(|(_, listener)| listener.heard.notify_waiters());
    }
}

async fn listen(shared: Arc<Shared>, channel: String, key: Vec<u8>, heard: Arc<Notify>) {
    loop {
        let subscribed = timeout(DIAL_LIMIT, subscribe(&shared, &channel, &key)).await;
        if let Ok(Ok(mut stream)) = subscribed {
            let mut bytes = [0; 1024];
            // What was published before is lost.
            heard.notify_one();
            // What it says does not matter. The log says it.
            while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {
                heard.notify_one();
            }
        }
        sleep(PAUSE).await;
    }
}

/// A stream on which the messages of this channel come.
pub(crate) async fn subscribe(shared: &Shared, channel: &str, key: &[u8]) -> Result<Box<dyn Stream>, Fault> {
    let broken =
        |error: std::io::Error| Fault::Unavailable(format!("the connection for hints broke: {error}"));
    let mut stream = shared.dialer.stream(&shared.servers.address(key).await?).await?;
    let mut commands = shared.dialer.login_bytes();
    commands.extend(Command::new("SUBSCRIBE").arg(channel).bytes());
    stream.write_all(&commands).await.map_err(broken)?;
    // The first replies are those of the login. The last one begins `*3`, or is an error.
    let mut line = Vec::new();
    loop {
        let byte = stream.read_u8().await.map_err(broken)?;
        if byte != b'\n' {
            line.push(byte);
            // No reply to a login is longer, and no error.
            if line.len() > 4096 {
                return Err(Fault::unexpected("a long line"));
            }
            continue;
        }
        let said = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        line.clear();
        if said.starts_with('*') {
            return Ok(stream);
        }
        if let Some(error) = said.strip_prefix('-') {
            let (code, text) = error.split_once(' ').unwrap_or((error, ""));
            let fault = Fault::of_server(code, text);
            return Err(match fault {
                // The text may hold the password.
                Fault::Misconfigured(_) if code == "ERR" => {
                    Fault::Misconfigured("the server refuses to log in or to subscribe".to_owned())
                }
                fault => fault,
            });
        }
    }
}
