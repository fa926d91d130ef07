//! The binary, as people run it.
//!
//! These tests are apart from the others because a process that starts another one lends it its sockets for a moment.
//! Then a port that another test has just freed is not free yet.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

use apikey_testkit::raw;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kinde-emulator")).args(arguments).output().unwrap()
}

/// A running binary. It ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_binary_prints_what_is_needed_to_use_it() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kinde-emulator"))
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _running = Running(child);
    let mut environment = HashMap::new();
    let mut reader = None;
    while reader.is_none() {
        let line = lines.next().expect("the keys are printed").unwrap();
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|pair| pair.split_once('=')) {
            environment.insert(name.to_owned(), value.to_owned());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["#", "reader", secret, ..] = words.as_slice() {
            reader = Some((*secret).to_owned());
        }
    }
    let address = environment["KINDE_DOMAIN"].strip_prefix("http://").unwrap().parse().unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&audience={}",
        environment["KINDE_MANAGEMENT_CLIENT_ID"],
        environment["KINDE_MANAGEMENT_CLIENT_SECRET"],
        environment["KINDE_MANAGEMENT_AUDIENCE"]
    );
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let request = raw::request("POST", "/oauth2/token", &headers, form.as_bytes());
    let token = raw::exchange(address, &request).await.unwrap().json();
    let authorization = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
    let body = format!("{{\"api_key\":\"{}\"}}", reader.unwrap());
    let request = raw::request("POST", "/api/v1/api_keys/verify", &headers, body.as_bytes());
    assert_eq!(raw::exchange(address, &request).await.unwrap().json()["scopes"][0], "read:users");
}

#[test]
fn a_taken_port_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = run(&["--listen", &taken.local_addr().unwrap().to_string()]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("another program listens") && message.contains("--listen 127.0.0.1:0"),
        "{message}"
    );
}

#[test]
fn a_listen_address_beyond_loopback_is_refused() {
    for arguments in [["--listen", "0.0.0.0:0"].as_slice(), &["--listen=[::]:0"], &["--listen=192.0.2.1:80"]]
    {
        let output = run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(message.contains("not a loopback address"), "{message}");
    }
}

#[test]
fn mistaken_arguments_are_explained() {
    for (arguments, words) in [
        (["--port"].as_slice(), "unknown argument"),
        (&["--listening=127.0.0.1:0"], "unknown argument"),
        (&["--listen"], "needs an address"),
        (&["--listen", "4010"], "not an address and a port"),
    ] {
        let output = run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(message.contains(words), "{message}");
    }
    let output = run(&["--help"]);
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("--listen"));
}
