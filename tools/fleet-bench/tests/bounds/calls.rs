//! How often a fleet asks Kinde.

use std::net::SocketAddr;
use std::time::Duration;

use apikey_core::{Authenticator, KindeSettings, KindeVerifier, MachineToMachine};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate, KeySpecification};
use apikey_testkit::raw::{self, Connection};
use apikey_testkit::servers::{Product, StoreServer};
use fleet_bench::{Framework, Server, instance, store, until, until_linked};
use tokio::task::JoinSet;

/// How many callers each server has at once.
const CROWD: usize = 100;

/// Three linked instances, each with a server on another framework.
struct Fleet {
    kinde: Emulator,
    instances: Vec<Authenticator>,
    servers: Vec<Server>,
    // It ends last.
    redis: StoreServer,
}

impl Fleet {
    async fn start() -> Self {
        let redis = StoreServer::start(Product::Redis, &[]);
        let kinde = Emulator::start().await.unwrap();
        let new = |_| {
            let settings = KindeSettings::new(kinde.url())
                .machine_to_machine(MachineToMachine::new(kinde.client_id(), kinde.client_secret()))
                .audience(kinde.audience());
            let verifier = KindeVerifier::new(settings).unwrap();
            // Neither a busy machine nor the limit of one client must change the count.
            let configure = |builder: fleet_bench::Builder| {
                builder.retries(false).attempt_limit(None).verification_timeout(Duration::from_secs(30))
            };
            instance(verifier, store(&redis).unwrap(), configure).unwrap()
        };
        let instances: Vec<Authenticator> = Framework::ALL.iter().map(new).collect();
        until_linked(&instances).await.unwrap();
        let servers = Framework::ALL.into_iter().zip(&instances);
        let servers =
            servers.map(|(framework, keys)| Server::start(framework, keys.clone()).unwrap()).collect();
        Self { kinde, instances, servers, redis }
    }

    fn new_key(&self) -> String {
        self.kinde.create_key(KeySpecification::new("a key")).secret
    }

    fn calls(&self) -> u64 {
        self.kinde.counters().verify_calls
    }

    /// How many calls a busy machine may cause if an answer was needed this often that was not in the instance's memory: an
    /// instance asks Kinde if the store takes longer than 50 ms, or if it could not read the log for 0.9 s. On a quiet machine
    /// there are none.
    fn excused(&self, needed: u64) -> u64 {
        let looks = |labels: &[(&str, &str)]| {
            let counted =
                self.instances.iter().map(|keys| keys.statistics().total("apikey.fleet.looks", labels));
            counted.sum::<u64>()
        };
        needed - looks(&[]) + looks(&[("result", "failed")])
    }

    fn address(&self, server: usize) -> SocketAddr {
        self.servers[server % self.servers.len()].address()
    }

    async fn connections(&self) -> Vec<Connection> {
        let mut connections = Vec::new();
        for server in 0..self.servers.len() {
            connections.push(Connection::connect(self.address(server)).await.unwrap());
        }
        connections
    }

    /// How many answers the store has.
    fn stored(&self) -> usize {
        let names = self.redis.command(&["KEYS", "apikey:entry:*"]).list().unwrap();
        names.len()
    }

    async fn until_stored(&self, answers: usize) {
        until("the store has the answers", || self.stored() == answers).await.unwrap();
    }

    /// Begins as many requests with this key at one server.
    fn crowd(&self, server: usize, key: &str) -> JoinSet<u16> {
        let mut crowd = JoinSet::new();
        for _ in 0..CROWD {
            let (address, request) = (self.address(server), request(key));
            crowd.spawn(async move { raw::exchange(address, &request).await.unwrap().status });
        }
        crowd
    }
}

fn request(key: &str) -> Vec<u8> {
    raw::get("/api/me", &[("Authorization", &format!("Bearer {key}"))])
}

async fn ask(connection: &mut Connection, key: &str) {
    connection.send(&request(key)).await.unwrap();
    let response = connection.read_response(false).await.unwrap();
    assert_eq!(response.status, 200, "{}", response.body_text());
}

async fn are_let_in(crowd: JoinSet<u16>) {
    assert_eq!(crowd.join_all().await, [200; CROWD]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_keys_on_three_servers_cost_a_thousand_calls() {
    let fleet = Fleet::start().await;
    let keys: Vec<String> = (0..1000).map(|_| fleet.new_key()).collect();
    for connection in &mut fleet.connections().await {
        for key in &keys {
            ask(connection, key).await;
        }
        // A caller hears before the fleet does.
        fleet.until_stored(1000).await;
    }
    assert_eq!(fleet.calls(), 1000 + fleet.excused(3000));
}

/// The servers take turns in being the first that is asked about a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_take_turns_cost_one_call_for_each_key() {
    let fleet = Fleet::start().await;
    let mut connections = fleet.connections().await;
    for first in 0..300 {
        let key = fleet.new_key();
        for next in first..first + 3 {
            ask(&mut connections[next % 3], &key).await;
            fleet.until_stored(first + 1).await;
        }
    }
    assert_eq!(fleet.calls(), 300 + fleet.excused(900));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_crowd_costs_one_call_for_each_server() {
    let fleet = Fleet::start().await;
    let (key, gate) = (fleet.new_key(), Gate::new());
    fleet.kinde.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let crowds = [0, 1, 2].map(|server| fleet.crowd(server, &key));
    let waiting = |keys: &Authenticator| keys.statistics().total("apikey.callers.waiting", &[]);
    let all_wait = || fleet.instances.iter().map(waiting).sum::<u64>() == 3 * CROWD as u64;
    until("all callers wait", all_wait).await.unwrap();
    until("each server asks", || fleet.calls() == 3).await.unwrap();
    gate.open();
    for crowd in crowds {
        are_let_in(crowd).await;
    }
    assert_eq!(fleet.calls(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_whose_key_the_fleet_knows_costs_no_call() {
    let fleet = Fleet::start().await;
    let key = fleet.new_key();
    for server in 0..3 {
        are_let_in(fleet.crowd(server, &key)).await;
        fleet.until_stored(1).await;
    }
    assert_eq!(fleet.calls(), 1 + fleet.excused(3));
}
