//! `apikey-check key`

#[cfg(target_os = "linux")]
use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use apikey_testkit::emulator::{Emulator, Endpoint, Fault, IssuedKey, KeySpecification};

use crate::support::{Run, environment, run};

async fn emulator() -> Emulator {
    Emulator::start().await.unwrap()
}

/// Asks about a key, and finds no secret in what is printed.
async fn ask(emulator: &Emulator, key: &str, arguments: &[&str]) -> Run {
    let arguments: Vec<&str> = ["key"].iter().chain(arguments).copied().collect();
    let ran = run(&environment(emulator, &[]), &arguments, &format!("{key}\n")).await;
    ran.reveals_none_of([emulator.client_secret()].into_iter().chain((key.len() > 3).then_some(key)));
    ran.reveals_none_of(emulator.issued_tokens());
    ran
}

async fn decides(emulator: &Emulator, key: &str, arguments: &[&str], decision: &str) -> Run {
    let ran = ask(emulator, key, arguments).await;
    let first = ran.stdout.lines().next().unwrap_or_default();
    assert_eq!(first, format!("decision  {decision}"), "{arguments:?} {ran:?}");
    assert_eq!(ran.status, i32::from(decision != "the key is let in"), "{ran:?}");
    ran
}

fn reader(emulator: &Emulator) -> IssuedKey {
    emulator.create_key(KeySpecification::new("reader").scopes(["read:users"]).organization("org_acme"))
}

#[tokio::test]
async fn a_key_of_another_api_is_refused_if_one_is_set() {
    let emulator = emulator().await;
    let key = emulator.create_key(KeySpecification::new("other").api_ids(["api_of_billing"]));
    for (api_id, decision) in [("api_of_billing", "the key is let in"), ("api_of_users", "403 API_MISMATCH")]
    {
        let bound = environment(&emulator, &[("KINDE_API_ID", api_id)]);
        let ran = run(&bound, &["key"], &format!("{}\n", key.secret)).await;
        assert!(ran.stdout.starts_with(&format!("decision  {decision}\n")), "{ran:?}");
    }
}

#[tokio::test]
async fn a_key_is_judged_as_the_route_asks() {
    let emulator = emulator().await;
    let key = reader(&emulator);
    let let_in = "the key is let in";
    for (arguments, decision) in [
        ([].as_slice(), let_in),
        (&["--scopes", "read:users"], let_in),
        (&["--scopes", "read:users,write:users"], "403 INSUFFICIENT_SCOPE"),
        (&["--scopes", "read:users,write:users", "--any-of"], let_in),
        (&["--owner", "organization"], let_in),
        (&["--owner", "user"], "403 USER_KEY_REQUIRED"),
    ] {
        let ran = decides(&emulator, &key.secret, arguments, decision).await;
        for line in [
            &format!("key id    {}\n", key.key_id),
            "scopes    read:users\n",
            "owner     organization org_acme\n",
        ] {
            assert!(ran.stdout.contains(line), "{}", ran.stdout);
        }
    }
    let missing = ask(&emulator, &key.secret, &["--scopes=read:users,write:users"]).await;
    assert!(missing.stdout.contains("message   Insufficient scope. Required: write:users\n"), "{missing:?}");
}

