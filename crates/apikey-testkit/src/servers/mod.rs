//! Redis and Valkey as processes of a test: they are started on a free port, with nothing in them, and end when they are
//! dropped.
//!
//! ```no_run
//! use apikey_testkit::servers::{Product, StoreServer};
//!
//! let server = StoreServer::start(Product::Redis, &[]);
//! server.command(&["SET", "key", "value"]);
//! assert!(server.url().starts_with("redis://127.0.0.1:"));
//! ```
//!
//! Like tests, these functions panic if something is wrong.

mod product;
mod resp;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use product::Product;
use resp::Client;
pub use resp::Reply;

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(15);
/// Systems give higher ports than these to outgoing connections. The port of a cluster's bus is 10,000 higher.
const PORTS: std::ops::Range<u16> = 10_000..21_000;

/// A server in a process of its own.
#[derive(Debug)]
pub struct StoreServer {
    product: Product,
    child: Child,
    port: u16,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// Has its log and its files.
    folder: PathBuf,
    /// What an administrator must say first.
    password: Option<String>,
}

impl StoreServer {
    /// Starts a server with these arguments, such as `["--maxmemory", "4mb"]`, and waits until it answers. It keeps nothing
    /// on disk.
    ///
    /// # Panics
    /// If the server is not installed, or does not answer in time.
    #[must_use]
    pub fn start(product: Product, arguments: &[&str]) -> Self {
        Self::start_on(product, free_port(), arguments)
    }

    /// The same with these environment variables besides those of this process, for example for `libfaketime`, which gives a
    /// server another clock.
    ///
    /// # Panics
    /// If the server is not installed, or does not answer in time.
    #[must_use]
    pub fn start_with_variables(product: Product, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self::start_as(product, free_port(), arguments, variables.collect())
    }

    /// The same on this port.
    ///
    /// # Panics
    /// If the server is not installed, or does not answer in time.
    #[must_use]
    pub fn start_on(product: Product, port: u16, arguments: &[&str]) -> Self {
        Self::start_as(product, port, arguments, Vec::new())
    }

    fn start_as(product: Product, port: u16, arguments: &[&str], variables: Vec<(String, String)>) -> Self {
        let folder = new_folder();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = spawn(product, port, &arguments, &variables, &folder);
        let password = option(&arguments, "--requirepass");
        let server = Self { product, child, port, arguments, variables, folder, password };
        server.wait_until_ready();
        server
    }

    /// Starts a server as a sentinel that watches this primary under the name `main`. It takes a primary for dead after 500
    /// ms, if as many sentinels as `quorum` agree.
    ///
    /// # Panics
    /// If the server is not installed, or does not answer in time.
    #[must_use]
    pub fn sentinel(product: Product, primary: &Self, quorum: u32) -> Self {
        let folder = new_folder();
        let file = folder.join("sentinel.conf");
        let watched = format!(
            "sentinel monitor main 127.0.0.1 {} {quorum}\n\
             sentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 2000\n",
            primary.port
        );
        fs::write(&file, watched).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let port = free_port();
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        let child = spawn(product, port, &arguments, &[], &folder);
        let server = Self { product, child, port, arguments, variables: Vec::new(), folder, password: None };
        server.wait_until_ready();
        server
    }

    /// Starts the servers of a cluster, which share the slots, and waits until they agree. A server that is silent for 1 s is
    /// taken for dead.
    ///
    /// # Panics
    /// If the server is not installed, or if they do not agree in time.
    #[must_use]
    pub fn cluster(product: Product, servers: u16, arguments: &[&str]) -> Vec<Self> {
        let of_cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        let arguments = [&of_cluster, arguments].concat();
        let cluster: Vec<Self> = (0..servers).map(|_| Self::start(product, &arguments)).collect();
        for (number, server) in (0..u32::from(servers)).zip(&cluster) {
            let slot = |number: u32| 16_384 * number / u32::from(servers);
            let (first, last) = (slot(number).to_string(), (slot(number + 1) - 1).to_string());
            server.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            server.command(&["CLUSTER", "MEET", "127.0.0.1", &cluster[0].port.to_string()]);
        }
        let has_all = format!("cluster_known_nodes:{servers}\r");
        for server in &cluster {
            server.wait_until("the cluster does not agree", |server| {
                let info = server.command(&["CLUSTER", "INFO"]).text().unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains(&has_all)
            });
        }
        cluster
    }

