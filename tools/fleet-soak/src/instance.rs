//! The process of one instance.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clock::now;
use crate::history::{Event, Instance as Number, Told};
use crate::server::{ServerSettings, Stats};

/// How long an instance may take to start, and to answer a command.
const LIMIT: Duration = Duration::from_secs(15);

/// What all parts of a run write to.
pub(crate) type History = Arc<Mutex<Vec<Event>>>;

/// Notes an event.
pub(crate) fn note(history: &History, event: Event) {
    history.lock().unwrap_or_else(PoisonError::into_inner).push(event);
}

/// A running instance. Dropping it ends its process.
pub(crate) struct Instance {
    pub(crate) number: Number,
    settings: ServerSettings,
    environment: Vec<(&'static str, String)>,
    log: PathBuf,
    history: History,
    child: Child,
    reader: JoinHandle<()>,
    /// The port of its API.
    pub(crate) api: Arc<AtomicU16>,
    commands: BufReader<TcpStream>,
}

impl Instance {
    pub(crate) async fn start(
        number: Number,
        settings: ServerSettings,
        environment: Vec<(&'static str, String)>,
        log: &Path,
        history: &History,
    ) -> Result<Self, String> {
        let api = Arc::<AtomicU16>::default();
        let (child, reader, commands) = spawn(number, &settings, &environment, log, history, &api).await?;
        let (log, history) = (log.to_owned(), Arc::clone(history));
        Ok(Self { number, settings, environment, log, history, child, reader, api, commands })
    }

    /// Ends the process at once, as a crash does, and starts a new one with these variables besides its own.
    pub(crate) async fn crash_and_start(&mut self, more: &[(&'static str, String)]) -> Result<(), String> {
        self.end().await;
        for (name, value) in more {
            self.environment.retain(|(known, _)| known != name);
            self.environment.push((name, value.clone()));
        }
        let Self { number, settings, environment, log, history, api, .. } = &*self;
        let started = spawn(*number, settings, environment, log, history, api).await?;
        (self.child, self.reader, self.commands) = started;
        Ok(())
    }

    /// Ends the process, and reads what it had written.
    pub(crate) async fn end(&mut self) {
        let _ = self.child.kill().await;
        let _ = timeout(LIMIT, &mut self.reader).await;
    }

    /// Whether its process has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops the process where it is.
    pub(crate) fn pause(&self) -> Result<(), String> {
        self.signal("-STOP")
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<(), String> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Result<(), String> {
        let id = self.child.id().ok_or("the instance has ended")?.to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("kill {signal} fails")),
        }
    }

    /// Removes a key. It does not wait for that.
    pub(crate) async fn remove(&mut self, key: &str, version: u64) -> Result<(), String> {
        let line = format!("remove {key} {version}\n");
        let written = self.commands.get_mut().write_all(line.as_bytes()).await;
        written.map_err(|error| format!("instance {} takes no command: {error}", self.number))
    }

    pub(crate) async fn stats(&mut self) -> Result<Stats, String> {
        let failed = |error: String| format!("instance {} says nothing of itself: {error}", self.number);
        let mut line = String::new();
        let exchange = async {
            self.commands.get_mut().write_all(b"stats\n").await?;
            self.commands.read_line(&mut line).await
        };
        let read = timeout(LIMIT, exchange).await.map_err(|error| failed(error.to_string()))?;
        read.map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&line).map_err(|error| failed(error.to_string()))
    }
}

type Started = (Child, JoinHandle<()>, BufReader<TcpStream>);

async fn spawn(
    number: Number,
    settings: &ServerSettings,
    environment: &[(&'static str, String)],
    log: &Path,
    history: &History,
    api: &Arc<AtomicU16>,
) -> Result<Started, String> {
    let failed = |error: std::io::Error| format!("instance {number} does not start: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
    let settings = serde_json::to_string(settings).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("serve").arg(settings).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    // No variable of the user's may change what an instance does.
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
    command.env("RUST_LOG", "info,rocket=off,actix_server=warn");
    note(history, Event::Started { at: now(), instance: number });
    let mut child = command.spawn().map_err(failed)?;
    let output = child.stdout.take().ok_or("it has no output")?;
    let (told, ready) = oneshot::channel();
    let reader = tokio::spawn(read(number, output, Arc::clone(history), told));
    let ready = timeout(LIMIT, ready).await.map_err(|_| format!("instance {number} is not ready in time"))?;
    let (port, commands) = ready.map_err(|_| format!("instance {number} ends at once: see its log"))?;
    api.store(port, Ordering::SeqCst);
    let commands = TcpStream::connect(("127.0.0.1", commands)).await.map_err(failed)?;
    Ok((child, reader, BufReader::new(commands)))
}

async fn read(number: Number, output: ChildStdout, history: History, ready: oneshot::Sender<(u16, u16)>) {
    let mut ready = Some(ready);
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(what) = serde_json::from_str::<Told>(&line) else { continue };
        if let (Told::Ready { api, commands }, Some(ready)) =
            (&what, ready.take_if(|_| matches!(what, Told::Ready { .. })))
        {
            let _ = ready.send((*api, *commands));
        }
        note(&history, Event::Told { instance: number, what });
    }
}
