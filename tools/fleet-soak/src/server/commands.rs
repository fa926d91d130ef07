//! What the tool asks of an instance, one line each: `remove KEY_ID VERSION`, and `stats`.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use apikey_core::Authenticator;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::notes::{Notes, is_linked};
use crate::clock::now;
use crate::history::Told;

/// What an instance says of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) linked: bool,
    /// Removals that the store is not known to have yet.
    pub(crate) waiting: u64,
}

/// Answers on a thread of its own.
pub(super) fn answer(listener: TcpListener, keys: Authenticator, notes: Arc<Notes>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let work = async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(read(stream, keys.clone(), Arc::clone(&notes)));
        }
    };
    let run = move || runtime.block_on(work);
    thread::Builder::new().name("commands".to_owned()).spawn(run).map_err(|error| error.to_string())?;
    Ok(())
}

async fn read(stream: TcpStream, keys: Authenticator, notes: Arc<Notes>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["remove", key, version] => remove(&keys, &notes, key, version.parse().unwrap_or_default()),
            _ => {
                let waiting = keys.statistics().total("apikey.fleet.removals.waiting", &[]);
                let stats = Stats { linked: is_linked(&keys), waiting };
                let line = serde_json::to_string(&stats).unwrap_or_default() + "\n";
                if writer.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn remove(keys: &Authenticator, notes: &Arc<Notes>, key: &str, version: u64) {
    let called = now();
    let removal = keys.remove_key_id(key);
    let returned = now();
    notes.tell(Told::Removed { called, returned, key: key.to_owned(), version });
    let (key, notes) = (key.to_owned(), Arc::clone(notes));
    tokio::spawn(async move {
        removal.await;
        notes.tell(Told::Taken { at: now(), key, version });
    });
}
