//! A server as a child process: starts, watches and ends it.

use apikey_testkit::raw::{self, RawResponse};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// How long a server may take until it is ready.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How long a server may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How many lines of a server's output a report contains.
const KEPT_LINES: usize = 200;
/// The prefixes of variables that would change what a server does.
const SETTINGS: &[&str] =
    &["KINDE_", "APIKEY_", "LISTEN", "TRUSTED_PROX", "REDIS_URL", "METRICS_LISTEN", "AUDIT", "ROCKET_"];
/// The proxy variables. All requests stay on this machine, so no proxy may get them.
const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// A running server. Dropping it ends it.
pub struct Running {
    child: Child,
    listen: SocketAddr,
    output: Output,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts the server with only these settings.
    pub fn start<N: AsRef<OsStr>>(
        path: &Path,
        listen: SocketAddr,
        settings: Vec<(N, String)>,
    ) -> Result<Self, String> {
        let mut command = without_settings(path);
        command.env("LISTEN", listen.to_string()).envs(settings);
        Self::spawn(command, listen)
    }

    /// Starts a program with these arguments. They must make it listen on this address.
    pub fn start_with(path: &Path, arguments: &[String], listen: SocketAddr) -> Result<Self, String> {
        let mut command = without_settings(path);
        command.args(arguments);
        Self::spawn(command, listen)
    }

    fn spawn(mut command: Command, listen: SocketAddr) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.as_std().get_program().display()))?;
        // A user who sets a log level wants to see the log.
        let output = Output::new(std::env::var_os("RUST_LOG").is_some());
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|stream| tokio::spawn(output.clone().read(stream))));
        readers.extend(child.stderr.take().map(|stream| tokio::spawn(output.clone().read(stream))));
        Ok(Self { child, listen, output, readers })
    }

    /// The server's address in the form that curl needs.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Waits until the server answers `GET /health` with this status. A server without that route is ready when it
    /// answers 404.
    pub async fn ready(&mut self, status: u16) -> Result<(), String> {
        self.ready_at("/health", status).await
    }

    /// Waits until the server answers `GET` on this path with this status.
    pub async fn ready_at(&mut self, path: &str, status: u16) -> Result<(), String> {
        let deadline = Instant::now() + START_LIMIT;
        let request = raw::get(path, &[]);
        loop {
            if self.has_ended() {
                return Err(self.ended().await);
            }
            if let Ok(Ok(response)) =
                timeout(Duration::from_secs(1), raw::exchange(self.listen, &request)).await
                && response.status == status
                && !self.has_ended()
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seconds = START_LIMIT.as_secs();
                let output = self.output.text();
                return Err(format!("no {status} from {}{path} in {seconds} seconds. {output}", self.url()));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends one request, byte for byte, and reads the answer. A server without an answer is an error.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<RawResponse, String> {
        let problem = match raw::exchange(self.listen, request).await {
            Ok(response) => return Ok(response),
            Err(error) => format!("no answer from {}: {error}", self.url()),
        };
        // The system needs a moment to report that a server has ended.
        if timeout(Duration::from_millis(500), self.child.wait()).await.is_ok() {
            return Err(self.ended().await);
        }
        Err(format!("{problem}. {}", self.output.text()))
    }

    /// Shows the server's output from now on.
    pub fn show_output(&self) {
        self.output.live.store(true, Ordering::Relaxed);
    }

    /// Waits until the server ends by itself, and reports how.
    pub async fn ended(&mut self) -> String {
        let how = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        for reader in self.readers.drain(..) {
            // Its streams are closed, unless it started a process that still holds them.
            let _ = timeout(Duration::from_secs(1), reader).await;
        }
        format!("the server has ended by itself ({how}). {}", self.output.text())
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Asks the server to end, as an operator does (SIGTERM), and waits until it is gone.
    #[cfg(unix)]
    pub async fn terminate(mut self) -> Result<(), String> {
        let id = self.child.id().ok_or("the server has ended already")?.to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await;
        sent.map_err(|error| format!("cannot run kill: {error}"))?;
        match timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) => Err(self.ended().await),
            Err(_) => {
                Err(format!("it did not end in {} seconds. {}", STOP_LIMIT.as_secs(), self.output.text()))
            }
        }
    }

    /// Ends the server and waits until it is gone.
    pub async fn stop(mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill().await;
    }
}

/// A command without the variables that would change what a server does.
fn without_settings(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        if SETTINGS.iter().any(|prefix| upper.starts_with(prefix)) || PROXIES.contains(&upper.as_str()) {
            command.env_remove(&name);
        }
    }
    command
}

/// The last lines of a server's output.
#[derive(Clone)]
struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    live: Arc<AtomicBool>,
}

impl Output {
    fn new(live: bool) -> Self {
        Self { lines: Arc::default(), live: Arc::new(AtomicBool::new(live)) }
    }

    async fn read(self, stream: impl AsyncRead + Unpin) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if self.live.load(Ordering::Relaxed) {
                eprintln!("{text}");
            }
            let mut lines = self.lock();
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(text);
            line.clear();
        }
    }

    fn text(&self) -> String {
        let lines = self.lock();
        if lines.is_empty() {
            return "It wrote nothing.".into();
        }
        lines.iter().fold("Its output:".to_owned(), |text, line| text + "\n    " + line)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn a_server_that_ends_at_once_is_reported_with_its_output() {
        let directory = std::env::temp_dir().join(format!("xtask-test-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let script = directory.join("server");
        std::fs::write(&script, "#!/bin/sh\necho LISTEN is not an address >&2\nexit 3\n").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let listen = crate::ports::prefer(0).unwrap();
        let mut server = Running::start(&script, listen, Vec::<(&str, String)>::new()).unwrap();
        let report = server.ready(200).await.unwrap_err();
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(report.contains("exit status: 3"), "{report}");
        assert!(report.ends_with("Its output:\n    LISTEN is not an address"), "{report}");
    }
}