    /// Starts a server that follows this one, and waits until it has everything.
    ///
    /// # Panics
    /// If that takes too long.
    #[must_use]
    pub fn replica(&self, arguments: &[&str]) -> Self {
        let primary = format!("127.0.0.1 {}", self.port);
        let replica = Self::start(self.product, &[&["--replicaof", &primary], arguments].concat());
        replica.wait_until("it does not follow its primary", |replica| {
            replica.info("master_link_status").as_deref() == Some("up")
        });
        replica
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command and returns the reply.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn command(&self, command: &[&str]) -> Reply {
        let bytes: Vec<&[u8]> = command.iter().map(|part| part.as_bytes()).collect();
        self.try_command(&bytes).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Runs a command whose parts need not be text.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn try_command(&self, command: &[&[u8]]) -> std::io::Result<Reply> {
        let mut client = Client::connect(self.port)?;
        if let Some(password) = &self.password {
            client.command(&[b"AUTH", password.as_bytes()])?;
        }
        client.command(command)
    }

    /// What a line of `INFO` says.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<String> {
        let info = self.command(&["INFO", "everything"]).text()?;
        let line =
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
        line.map(|value| value.trim().to_owned())
    }

    /// Ends the process at once, as a crash does. Nothing is kept.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the process again on the same port, with the same arguments, and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer in time.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.product, self.port, &self.arguments, &self.variables, &self.folder);
        self.wait_until_ready();
    }

    /// Stops the process where it is, until [`resume`](Self::resume). Connections stay open.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets a process go on that was paused.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal} fails");
    }

    /// Waits until this is true of it.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn wait_until(&self, what: &str, mut is_true: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + START_LIMIT;
        while !is_true(self) {
            assert!(Instant::now() < deadline, "{}: {what}. {}", self.product.name(), self.log());
            sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_ready(&self) {
        self.wait_until("it does not answer", |server| {
            server.try_command(&[b"PING"]).is_ok_and(|reply| !reply.is_error_of("LOADING"))
        });
    }

    /// What it wrote to its log.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for StoreServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A loopback port that nobody listens on. No two calls of one process return the same.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let length = PORTS.len() as u16;
    // Other processes begin elsewhere.
    let first = (std::process::id().wrapping_mul(97) % u32::from(length)) as u16;
    loop {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(taken < length, "no port of 127.0.0.1 is free");
        let port = PORTS.start + (first + taken) % length;
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

fn new_folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("apikey-store-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}

fn spawn(
    product: Product,
    port: u16,
    arguments: &[String],
    variables: &[(String, String)],
    folder: &PathBuf,
) -> Child {
    let program = product.find().unwrap_or_else(|missing| panic!("{missing}"));
    // The file of a configuration comes first.
    let (file, rest) = match arguments.split_first() {
        Some((first, rest)) if !first.starts_with("--") => (Some(first), rest),
        _ => (None, arguments),
    };
    let mut command = program.command();
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.args(file).args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--logfile", "log"]);
    command.arg("--dir").arg(folder);
    if !arguments.iter().any(|argument| argument == "--sentinel") {
        command.args(["--save", "", "--appendonly", "no", "--enable-debug-command", "local"]);
        command.args(["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
    }
    command.args(rest).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", product.name()))
}

fn option(arguments: &[String], name: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_given_to_one_caller() {
        let ports = [(); 10].map(|()| free_port());
        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]), "{ports:?}");
    }

    #[test]
    fn a_server_ends_when_it_is_dropped() {
        for product in Product::ALL {
            let mut server = StoreServer::start(product, &["--requirepass", "secret"]);
            assert_eq!(server.command(&["SET", "key", "value"]).text().as_deref(), Some("OK"));
            assert_eq!(server.command(&["GET", "key"]).text().as_deref(), Some("value"));
            assert!(server.info("run_id").is_some_and(|run| run.len() == 40));
            server.restart();
            assert_eq!(server.command(&["GET", "key"]), Reply::Nothing);
            let port = server.port();
            drop(server);
            assert!(Client::connect(port).is_err());
        }
    }
}
