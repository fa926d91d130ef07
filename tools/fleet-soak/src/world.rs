//! The surroundings of a case: a store, an emulator of Kinde, three instances, and the traffic.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use apikey_testkit::emulator::{Emulator, Endpoint, Fault, KeySpecification};
use apikey_testkit::servers::{Product, StoreServer};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::clock::now;
use crate::history::{Event, version_scope};
use crate::instance::{History, Instance, note};
use crate::proxy::Proxy;
use crate::server::{FRAMEWORKS, ServerSettings};
use crate::traffic::{self, Answers, Key, Parties, Traffic};

/// Keeps the logs of the instances.
pub(crate) const FOLDER: &str = "target/fleet";
/// The user of the instances in the store. An administrator has another one, so that its rights can change.
pub(crate) const USER: &str = "api";
pub(crate) const PASSWORD: &str = "the-password-of-the-instances";
/// The arguments that make this user.
pub(crate) const WITH_USER: [&str; 7] =
    ["--user", USER, "on", ">the-password-of-the-instances", "~*", "&*", "+@all"];
/// How long a case waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// What a case wants.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) settings: ServerSettings,
    pub(crate) secrets: String,
    pub(crate) traffic: Traffic,
    pub(crate) product: Product,
    pub(crate) store_arguments: Vec<&'static str>,
    /// Environment variables of the store.
    pub(crate) store_variables: Vec<(&'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: ServerSettings {
                framework: String::new(),
                time_to_live_ms: 20_000,
                unconfirmed_ms: 5_000,
                verification_ms: 1_500,
                attempts: 0,
            },
            secrets: new_secret(),
            traffic: Traffic::default(),
            product: Product::Redis,
            store_arguments: Vec::new(),
            store_variables: Vec::new(),
        }
    }
}

/// A new shared secret.
pub(crate) fn new_secret() -> String {
    format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..))
}

pub(crate) struct World {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) store: StoreServer,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) instances: Vec<Arc<Mutex<Instance>>>,
    pub(crate) keys: Arc<Vec<Key>>,
    pub(crate) history: History,
    pub(crate) answers: Arc<Answers>,
    traffic: Traffic,
    senders: JoinSet<()>,
}

impl World {
    /// Starts everything but the traffic, and waits until all are linked.
    pub(crate) async fn start(name: &str, setup: &Setup) -> Result<Self, String> {
        std::fs::create_dir_all(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
        let arguments = [&WITH_USER, &setup.store_arguments[..]].concat();
        let variables: Vec<(&str, &str)> =
            setup.store_variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let store = StoreServer::start_with_variables(setup.product, &arguments, &variables);
        let emulator = Emulator::start().await.map_err(|error| format!("the emulator: {error}"))?;
        let history = History::default();
        let keys = (0..setup.traffic.keys).map(|number| issue(&emulator, &history, number)).collect();
        let (mut proxies, mut instances) = (Vec::new(), Vec::new());
        for (number, framework) in FRAMEWORKS.iter().enumerate() {
            let proxy = Proxy::start(store.port()).await?;
            let url = format!("redis://{USER}:{PASSWORD}@127.0.0.1:{}", proxy.port);
            let mut environment = emulator.environment();
            environment.push(("REDIS_URL", url));
            environment.push(("APIKEY_SHARED_SECRET", setup.secrets.clone()));
            let settings = ServerSettings { framework: (*framework).to_owned(), ..setup.settings.clone() };
            let log = Path::new(FOLDER).join(format!("{}-{framework}.log", name.replace([' ', ','], "-")));
            let _ = std::fs::remove_file(&log);
            instances.push(Instance::start(number, settings, environment, &log, &history).await?);
            proxies.push(proxy);
        }
        let instances = instances.into_iter().map(|instance| Arc::new(Mutex::new(instance))).collect();
        let mut world = Self {
            emulator: Arc::new(emulator),
            store,
            proxies,
            instances,
            keys: Arc::new(keys),
            history,
            answers: Arc::default(),
            traffic: setup.traffic.clone(),
            senders: JoinSet::new(),
        };
        world.linked_again(Duration::ZERO).await?;
        Ok(world)
    }

    /// Begins the traffic.
    pub(crate) fn send(&mut self) {
        let parties = Parties {
            emulator: Arc::clone(&self.emulator),
            instances: self.instances.clone(),
            keys: Arc::clone(&self.keys),
            history: Arc::clone(&self.history),
            answers: Arc::clone(&self.answers),
        };
        self.senders = traffic::start(parties, &self.traffic);
    }

    /// Ends the traffic, and the instances. Then the history is complete.
    pub(crate) async fn end(&mut self) -> Vec<Event> {
        self.senders.shutdown().await;
        sleep(Duration::from_millis(200)).await;
        for instance in &self.instances {
            instance.lock().await.end().await;
        }
        std::mem::take(&mut *self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until every instance is linked, stays so for this long, and has told the store all its removals meanwhile. Returns how
    /// long it took until all were linked.
    pub(crate) async fn linked_again(&mut self, stays: Duration) -> Result<Duration, String> {
        let began = Instant::now();
        let mut since = began;
        let mut has_told = vec![false; self.instances.len()];
        loop {
            let mut are_linked = true;
            for (instance, has_told) in self.instances.iter().zip(&mut has_told) {
                let mut instance = instance.lock().await;
                if instance.has_ended() {
                    return Err(format!("instance {} has ended by itself", instance.number));
                }
                let stats = instance.stats().await?;
                are_linked &= stats.linked;
                // New removals come all the time.
                *has_told |= stats.waiting == 0;
                if began.elapsed() > PATIENCE {
                    return Err(format!("instance {} is not linked again: {stats:?}", instance.number));
                }
            }
            if !are_linked {
                since = Instant::now();
                has_told.fill(false);
            } else if since.elapsed() >= stays && !has_told.contains(&false) {
                return Ok(since - began);
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until this many instances are cut off.
    pub(crate) async fn until_cut_off(&self, which: &[usize]) -> Result<(), String> {
        let began = Instant::now();
        for number in which {
            while self.instances[*number].lock().await.stats().await?.linked {
                if began.elapsed() > PATIENCE {
                    return Err(format!("instance {number} is not cut off"));
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Changes the network of all instances.
    pub(crate) fn networks(&self, change: impl Fn(&mut crate::proxy::Network)) {
        self.proxies.iter().for_each(|proxy| proxy.set(&change));
    }

    pub(crate) fn heal_networks(&self) {
        self.proxies.iter().for_each(Proxy::heal);
    }

    /// Lets Kinde answer, or answer nothing.
    pub(crate) fn kinde_answers(&self, answers: bool) {
        let end = || note(&self.history, Event::KindeAnswers { at: now(), answers });
        if answers {
            self.emulator.set_fault(Endpoint::Verify, None);
            end();
        } else {
            end();
            self.emulator.set_fault(Endpoint::Verify, Some(Fault::Reset));
        }
    }
}

fn issue(emulator: &Emulator, history: &History, number: usize) -> Key {
    let (organization, user) = (format!("org_of_key_{number:04}"), format!("kp_user_of_key_{number:04}"));
    let specification = KeySpecification::new(format!("key {number}"))
        .scopes(["read:users".to_owned(), version_scope(1)])
        .organization(&organization)
        .user(&user);
    let issued = emulator.create_key(specification);
    note(history, Event::Changed { at: now(), key: issued.key_id.clone(), version: 1 });
    Key { id: issued.key_id, secret: issued.secret, organization, user }
}

/// Waits, while the traffic goes on.
pub(crate) async fn wait(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
}
