//! A server with known keys, and clients of it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apikey_axum::{AttemptLimit, Authenticator, Verification};
use apikey_core::{Refusal, VerifierError};
use apikey_testkit::FakeVerifier;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use example_grpc::generated::administration_client::AdministrationClient;
use example_grpc::generated::users_client::UsersClient;
use example_grpc::routes;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

/// How many refused keys a client may present.
pub(crate) const LIMIT: u32 = 50;

pub(crate) const READER: &str = "k_live_reader";
pub(crate) const WRITER: &str = "k_live_writer";
pub(crate) const ADMIN: &str = "k_live_admin";
pub(crate) const REVOKED: &str = "k_live_revoked";
pub(crate) const INACTIVE: &str = "k_live_inactive";
pub(crate) const OTHER_API: &str = "k_live_other_api";
pub(crate) const UNKNOWN: &str = "k_live_unknown";
/// Kinde can't answer about it.
pub(crate) const OUTAGE: &str = "k_live_outage";
/// This service is set up wrong, so that Kinde doesn't answer about it.
pub(crate) const SET_UP: &str = "k_live_set_up";

pub(crate) fn verifier() -> FakeVerifier {
    let outage = VerifierError::outage("down").with_retry_after(Duration::from_secs(7));
    FakeVerifier::new()
        .with_key(READER, Verification::active("api_key_reader").with_scopes(["read:users"]))
        .with_key(
            WRITER,
            Verification::active("api_key_writer")
                .with_scopes(["read:users", "write:users"])
                .with_organization("org_acme"),
        )
        .with_key(ADMIN, Verification::active("api_key_admin").with_scopes(["admin"]))
        .with_refusal(REVOKED, Refusal::Revoked)
        .with_refusal(INACTIVE, Refusal::Inactive)
        .with_refusal(OTHER_API, Refusal::OtherApi)
        .with_failure(OUTAGE, outage)
        .with_failure(SET_UP, VerifierError::set_up("wrong audience"))
}

pub(crate) fn authenticator(verifier: FakeVerifier) -> Authenticator {
    let limit = AttemptLimit::new(LIMIT, Duration::from_secs(900));
    Authenticator::builder(verifier).attempt_limit(limit).build().unwrap()
}

/// A running server.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) verifier: FakeVerifier,
    connections: Arc<Mutex<HashSet<SocketAddr>>>,
}

impl World {
    /// Serves the example's routes.
    pub(crate) async fn new() -> Self {
        Self::with(|_, app| app).await
    }

    /// Serves these routes after a change to them.
    pub(crate) async fn with(change: impl FnOnce(&Authenticator, Router) -> Router) -> Self {
        let verifier = verifier();
        let keys = authenticator(verifier.clone());
        let connections = Arc::<Mutex<HashSet<SocketAddr>>>::default();
        let met = Arc::clone(&connections);
        let meet = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| {
            met.lock().unwrap().insert(peer);
            std::future::ready(request)
        };
        let app = change(&keys, routes(&keys).into_axum_router()).layer(map_request(meet));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, verifier, connections }
    }

    /// How many connections have sent a request.
    pub(crate) fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    pub(crate) async fn channel(&self) -> Channel {
        channel(self.address).await
    }

    pub(crate) async fn users(&self) -> UsersClient<Channel> {
        UsersClient::new(self.channel().await)
    }

    pub(crate) async fn administration(&self) -> AdministrationClient<Channel> {
        AdministrationClient::new(self.channel().await)
    }
}

pub(crate) async fn channel(address: SocketAddr) -> Channel {
    // Without a time limit, a lost answer would be a test that never ends.
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).unwrap().timeout(Duration::from_secs(60));
    endpoint.connect().await.unwrap()
}

/// The message as a request that presents this key.
pub(crate) fn with_key<M>(key: &str, message: M) -> tonic::Request<M> {
    with_authorization(&[&format!("Bearer {key}")], message)
}

/// The message as a request with these values of `authorization`.
pub(crate) fn with_authorization<M>(values: &[&str], message: M) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    for value in values {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    request
}
