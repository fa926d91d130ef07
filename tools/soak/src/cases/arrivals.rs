//! Requests at a steady rate, whether or not the earlier ones have an answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apikey_axum::{Authenticator, AuthenticatorBuilder, TrustedProxies};
use apikey_testkit::emulator::{Emulator, KeySpecification};
use apikey_testkit::raw::{self, Connection};
use tokio::task::JoinSet;

use crate::report::quantile;
use crate::world::{World, socket};

/// A world in which requests name their client, as behind a proxy.
pub(super) async fn behind_a_proxy(
    configure: impl FnOnce(AuthenticatorBuilder<Authenticator>) -> AuthenticatorBuilder<Authenticator>,
) -> Result<World, String> {
    let proxies = proxies()?;
    World::start(|builder| configure(builder.trusted_proxies(proxies))).await
}

pub(super) fn proxies() -> Result<TrustedProxies, String> {
    TrustedProxies::parse("127.0.0.0/8").map_err(|error| error.to_string())
}

/// Good keys that the service has not asked about yet.
pub(super) fn good_keys(emulator: &Emulator, count: usize) -> Vec<String> {
    (0..count).map(|_| emulator.create_key(KeySpecification::new("good")).secret).collect()
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// The time between the first request and this one.
    pub(super) at: Duration,
    pub(super) took: Duration,
    pub(super) status: u16,
    /// How long the caller is told to wait.
    pub(super) retry_after: Option<u64>,
}

/// The outcomes of all requests, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Arrivals(pub(super) Vec<Arrival>);

impl Arrivals {
    pub(super) fn count(&self, status: u16) -> usize {
        self.0.iter().filter(|arrival| arrival.status == status).count()
    }

    pub(super) fn let_in(&self) -> usize {
        self.count(200)
    }

    pub(super) fn all_let_in(&self) -> bool {
        !self.0.is_empty() && self.let_in() == self.0.len()
    }

    pub(super) fn slowest(&self) -> Duration {
        self.0.iter().map(|arrival| arrival.took).max().unwrap_or_default()
    }

    pub(super) fn median(&self) -> Duration {
        quantile(&mut self.0.iter().map(|arrival| arrival.took).collect::<Vec<_>>(), 0.5)
    }

    /// How many requests of the worst whole second were accepted.
    pub(super) fn least_in_a_second(&self) -> usize {
        let last = self.0.last().map_or(0, |arrival| arrival.at.as_secs());
        let is_of = |second, arrival: &&Arrival| arrival.at.as_secs() == second && arrival.status == 200;
        let let_in = |second| self.0.iter().filter(|arrival| is_of(second, arrival)).count();
        (0..last).map(let_in).min().unwrap_or_default()
    }

    /// The requests that were sent this long after the first one, or later.
    pub(super) fn since(&self, at: Duration) -> Self {
        Self(self.0.iter().filter(|arrival| arrival.at >= at).copied().collect())
    }

    pub(super) fn join(arrivals: impl IntoIterator<Item = Self>) -> Self {
        Self(arrivals.into_iter().flat_map(|arrivals| arrivals.0).collect())
    }
}

/// The receiver of requests: a server, with as many connections as there are waiting requests.
#[derive(Clone)]
pub(super) struct Target {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Target {
    pub(super) fn new(world: &World) -> Self {
        Self::at(world.server.address)
    }

    pub(super) fn at(address: SocketAddr) -> Self {
        Self { address, idle: Arc::default() }
    }

    /// Presents a key as this client.
    pub(super) async fn present(&self, secret: &str, client: &str) -> Result<Arrival, String> {
        let free = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match free {
            Some(connection) => connection,
            None => Connection::connect(self.address).await.map_err(socket)?,
        };
        let bearer = format!("Bearer {secret}");
        let request = raw::get("/api/me", &[("Authorization", &bearer), ("X-Forwarded-For", client)]);
        let began = Instant::now();
        connection.send(&request).await.map_err(socket)?;
        let answer = connection.read_response(false).await.map_err(socket)?;
        let took = began.elapsed();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        let retry_after = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
        Ok(Arrival { at: Duration::ZERO, took, status: answer.status, retry_after })
    }

    /// Presents the keys one after another, one each time `every` has passed. This many clients take turns.
    pub(super) async fn at_a_rate(
        &self,
        secrets: Vec<String>,
        clients: usize,
        every: Duration,
    ) -> Result<Arrivals, String> {
        let (began, count) = (tokio::time::Instant::now(), secrets.len());
        let mut sent: JoinSet<Result<(usize, Arrival), String>> = JoinSet::new();
        for (number, secret) in secrets.into_iter().enumerate() {
            let at = every * u32::try_from(number).unwrap_or(u32::MAX);
            tokio::time::sleep_until(began + at).await;
            let target = self.clone();
            sent.spawn(async move {
                let arrival = target.present(&secret, &client(number % clients)).await?;
                Ok((number, Arrival { at, ..arrival }))
            });
        }
        let mut arrivals = Vec::with_capacity(count);
        while let Some(one) = sent.join_next().await {
            arrivals.push(one.map_err(|error| error.to_string())??);
        }
        arrivals.sort_unstable_by_key(|(number, _)| *number);
        Ok(Arrivals(arrivals.into_iter().map(|(_, arrival)| arrival).collect()))
    }

    /// Presents all keys at once.
    pub(super) async fn at_once(&self, secrets: Vec<String>, clients: usize) -> Result<Arrivals, String> {
        self.at_a_rate(secrets, clients, Duration::ZERO).await
    }
}

/// The address of a client in a proxy's header.
pub(super) fn client(number: usize) -> String {
    format!("198.51.{}.{}", number / 250, number % 250)
}
