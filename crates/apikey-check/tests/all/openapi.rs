//! `apikey-check openapi`

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use crate::server::{Flaw, document, serve};
use crate::support::{Environment, Run, program, run};

/// An address at which nothing listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/openapi.json")
}

/// Not a test: the program of the tests starts itself with this as the command that serves the API.
#[tokio::test]
#[ignore = "serves the API for the other tests"]
async fn an_api_for_the_other_tests() {
    let Ok(listen) = std::env::var("LISTEN") else { return };
    let flaw = Flaw::named(&std::env::var("FLAW").unwrap());
    println!("The API listens.");
    serve(listen.parse().unwrap(), flaw, |name| std::env::var(name).ok()).await;
}

/// The command that serves the API.
fn command() -> Vec<String> {
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let rest = ["openapi::an_api_for_the_other_tests", "--exact", "--ignored", "--nocapture"];
    [program].into_iter().chain(rest.map(str::to_owned)).collect()
}

/// Probes the API of a command.
async fn probe(listen: SocketAddr, flaw: &str, options: &[&str], command: &[String]) -> Run {
    let variables =
        [("LISTEN", listen.to_string()), ("FLAW", flaw.to_owned()), ("PATH", "/usr/bin:/bin".to_owned())];
    let environment: Environment =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let url = url(listen);
    let arguments = ["openapi", &url].into_iter().chain(options.iter().copied()).chain(["--"]);
    let arguments: Vec<&str> = arguments.chain(command.iter().map(String::as_str)).collect();
    let ran = run(&environment, &arguments, "").await;
    assert!(TcpStream::connect(listen).is_err(), "the command still runs: {ran:?}");
    ran
}

/// A file for a test, which is removed in the end.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("apikey-check-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_server_that_agrees_with_its_document_is_clean() {
    let routes = TemporaryFile::new("clean-routes", "GET /health\nGET /users\nPOST /users\n");
    let ran = probe(free_address(), "none", &["--routes", routes.path()], &command()).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("0 findings in 3 operations, after "), "{}", ran.stdout);
    assert!(ran.stderr.contains("The API listens."), "{}", ran.stderr);
}

#[tokio::test]
async fn a_guard_that_disagrees_is_found() {
    for (flaw, word) in [("dropped", "nothing guards this route"), ("exchanged", "admin")] {
        let ran = probe(free_address(), flaw, &[], &command()).await;
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stdout.contains("finding: POST /users: "), "{}", ran.stdout);
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
        assert!(!ran.stdout.contains("GET /users: "), "{}", ran.stdout);
        assert!(
            ran.stdout.contains("note: whether the server has routes that the document lacks"),
            "{}",
            ran.stdout
        );
    }
}

#[tokio::test]
async fn a_route_that_the_document_lacks_is_found() {
    let routes = TemporaryFile::new("routes", "# all\nGET /health\nGET /hidden\nGET /users\nPOST /users\n");
    let ran = probe(free_address(), "none", &["--routes", routes.path()], &command()).await;
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stdout.contains("finding: GET /hidden: the document lacks this route"), "{}", ran.stdout);
}

