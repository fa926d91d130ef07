//! What programs of others say about the document.

use std::process::Output;

use apikey_testkit::emulator::KeySpecification;
use apikey_testkit::raw;
use tokio::process::Command;
use xtask::cargo::root;
use xtask::openapi_tools::{folder, redocly, schemathesis};

use crate::server::{SERVERS, Server};

/// How many requests Schemathesis makes up for an operation.
const EXAMPLES: &str = "--max-examples=25";

async fn output(command: std::process::Command) -> Output {
    Command::from(command).kill_on_drop(true).output().await.unwrap()
}

#[tokio::test]
#[ignore = "it needs Redocly: cargo xtask openapi"]
async fn redocly_finds_nothing_wrong_with_the_document() {
    let server = Server::start(SERVERS[0]).await;
    let served = raw::exchange(server.address, &raw::get("/openapi.json", &[])).await.unwrap();
    server.running.stop().await;
    let document = folder().join("document.json");
    std::fs::write(&document, served.body).unwrap();
    let mut redocly = redocly();
    let config = root().join("xtask/tests/documentation/redocly.yaml");
    redocly.args(["lint", "--max-problems=100", "--config"]).arg(config).arg(&document);
    let said = output(redocly).await;
    let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success() && text.contains("is valid") && !text.contains("warning."), "{text}");
}

#[tokio::test]
#[ignore = "it needs Schemathesis: cargo xtask openapi"]
async fn schemathesis_finds_no_answer_that_differs() {
    for package in SERVERS {
        let server = Server::start(package).await;
        let scopes = ["read:users", "write:users", "read:tickets", "write:workflows"];
        let key = KeySpecification::new("everything").scopes(scopes).organization("org_acme");
        let key = server.emulator.create_key(key).secret;
        let mut schemathesis = schemathesis();
        schemathesis.current_dir(folder()).arg("run").arg(format!("http://{}/openapi.json", server.address));
        schemathesis.args(["--header", &format!("Authorization: Bearer {key}"), EXAMPLES, "--seed=1"]);
        schemathesis.args(["--generation-database=none", "--no-color"]);
        // Rocket answers other methods with 404, and warp's 405 has no `Allow`.
        if matches!(package, "example-rocket" | "example-warp") {
            schemathesis.arg("--exclude-checks=unsupported_method");
        }
        let said = output(schemathesis).await;
        let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        server.running.stop().await;
        assert!(said.status.success() && text.contains("Tested: 9"), "{package}: {text}");
        assert!(!text.contains("Warnings:"), "{package}: {text}");
    }
}
