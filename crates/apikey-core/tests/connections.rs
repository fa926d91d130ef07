//! Connections that die, break, hang or lead to the wrong place, over real sockets. No good key may be turned away
//! because of them.
//!
//! The settings are the default ones, apart from the budget: all bounds are parts of it, and within a part of the default
//! one a busy machine may be as silent as a dead connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apikey_core::{
    Authenticator, AuthenticatorBuilder, FailureClass, FirstTry, KindeSettings, KindeVerifier, ManualClock,
    PlainRequest, PresentedKey, Verifier,
};
use apikey_testkit::emulator::{Backends, Emulator, Endpoint, Fault, Gate, KeySpecification, ScriptedAnswer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a verification may take.
const BUDGET: Duration = Duration::from_secs(12);
/// A second try begins after this long.
const SILENCE: Duration = Duration::from_secs(4);
/// A key that met a dead connection, and then perhaps waited for a permit.
const WELL_BELOW_THE_BUDGET: Duration = Duration::from_secs(10);

fn settings_at(emulator: &Emulator, url: &str) -> KindeSettings {
    let environment = emulator.environment();
    let settings = KindeSettings::from_variables(|name| {
        let (_, value) = environment.iter().find(|(known, _)| *known == name)?;
        Some(if name == "KINDE_DOMAIN" { url } else { value })
    });
    settings.unwrap()
}

fn verifier(emulator: &Emulator) -> KindeVerifier {
    KindeVerifier::new(settings_at(emulator, &emulator.url())).unwrap()
}

fn builder(verifier: KindeVerifier) -> AuthenticatorBuilder {
    Authenticator::builder(verifier).verification_timeout(BUDGET)
}

fn authenticator(emulator: &Emulator) -> Authenticator {
    builder(verifier(emulator)).build().unwrap()
}

fn good_keys(emulator: &Emulator, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| emulator.create_key(KeySpecification::new(format!("key {number}"))).secret)
        .collect()
}

fn key(secret: &str) -> PresentedKey {
    PresentedKey::parse(secret).unwrap()
}

/// A caller with this key, at one of eight addresses, because one client alone never gets all places.
fn caller(secret: &str, number: usize) -> PlainRequest {
    let address = [10, 0, 0, u8::try_from(number % 8).unwrap()];
    PlainRequest::new()
        .with_header("Authorization", format!("Bearer {secret}"))
        .with_peer(IpAddr::from(address))
}

/// Verifies these keys, this many at once. If all are let in, returns how long each took.
async fn all_are_let_in(authenticator: &Authenticator, secrets: &[String], at_once: usize) -> Vec<Duration> {
    let mut waiting = secrets.iter().enumerate().map(|(number, secret)| caller(secret, number));
    let (mut tasks, mut took) = (JoinSet::new(), Vec::new());
    loop {
        while tasks.len() < at_once
            && let Some(caller) = waiting.next()
        {
            let authenticator = authenticator.clone();
            tasks.spawn(async move {
                let began = Instant::now();
                (authenticator.authenticate(&caller).await, began.elapsed())
            });
        }
        let Some(ended) = tasks.join_next().await else { return took };
        let (answer, time) = ended.unwrap();
        assert!(answer.is_ok(), "after {} good keys: {:?}", took.len(), answer.unwrap_err());
        took.push(time);
    }
}

/// Makes this many idle connections in the pool, with as many verifications at once.
async fn warm(emulator: &Emulator, authenticator: &Authenticator, connections: usize) {
    let keys = good_keys(emulator, connections + 1);
    // From here on, there is a token.
    all_are_let_in(authenticator, &keys[..1], 1).await;
    let gate = Gate::new();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone())); connections]);
    let (authenticator, keys) = (authenticator.clone(), keys[1..].to_vec());
    let verifying = tokio::spawn(async move { all_are_let_in(&authenticator, &keys, connections).await });
    emulator.wait_until(|counters| counters.verifications_in_flight == connections as u64).await;
    gate.open();
    verifying.await.unwrap();
}