#[cfg(unix)]
#[tokio::test]
async fn no_setting_of_the_shell_spoils_a_probe() {
    let listen = free_address();
    let unset =
        ["APIKEY_AUTH", "KINDE_API_ID", "KINDE_ISSUER_URL", "KINDE_M2M_CLIENT_ID", "KINDE_M2M_CLIENT_SECRET"];
    let environment: Environment = [("PATH", "/usr/bin:/bin")]
        .into_iter()
        .chain(unset.map(|name| (name, "none")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // The command ends before it listens, so the probe fails. What counts is what the command was given.
    let ran = run(&environment, &["openapi", &url(listen), "--", "env"], "").await;
    let given: Vec<&str> = ran.stderr.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(given.contains(&"KINDE_DOMAIN") && given.contains(&"PATH"), "{ran:?}");
    for name in unset {
        assert!(!given.contains(&name), "{name}: {ran:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_the_command_has_started_ends_with_it() {
    // The second one and its server do not end when they are asked to.
    for script in ["\"$0\" \"$@\" & wait", "trap '' TERM; \"$0\" \"$@\" & wait"] {
        let shell = ["sh", "-c", script].map(str::to_owned);
        let shell: Vec<String> = shell.into_iter().chain(command()).collect();
        let ran = probe(free_address(), "none", &[], &shell).await;
        assert_eq!(ran.status, 0, "{ran:?}");
    }
}

/// Starts the program without a command, and the API in this process once the program has printed the environment.
async fn probe_by_hand(listen: SocketAddr, arguments: &[&str]) -> (Run, HashMap<String, String>) {
    let mut child = program(&Environment::new(), arguments).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let lines: Vec<String> = stderr.by_ref().take_while(|line| !line.starts_with("Waiting for ")).collect();
    let exports = lines.iter().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    let variables: HashMap<String, String> =
        exports.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let given = variables.clone();
    let api = tokio::spawn(async move { serve(listen, Flaw::None, |name| given.get(name).cloned()).await });
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    api.abort();
    let _ = api.await;
    let status = child.wait().unwrap().code().unwrap();
    (Run { status, stdout, stderr: stderr.collect() }, variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_somebody_starts_is_waited_for() {
    let listen = free_address();
    let file = TemporaryFile::new("document", &document().to_string());
    let (server, kinde) = (format!("http://{listen}"), free_address().to_string());
    let arguments = ["openapi", file.path(), "--server", &server, "--kinde", &kinde];
    let (ran, variables) = probe_by_hand(listen, &arguments).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(variables["KINDE_DOMAIN"], format!("http://{kinde}"));
    assert_eq!(variables["APIKEY_ATTEMPTS"], "0");
    // The same server can be probed again, because the credentials stay the same.
    let (ran, again) = probe_by_hand(listen, &arguments).await;
    assert_eq!((ran.status, again), (0, variables));
}

#[tokio::test]
async fn a_server_that_asks_another_kinde_is_told() {
    let listen = free_address();
    let closed = free_address();
    let variables = HashMap::from([
        ("KINDE_DOMAIN", format!("http://{closed}")),
        ("KINDE_MANAGEMENT_CLIENT_ID", "id".to_owned()),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", "secret".to_owned()),
    ]);
    let api =
        tokio::spawn(async move { serve(listen, Flaw::None, |name| variables.get(name).cloned()).await });
    let ran = run(&Environment::new(), &["openapi", &url(listen)], "").await;
    api.abort();
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stdout.contains("did not ask the emulator about any key"), "{}", ran.stdout);
}

#[tokio::test]
async fn only_servers_of_this_machine_are_probed() {
    for (arguments, why) in [
        (["http://192.0.2.1/openapi.json"].as_slice(), "loopback"),
        (&["http://192.0.2.1:3000"], "loopback"),
        (&["http://[2001:db8::1]/"], "loopback"),
        (&["https://127.0.0.1/openapi.json"], "no TLS"),
        (&["http://127.0.0.1@192.0.2.1/"], "expected a URL"),
        (&["document.json"], "--server"),
        (&["document.json", "--server", "http://127.0.0.1/api"], "scheme, the host and the port"),
        (&["http://127.0.0.1/", "--server", "http://127.0.0.1"], "only with a file"),
        (&["document.json", "--server", "http://192.0.2.1"], "loopback"),
    ] {
        let arguments: Vec<&str> = ["openapi"].iter().chain(arguments).copied().collect();
        let ran = run(&Environment::new(), &arguments, "").await;
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{arguments:?}");
        assert!(ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_probe_is_told() {
    let listen = free_address();
    let run_with = |url: String, rest: &[&str]| {
        let rest: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
        async move {
            let rest = rest.iter().map(String::as_str);
            let arguments: Vec<&str> = ["openapi", &url].into_iter().chain(rest).collect();
            let path = Environment::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
            run(&path, &arguments, "").await
        }
    };
    let fails = |ran: Run, why: &str| {
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{why} {ran:?}");
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
    };
    fails(run_with(url(listen), &["--", "true"]).await, "ended before something listened");
    fails(run_with(url(listen), &["--", "/nowhere/no-such-command"]).await, "can't be started");
    fails(run_with(url(listen), &["--routes", "/nowhere/routes"]).await, "list of routes can't be read");

    let variables = HashMap::from([
        ("KINDE_DOMAIN", "http://127.0.0.1:1"),
        ("KINDE_M2M_CLIENT_ID", "i"),
        ("KINDE_M2M_CLIENT_SECRET", "s"),
    ]);
    let api = tokio::spawn(async move {
        serve(listen, Flaw::None, |name| variables.get(name).map(|value| (*value).to_owned())).await
    });
    while TcpStream::connect(listen).is_err() {
        tokio::task::yield_now().await;
    }
    let at = |path: &str| format!("http://{listen}{path}");
    fails(run_with(url(listen), &["--", "sleep", "60"]).await, "listens at");
    fails(run_with(at("/nothing"), &[]).await, "answers 404");
    fails(run_with(at("/large.json"), &[]).await, "larger than 20 MB");
    fails(run_with(at("/health"), &[]).await, "the document");
    let yaml = TemporaryFile::new("yaml", "openapi: 3.1.0\n");
    let server = format!("http://{listen}");
    fails(run_with(yaml.path().to_owned(), &["--server", &server]).await, "not JSON");
    api.abort();
}

#[cfg(unix)]
#[test]
fn an_interrupted_probe_ends_its_command() {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};
    let path = Environment::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    let url = url(free_address());
    let arguments = ["openapi", &url, "--", "sh", "-c", "echo $$ >&2; exec sleep 60"];
    let mut child = program(&path, &arguments).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let command = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(test_kill_process(command).is_err(), "the command still runs");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("interrupted"), "{rest}");
}

#[tokio::test]
async fn what_an_import_by_kinde_would_mix_up_is_told() {
    let mut document = document();
    let twin = document["paths"]["/users"].clone();
    document["paths"]["/-users"] = twin;
    let file = TemporaryFile::new("import.json", &document.to_string());
    let server = format!("http://{}", free_address());
    let arguments = ["openapi", file.path(), "--server", &server, "--"];
    let command = command();
    let listen = server.trim_start_matches("http://").to_owned();
    let environment: Environment =
        [("LISTEN", listen), ("FLAW", "none".to_owned()), ("PATH", "/usr/bin:/bin".to_owned())]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    let arguments: Vec<&str> = arguments.into_iter().chain(command.iter().map(String::as_str)).collect();
    let ran = run(&environment, &arguments, "").await;
    let told = "if Kinde imports the document: GET /-users and GET /users get one scope, `get:users`";
    assert!(ran.stdout.contains(told) && ran.stdout.contains("GET /health has no operationId"), "{ran:?}");
}