#[tokio::test]
async fn a_key_that_is_refused_says_why() {
    let emulator = emulator().await;
    let status = |status| emulator.create_key(KeySpecification::new(status).status(status)).secret;
    for (key, decision) in [
        ("k_live_nobodys_canary".to_owned(), "401 INVALID_KEY"),
        (status("revoked"), "401 KEY_REVOKED"),
        (status("inactive"), "401 KEY_INACTIVE"),
        ("k_live with a space".to_owned(), "401 INVALID_FORMAT"),
        (String::new(), "401 MISSING_KEY"),
    ] {
        let ran = decides(&emulator, &key, &[], decision).await;
        assert!(ran.stdout.contains("\nmessage   "), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn a_key_that_can_not_be_judged_says_what_to_mend() {
    let emulator = emulator().await;
    let key = reader(&emulator).secret;
    emulator.deny_scope(true);
    let ran = decides(&emulator, &key, &[], "500 INTERNAL_ERROR").await;
    assert!(ran.stdout.contains("grant read:api_keys to the application"), "{}", ran.stdout);
    assert!(ran.stdout.contains("`apikey-check config`"), "{}", ran.stdout);
    emulator.deny_scope(false);
    emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
    let ran = decides(&emulator, &key, &[], "503 VERIFICATION_UNAVAILABLE").await;
    assert!(ran.stdout.contains("status 500"), "{}", ran.stdout);
    let half = run(&environment(&emulator, &[("KINDE_MANAGEMENT_CLIENT_ID", "")]), &["key"], &key).await;
    assert_eq!((half.status, half.stdout.as_str()), (1, ""));
    assert!(half.stderr.contains("KINDE_MANAGEMENT_CLIENT_ID"), "{}", half.stderr);
    half.reveals_none_of([key.as_str(), emulator.client_secret()]);
}

#[tokio::test]
async fn a_key_without_a_line_end_is_read() {
    let emulator = emulator().await;
    let key = reader(&emulator).secret;
    for input in [key.clone(), format!("  {key} \r\nmore\n")] {
        let ran = run(&environment(&emulator, &[]), &["key"], &input).await;
        assert_eq!(ran.status, 0, "{ran:?}");
    }
    for input in [String::new(), "k".repeat(5000)] {
        let ran = run(&environment(&emulator, &[]), &["key"], &input).await;
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{ran:?}");
    }
}

#[tokio::test]
async fn a_key_among_the_arguments_asks_nobody() {
    let emulator = emulator().await;
    let key = reader(&emulator).secret;
    for arguments in [["key", key.as_str()].as_slice(), &["key", "--key", &key], &[&key]] {
        let ran = run(&environment(&emulator, &[]), arguments, "").await;
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("history"), "{}", ran.stderr);
        ran.reveals_none_of([&key]);
    }
    assert_eq!(emulator.counters().connections, 0);
}

/// Opens a new terminal: its two ends.
#[cfg(target_os = "linux")]
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(name).unwrap();
    (File::from(master), slave)
}

/// A real terminal shows what is typed, unless a program tells it not to.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_typed_is_not_shown() {
    let emulator = emulator().await;
    let key = reader(&emulator).secret;
    let (mut master, slave) = terminal();
    let mut child = Command::new("setsid")
        .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_apikey-check"), "key"])
        .env_clear()
        .envs(environment(&emulator, &[]))
        .stdin(Stdio::from(slave.try_clone().unwrap()))
        .stdout(Stdio::from(slave.try_clone().unwrap()))
        .stderr(Stdio::from(slave))
        .spawn()
        .unwrap();
    let mut shown = String::new();
    let mut buffer = [0; 1024];
    let mut typed = false;
    // The end of the program is an error of the terminal.
    while let Ok(read @ 1..) = master.read(&mut buffer) {
        shown += &String::from_utf8_lossy(&buffer[..read]);
        if !typed && shown.contains("API key (it is not shown): ") {
            typed = true;
            // The prompt comes just before the terminal is told to show nothing.
            let shows = |master: &File| {
                let modes = rustix::termios::tcgetattr(master).unwrap().local_modes;
                modes.contains(rustix::termios::LocalModes::ECHO)
            };
            let end = Instant::now() + Duration::from_secs(10);
            while shows(&master) {
                assert!(Instant::now() < end, "the terminal still shows what is typed");
                std::thread::sleep(Duration::from_millis(1));
            }
            master.write_all(format!("{key}\n").as_bytes()).unwrap();
        }
    }
    assert!(child.wait().unwrap().success(), "{shown}");
    assert!(shown.contains("the key is let in"), "{shown}");
    assert!(!shown.contains(&key), "{shown}");
}
