//! Each worker of actix has a runtime of its own; the authenticator is one for all of them.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use apikey_actix::{ApiKey, Authenticator, Verification};
use apikey_conformance::RunningServer;
use apikey_core::{Judgement, PresentedKey, Verifier, VerifierError};
use apikey_testkit::raw::{Connection, get};
use tokio::sync::Semaphore;

use crate::server;

/// Answers when the gate opens.
#[derive(Clone)]
struct Gated {
    gate: Arc<Semaphore>,
    calls: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Verifier for Gated {
    async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.acquire().await.unwrap());
        Ok(Judgement::accepted(Verification::active("id")))
    }
}

async fn worker(_key: ApiKey) -> String {
    format!("{:?}", std::thread::current().id())
}

async fn a_flight_of_one_worker_serves_all(start: impl FnOnce(Authenticator) -> RunningServer) {
    let verifier = Gated { gate: Arc::new(Semaphore::new(0)), calls: Arc::default() };
    let server = start(Authenticator::builder(verifier.clone()).build().unwrap());
    let mut connections = Vec::new();
    for _ in 0..8 {
        let mut connection = Connection::connect(server.address()).await.unwrap();
        connection.send(&get("/", &[("Authorization", "Bearer k_live_1")])).await.unwrap();
        connections.push(connection);
    }
    while verifier.calls.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Time for the others to join; the fewer do, the easier the case, so that it is never wrong to go on.
    tokio::time::sleep(Duration::from_millis(50)).await;
    verifier.gate.add_permits(1);
    let mut workers = BTreeSet::new();
    for connection in &mut connections {
        let response = connection.read_response(false).await.unwrap();
        assert_eq!(response.status, 200);
        workers.insert(response.body_text());
    }
    assert_eq!(workers.len(), server::WORKERS);
    assert_eq!(verifier.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_flight_of_one_worker_serves_all_in_an_actix_system() {
    a_flight_of_one_worker_serves_all(|keys| {
        server::start(move || App::new().app_data(keys.clone()).route("/", web::get().to(worker)))
    })
    .await;
}

#[tokio::test]
async fn a_flight_of_one_worker_serves_all_in_a_runtime_of_tokio() {
    a_flight_of_one_worker_serves_all(|keys| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let app = move || App::new().app_data(keys.clone()).route("/", web::get().to(worker));
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(async move {
                let server = HttpServer::new(app).workers(server::WORKERS).disable_signals();
                let server = server.listen(listener).unwrap().run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let handle = receiver.recv().unwrap();
        RunningServer::new(address, move || drop(handle.stop(false)))
    })
    .await;
}