/// Makes the connections silent, as a NAT or a load balancer does that has lost its memory.
async fn a_pool_goes_dead(connections: usize, keys: usize) {
    let emulator = Emulator::start().await.unwrap();
    let authenticator = authenticator(&emulator);
    warm(&emulator, &authenticator, connections).await;
    assert!(emulator.silence_connections() >= connections);
    let took = all_are_let_in(&authenticator, &good_keys(&emulator, keys), keys).await;
    assert!(took.iter().all(|time| *time < WELL_BELOW_THE_BUDGET), "{took:?}");
    // From here on, no call meets a dead connection.
    let before = emulator.counters();
    let took = all_are_let_in(&authenticator, &good_keys(&emulator, 30), 1).await;
    assert!(took.iter().all(|time| *time < SILENCE), "{took:?}");
    let counters = emulator.counters();
    assert_eq!(counters.verify_calls, before.verify_calls + 30, "no second tries");
    assert_eq!(counters.token_calls, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_dead_connection_costs_a_good_key_a_third_of_the_budget() {
    a_pool_goes_dead(1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_20_dead_connections_is_left_at_the_first_silence() {
    a_pool_goes_dead(20, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_60_dead_connections_is_left_at_the_first_silence() {
    a_pool_goes_dead(60, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_keys_at_once_get_in_past_sixty_dead_connections() {
    a_pool_goes_dead(60, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_close_at_any_use_turn_no_good_key_away() {
    for nth in 2..=5 {
        let emulator = Emulator::start().await.unwrap();
        let authenticator = authenticator(&emulator);
        emulator.close_connections_at_use(Some(nth));
        for at_once in [1, 8] {
            all_are_let_in(&authenticator, &good_keys(&emulator, 60), at_once).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_one_answer_each_turn_no_good_key_away() {
    let emulator = Emulator::start().await.unwrap();
    let authenticator = authenticator(&emulator);
    emulator.close_idle_connections(Some(Duration::ZERO));
    for at_once in [1, 8] {
        all_are_let_in(&authenticator, &good_keys(&emulator, 60), at_once).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_under_way_outlive_the_end_of_every_connection() {
    let emulator = Emulator::start().await.unwrap();
    let authenticator = authenticator(&emulator);
    warm(&emulator, &authenticator, 64).await;
    for round in 0..3 {
        let keys = good_keys(&emulator, 64);
        emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hang); 64]);
        let verifying = tokio::spawn({
            let authenticator = authenticator.clone();
            async move { all_are_let_in(&authenticator, &keys, 64).await }
        });
        emulator.wait_until(|counters| counters.verifications_in_flight == 64).await;
        assert!(emulator.cut_connections() >= 64, "round {round}");
        verifying.await.unwrap();
    }
}

/// Connects each connection to the address that the name has at that moment.
struct Name {
    url: String,
    target: Arc<Mutex<SocketAddr>>,
    server: tokio::task::JoinHandle<()>,
}

impl Name {
    async fn of(address: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = Arc::new(Mutex::new(address));
        let now = Arc::clone(&target);
        let server = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let target = *now.lock().unwrap();
                tokio::spawn(async move {
                    // Without a server, the connection ends at once.
                    if let Ok(mut server) = TcpStream::connect(target).await {
                        let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { url, target, server }
    }

    fn moves_to(&self, address: SocketAddr) {
        *self.target.lock().unwrap() = address;
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn moved(leave: impl AsyncFnOnce(Emulator) -> Option<Emulator>) {
    let old = Emulator::start().await.unwrap();
    let new = Emulator::builder().same_business_as(&old).start().await.unwrap();
    let name = Name::of(old.address()).await;
    let verifier = KindeVerifier::new(settings_at(&old, &name.url)).unwrap();
    let authenticator = builder(verifier).build().unwrap();
    warm(&old, &authenticator, 10).await;
    name.moves_to(new.address());
    let keys = good_keys(&new, 60);
    let _old = leave(old).await;
    all_are_let_in(&authenticator, &keys[..40], 8).await;
    all_are_let_in(&authenticator, &keys[40..], 1).await;
    assert!(new.counters().verify_calls >= 60, "{:?}", new.counters());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_answers_503_since_it_moved_is_left() {
    moved(async |old| {
        old.set_fault(Endpoint::Verify, Some(Fault::status(503)));
        Some(old)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_gone_since_it_moved_is_left() {
    moved(async |old| {
        old.stop().await;
        None
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_grants_no_token_since_it_moved_is_left() {
    let old = Emulator::start().await.unwrap();
    let new = Emulator::builder().same_business_as(&old).start().await.unwrap();
    let name = Name::of(old.address()).await;
    let clock = Arc::new(ManualClock::new());
    let verifier = KindeVerifier::new(settings_at(&old, &name.url)).unwrap();
    let authenticator = builder(verifier).clock(Arc::clone(&clock) as _).build().unwrap();
    warm(&old, &authenticator, 5).await;
    name.moves_to(new.address());
    clock.advance(Duration::from_secs(86_400));
    old.set_fault(Endpoint::Token, Some(Fault::status(503)));
    all_are_let_in(&authenticator, &good_keys(&new, 20), 4).await;
    assert_eq!(new.counters().token_calls, 1);
}

/// The call after an overload or an outage must not go to the old address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_asks_for_time_since_it_moved_is_left() {
    let old = Emulator::start().await.unwrap();
    let new = Emulator::builder().same_business_as(&old).start().await.unwrap();
    let name = Name::of(old.address()).await;
    let verifier = KindeVerifier::new(settings_at(&old, &name.url)).unwrap();
    assert_eq!(verifier.check().await, apikey_core::Health::Up);
    old.set_fault(
        Endpoint::Verify,
        Some(Fault::Answer(ScriptedAnswer::new(503, "").header("retry-after", "60"))),
    );
    assert!(matches!(verifier.check().await, apikey_core::Health::Overload(_)));
    name.moves_to(new.address());
    assert_eq!(verifier.check().await, apikey_core::Health::Up);
}

async fn one_backend_hangs(backends: Backends, unlucky: usize) {
    let emulator = Emulator::start().await.unwrap();
    let authenticator = authenticator(&emulator);
    emulator.set_backends(backends);
    emulator.set_backend_fault(1, Some(Fault::Hang));
    let keys = good_keys(&emulator, 300);
    let mut waiting = keys.iter().enumerate().map(|(number, secret)| caller(secret, number));
    let mut tasks = JoinSet::new();
    let mut turned_away = 0;
    loop {
        while tasks.len() < 30
            && let Some(caller) = waiting.next()
        {
            let authenticator = authenticator.clone();
            tasks.spawn(async move { authenticator.authenticate(&caller).await.is_err() });
        }
        match tasks.join_next().await {
            Some(is_turned_away) => turned_away += usize::from(is_turned_away.unwrap()),
            None => break,
        }
    }
    assert!(turned_away <= unlucky, "{turned_away} of 300 good keys; {:?}", emulator.backend_counters());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_backends_that_hangs_turns_no_good_key_away() {
    one_backend_hangs(Backends::round_robin(3), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_hangs_at_random_turns_hardly_a_key_away() {
    let hangs = |seed| one_backend_hangs(Backends::random(3, seed), 3);
    tokio::join!(hangs(1), hangs(2), hangs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_page_that_stalls_or_never_ends_is_no_reason_to_wait() {
    let emulator = Emulator::start().await.unwrap();
    let authenticator = authenticator(&emulator);
    let huge = ScriptedAnswer::new(503, " ".repeat(16 << 20));
    for fault in [
        Fault::StalledBody(ScriptedAnswer::new(503, "<html>")),
        Fault::StalledBody(ScriptedAnswer::new(500, "")),
        Fault::Answer(huge),
    ] {
        let key = good_keys(&emulator, 1);
        emulator.script_faults(Endpoint::Verify, vec![Some(fault)]);
        all_are_let_in(&authenticator, &key, 1).await;
        assert_eq!(emulator.verify_calls_for(&key[0]), 2);
    }
}

// From here on, the tests use only the verifier, so that each call is one of the test's.

async fn is_accepted(verifier: &KindeVerifier, secret: &str) -> bool {
    let key = key(secret);
    let answer = tokio::time::timeout(Duration::from_secs(10), verifier.verify(&key)).await;
    answer.expect("an answer within ten seconds").is_ok_and(|judgement| judgement.is_accepted())
}

/// Makes this many idle connections in the verifier's pool.
async fn warm_alone(emulator: &Emulator, verifier: &Arc<KindeVerifier>, secret: &str, connections: usize) {
    assert!(is_accepted(verifier, secret).await);
    let gate = Gate::new();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone())); connections]);
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (verifier, secret) = (Arc::clone(verifier), secret.to_owned());
        tasks.spawn(async move { is_accepted(&verifier, &secret).await });
    }
    emulator.wait_until(|counters| counters.verifications_in_flight == connections as u64).await;
    gate.open();
    assert!(tasks.join_all().await.into_iter().all(|is_accepted| is_accepted));
}

const PATIENCE: Duration = Duration::from_millis(150);

#[tokio::test]
async fn an_answer_that_needs_no_body_leaves_its_connection_in_use() {
    let emulator = Emulator::start().await.unwrap();
    let (verifier, secret) = (Arc::new(verifier(&emulator)), good_keys(&emulator, 1).remove(0));
    warm_alone(&emulator, &verifier, &secret, 1).await;
    let before = emulator.counters().connections;
    for status in [429, 500, 503, 405] {
        emulator.set_fault(Endpoint::Verify, Some(Fault::status(status)));
        for _ in 0..5 {
            assert!(!is_accepted(&verifier, &secret).await);
            // Its body is read in the background.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }
    let connections = emulator.counters().connections - before;
    assert!(connections <= 5, "{connections} connections for 20 answers");
}

#[tokio::test]
async fn a_reused_connection_that_breaks_ends_the_pool_once() {
    let emulator = Emulator::start().await.unwrap();
    let (verifier, secret) = (Arc::new(verifier(&emulator)), good_keys(&emulator, 1).remove(0));
    warm_alone(&emulator, &verifier, &secret, 5).await;
    let before = emulator.counters().connections;
    assert!(emulator.reset_connections_once() >= 5);
    let error = verifier.verify(&key(&secret)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Outage, "{error}");
    assert!(!error.is_without_connection());
    for _ in 0..5 {
        assert!(is_accepted(&verifier, &secret).await, "no other broken connection is drawn");
    }
    assert_eq!(emulator.counters().connections, before + 1);
}

#[tokio::test]
async fn a_silent_call_on_a_reused_connection_ends_the_pool() {
    let emulator = Emulator::start().await.unwrap();
    let (verifier, secret) = (Arc::new(verifier(&emulator)), good_keys(&emulator, 1).remove(0));
    warm_alone(&emulator, &verifier, &secret, 5).await;
    let before = emulator.counters().connections;
    emulator.silence_connections();
    assert!(tokio::time::timeout(PATIENCE, verifier.verify(&key(&secret))).await.is_err());
    for _ in 0..5 {
        assert!(is_accepted(&verifier, &secret).await);
    }
    assert_eq!(emulator.counters().connections, before + 1);
}

#[tokio::test]
async fn a_silent_call_on_a_new_connection_leaves_the_pool_alone() {
    let emulator = Emulator::start().await.unwrap();
    let (verifier, secret) = (Arc::new(verifier(&emulator)), good_keys(&emulator, 1).remove(0));
    warm_alone(&emulator, &verifier, &secret, 1).await;
    // The one idle connection is taken, so the next call needs a new one, which hangs.
    let gate = Gate::new();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    let taken = tokio::spawn({
        let (verifier, secret) = (Arc::clone(&verifier), secret.clone());
        async move { is_accepted(&verifier, &secret).await }
    });
    emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    emulator.hang_new_connections(true);
    assert!(tokio::time::timeout(PATIENCE, verifier.verify(&key("k_live_1"))).await.is_err());
    emulator.hang_new_connections(false);
    gate.open();
    assert!(taken.await.unwrap());
    let before = emulator.counters().connections;
    assert!(is_accepted(&verifier, &secret).await);
    assert_eq!(emulator.counters().connections, before, "the pool's connection is used again");
}

#[tokio::test]
async fn a_second_try_beside_a_silent_one_has_another_pool() {
    let emulator = Emulator::start().await.unwrap();
    let (verifier, secret) = (Arc::new(verifier(&emulator)), good_keys(&emulator, 1).remove(0));
    warm_alone(&emulator, &verifier, &secret, 5).await;
    emulator.silence_connections();
    let before = emulator.counters().connections;
    let asked = key(&secret);
    let mut first = verifier.verify(&asked);
    assert!(tokio::time::timeout(PATIENCE, &mut first).await.is_err());
    // The first one goes on.
    assert!(verifier.verify_again(&asked, FirstTry::Silent).await.unwrap().is_accepted());
    assert!(verifier.verify_again(&asked, FirstTry::Silent).await.unwrap().is_accepted());
    assert_eq!(emulator.counters().connections, before + 1, "one new pool, which is used again");
    drop(first);
    assert!(is_accepted(&verifier, &secret).await);
    assert_eq!(emulator.counters().connections, before + 1, "what is known already ends no other pool");
}

#[tokio::test]
async fn a_try_after_a_failure_has_a_new_connection_each_time() {
    let emulator = Emulator::start().await.unwrap();
    let (verifier, secret) = (Arc::new(verifier(&emulator)), good_keys(&emulator, 1).remove(0));
    warm_alone(&emulator, &verifier, &secret, 3).await;
    let before = emulator.counters().connections;
    for tries in 1..=3 {
        assert!(verifier.verify_again(&key(&secret), FirstTry::Failed).await.unwrap().is_accepted());
        assert_eq!(emulator.counters().connections, before + tries);
    }
}

#[tokio::test]
async fn a_pool_is_replaced_after_20_seconds_of_use() {
    let emulator = Emulator::start().await.unwrap();
    let (verifier, secret) = (verifier(&emulator), good_keys(&emulator, 1).remove(0));
    assert!(is_accepted(&verifier, &secret).await);
    let before = emulator.counters().connections;
    for (seconds, new) in [(14, 0), (14, 1), (14, 1), (14, 2)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        assert!(is_accepted(&verifier, &secret).await);
        assert_eq!(emulator.counters().connections, before + new, "after {seconds} s more");
    }
}

#[tokio::test]
async fn a_connection_is_not_used_again_after_15_idle_seconds() {
    let emulator = Emulator::start().await.unwrap();
    let (verifier, secret) = (verifier(&emulator), good_keys(&emulator, 1).remove(0));
    assert!(is_accepted(&verifier, &secret).await);
    let before = emulator.counters().connections;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(16)).await;
    tokio::time::resume();
    assert!(is_accepted(&verifier, &secret).await);
    assert_eq!(emulator.counters().connections, before + 1);
}

#[tokio::test]
async fn a_fetch_on_a_dead_connection_is_tried_again_on_a_new_one() {
    let emulator = Emulator::start().await.unwrap();
    let secret = good_keys(&emulator, 1).remove(0);
    emulator.hang_new_connections(true);
    let verifier = verifier(&emulator);
    let (answer, ()) = tokio::join!(is_accepted(&verifier, &secret), async {
        emulator.wait_until(|counters| counters.connections == 1).await;
        emulator.hang_new_connections(false);
    });
    assert!(answer);
    assert_eq!(emulator.counters().token_calls, 1);
}

#[tokio::test]
async fn a_host_that_refuses_is_told_from_one_that_breaks_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let verifier = KindeVerifier::new(KindeSettings::new(url).without_token()).unwrap();
    let asked = key("k_live_1");
    let (error, ()) = tokio::join!(verifier.verify(&asked), async {
        drop(listener.accept().await.unwrap());
    });
    let error = error.unwrap_err();
    assert!(!error.is_without_connection(), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    drop(listener);
    let error = verifier.verify(&key("k_live_1")).await.unwrap_err();
    assert!(error.is_without_connection(), "{error}");
    assert_eq!(error.reason(), "no connection to Kinde: connection refused");
}
