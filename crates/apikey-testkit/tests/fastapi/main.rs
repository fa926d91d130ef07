//! The probe against a server in another language, with the mistake of a published sample and without it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use apikey_testkit::{
    emulator::Emulator,
    probe::{FindingKind, Probe, Report},
    raw,
};

/// A server in Python. It ends when it is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(variant: &str, emulator: &Emulator) -> Server {
        let python = std::env::var_os("FASTAPI_PYTHON")
            .expect("`cargo xtask fastapi` names a Python that has FastAPI");
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastapi/server.py")).arg(variant);
        let mut process = command.envs(emulator.environment()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port: u16 = port.trim().parse().expect("the server prints its port, or says above what is wrong");
        Server { process, address: ([127, 0, 0, 1], port).into() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Probes a variant of the server against its own document, with a list of its routes.
async fn probed(variant: &str) -> Report {
    let emulator = Emulator::builder().without_authentication().start().await.unwrap();
    let server = Server::start(variant, &emulator);
    let document = raw::exchange(server.address, &raw::get("/openapi.json", &[])).await.unwrap().json();
    let probe = Probe::new(&document, &format!("http://{}", server.address)).unwrap();
    probe.routes([("GET", "/health"), ("GET", "/api/data"), ("POST", "/api/data")]).run(&emulator).await
}

#[tokio::test]
#[ignore = "needs Python's FastAPI: `cargo xtask fastapi` runs it"]
async fn a_dependency_that_nobody_awaits_is_found() {
    let report = probed("unawaited").await;
    let found: Vec<_> =
        report.findings().iter().map(|finding| (finding.kind(), finding.operation())).collect();
    assert_eq!(found, [(FindingKind::Unguarded, Some("POST /api/data"))], "{report}");
    assert!(
        report.to_string().contains("nothing guards this route: a request without a key is let in (200)"),
        "{report}"
    );
}

#[tokio::test]
#[ignore = "needs Python's FastAPI: `cargo xtask fastapi` runs it"]
async fn the_mended_sample_has_no_finding() {
    let report = probed("mended").await;
    assert_eq!((report.is_clean(), report.notes().len(), report.operations()), (true, 0, 3), "{report}");
}
