//! How often one client may have keys verified, and who that client is.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use apikey_core::{AttemptLimit, AuthenticatorBuilder, ForwardingHeader, ManualClock, TrustedProxies};

use super::denials::{ANY_KEY, MORE};
use crate::conformance::{
    adapter::Subject,
    client::{Request, Session, get},
    expected::*,
    world::World,
};
use crate::emulator::{Endpoint, Fault, Gate};

const LIMIT: AttemptLimit = AttemptLimit::new(3, Duration::from_secs(900));
/// A key of the right form; a verification of it is an attempt each time, for nobody remembers refusals here.
const NOBODYS: &str = "k_live_nobody_knows_it";

/// So many attempts in 900 s, with a clock to move.
async fn limited(subject: Subject, attempts: u32) -> (World, Arc<ManualClock>) {
    limited_and(subject, attempts, |builder| builder).await
}

async fn limited_and(
    subject: Subject,
    attempts: u32,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    within(subject, AttemptLimit::new(attempts, LIMIT.window()), configure).await
}

/// The same, where an attempt counts also if its key is let in.
async fn counting_all(
    subject: Subject,
    attempts: u32,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    within(subject, AttemptLimit::new(attempts, LIMIT.window()).count_all_attempts(), configure).await
}

async fn within(
    subject: Subject,
    limit: AttemptLimit,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let world =
        World::with(subject, |builder| configure(builder.clock(clock.clone()).attempt_limit(limit))).await;
    (world, clock)
}

fn attempt() -> Request {
    get("/me").bearer(NOBODYS)
}

async fn use_up(world: &World, attempts: u32) {
    for _ in 0..attempts {
        world.send(attempt()).await.is_denied(&invalid_key());
    }
    assert_eq!(world.calls(), u64::from(attempts));
}

pub async fn past_its_attempts_a_client_is_rate_limited_until_the_window_ends(subject: Subject) {
    let (world, clock) = limited(subject, 3).await;
    for _ in 0..2 {
        use_up(&world, 3).await;
        for (passed, left) in [(0, 900), (1_500, 899), (0, 899), (897_499, 2), (1, 1), (999, 1)] {
            clock.advance(Duration::from_millis(passed));
            world.send(attempt()).await.is_denied(&rate_limited(3, 900, left));
        }
        assert_eq!(world.calls(), 0);
        clock.advance(Duration::from_millis(1));
    }
    // A window begins with its first attempt, not where the last one ended.
    clock.advance(Duration::from_secs(5_000));
    use_up(&world, 1).await;
    clock.advance(Duration::from_secs(400));
    use_up(&world, 2).await;
    world.send(attempt()).await.is_denied(&rate_limited(3, 900, 500));
}

pub async fn the_guides_limit_is_100_in_15_minutes(subject: Subject) {
    let clock = Arc::new(ManualClock::new());
    let world =
        World::with(subject, |builder| builder.clock(clock.clone()).attempt_limit(AttemptLimit::default()))
            .await;
    let mut session = world.session().await;
    for _ in 0..100 {
        session.send(attempt()).await.is_denied(&invalid_key());
    }
    session.send(attempt()).await.is_denied(&rate_limited(100, 900, 900));
    // The connection outlives it.
    session.send(get("/open")).await.is_open();
}

pub async fn every_kind_of_protection_limits_alike(subject: Subject) {
    let (world, _clock) = limited(subject, 1).await;
    use_up(&world, 1).await;
    let denied = rate_limited(1, 900, 900);
    for path in ANY_KEY.iter().chain(&MORE).chain(&["/optional"]) {
        world.ask(path, &world.admin).await.is_denied(&denied);
    }
    for request in [Request::new("POST", "/echo").body(b"{}"), Request::new("OPTIONS", "/layered")] {
        world.send(request.key(&world.admin)).await.is_denied(&denied);
    }
    for path in ["/me", "/scoped", "/layered"] {
        world.send(Request::new("HEAD", path).key(&world.admin)).await.is_denied(&denied);
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_limit_is_told_in_problem_details_where_asked_for(subject: Subject) {
    let (world, _clock) = limited_and(subject, 2, |builder| builder.problem_details(true)).await;
    for _ in 0..2 {
        world.send(attempt()).await.is_denied(&invalid_key().in_problem_details());
    }
    world.send(attempt()).await.is_denied(&rate_limited(2, 900, 900).in_problem_details());
}

pub async fn one_request_is_one_attempt(subject: Subject) {
    let (world, clock) = counting_all(subject, 3, |builder| builder.cache_time_to_live(Duration::ZERO)).await;
    for path in ["/me", "/twice", "/layered-twice", "/branches", "/layered", "/optional", "/seen"] {
        for _ in 0..3 {
            let answer = world.ask(path, &world.admin).await;
            assert_ne!(answer.response.status, 429, "a request made more than one attempt: {answer}");
        }
        world.ask(path, &world.admin).await.is_denied(&rate_limited(3, 900, 900));
        clock.advance(LIMIT.window());
    }
}

pub async fn what_the_cache_answers_is_no_attempt(subject: Subject) {
    let (world, _clock) = counting_all(subject, 3, |builder| builder).await;
    for _ in 0..10 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    use_up(&world, 2).await;
    for _ in 0..3 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.ask("/layered-twice", &world.reader).await.is_me(&world.reader);
        world.ask("/me", &world.writer).await.is_denied(&rate_limited(3, 900, 900));
    }
    // What the policy says of a cached key is said all the same.
    let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.ask("/layered", &world.reader).await.is_denied(&denied);
    assert_eq!(world.calls(), 0);
}

pub async fn a_remembered_refusal_is_no_attempt(subject: Subject) {
    let (world, _clock) =
        counting_all(subject, 2, |builder| builder.negative_time_to_live(Duration::from_secs(60))).await;
    for _ in 0..5 {
        world.send(attempt()).await.is_denied(&invalid_key());
    }
    assert_eq!(world.calls(), 1);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.writer).await.is_denied(&rate_limited(2, 900, 900));
    world.send(attempt()).await.is_denied(&invalid_key());
}

pub async fn what_is_no_well_formed_key_is_no_attempt(subject: Subject) {
    let (world, _clock) = limited(subject, 2).await;
    let no_keys = [
        (get("/me"), missing_key()),
        (get("/me").authorization(""), missing_key()),
        (get("/me").authorization("Basic azo="), invalid_format()),
        (get("/me").authorization("Bearer two words"), invalid_format()),
        (get("/me").bearer(&"k".repeat(513)), invalid_format()),
        (attempt().bearer(NOBODYS), multiple_keys()),
    ];
    for limited in [false, true] {
        for (request, denied) in &no_keys {
            world.send(request.clone()).await.is_denied(denied);
        }
        world.send(get("/optional")).await.is_json(r#"{"authenticated":false,"key_id":null}"#);
        assert_eq!(world.calls(), 0);
        if !limited {
            use_up(&world, 2).await;
        }
        world.send(attempt()).await.is_denied(&rate_limited(2, 900, 900));
    }
}

pub async fn a_key_with_another_prefix_is_no_attempt(subject: Subject) {
    let (world, _clock) = limited_and(subject, 1, |builder| builder.accepted_prefixes(["k_live_"])).await;
    for _ in 0..3 {
        world.send(get("/me").bearer("k_test_0123456789")).await.is_denied(&invalid_format());
    }
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn who_waits_for_anothers_verification_makes_no_attempt(subject: Subject) {
    let (world, _clock) = counting_all(subject, 1, |builder| builder).await;
    let gate = Gate::new();
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let request = get("/me").key(&world.reader);
    let mut sessions = Vec::new();
    for _ in 0..20 {
        let mut session = world.session().await;
        session.write(&request.bytes()).await;
        sessions.push(session);
    }
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    world.settle().await;
    gate.open();
    for session in &mut sessions {
        session.read(&request).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    world.send(attempt()).await.is_denied(&rate_limited(1, 900, 900));
}

pub async fn a_burst_gets_no_attempt_too_many(subject: Subject) {
    let (world, _clock) = counting_all(subject, 5, |builder| builder).await;
    let gate = Gate::new();
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let mut burst = Vec::new();
    for number in 0..20 {
        let request = get("/me").bearer(&format!("k_live_junk_{number}"));
        let mut session = world.session().await;
        session.write(&request.bytes()).await;
        burst.push((session, request));
    }
    world.emulator.wait_until(|counters| counters.verifications_in_flight == 5).await;
    gate.open();
    let mut refused = 0;
    for (session, request) in &mut burst {
        let answer = session.read(request).await;
        match answer.response.status {
            401 => refused += 1,
            _ => answer.is_denied(&rate_limited(5, 900, 900)),
        }
    }
    assert_eq!((refused, world.calls()), (5, 5));
}

pub async fn an_attempt_that_kinde_could_not_answer_is_given_back(subject: Subject) {
    let (world, _clock) =
        limited_and(subject, 1, |builder| builder.verification_timeout(Duration::from_millis(200))).await;
    let limit = Fault::TooManyRequests { rate_limit_reset: Some(60), retry_after: None };
    for fault in [Fault::status(503), Fault::Reset, Fault::Garbage, Fault::Hang, limit] {
        world.emulator.set_fault(Endpoint::Verify, Some(fault));
        world.send(attempt()).await.is_denied(&unavailable());
    }
    for fault in [Fault::status(404), Fault::Redirect("/elsewhere".to_owned())] {
        world.emulator.set_fault(Endpoint::Verify, Some(fault));
        world.send(attempt()).await.is_denied(&internal_error());
    }
    world.emulator.set_fault(Endpoint::Verify, None);
    world.emulator.deny_scope(true);
    world.send(attempt()).await.is_denied(&internal_error());
    world.emulator.deny_scope(false);
    world.emulator.reset_counters();
    use_up(&world, 1).await;
    world.send(attempt()).await.is_denied(&rate_limited(1, 900, 900));
}

pub async fn a_refused_attempt_does_not_prolong_the_limit(subject: Subject) {
    let (world, clock) = limited(subject, 1).await;
    use_up(&world, 1).await;
    for passed in (0..900).step_by(90) {
        world.send(attempt()).await.is_denied(&rate_limited(1, 900, 900 - passed));
        clock.advance(Duration::from_secs(90));
    }
    use_up(&world, 1).await;
}

pub async fn good_keys_are_no_attempts_unless_all_count(subject: Subject) {
    let (world, _clock) = limited_and(subject, 3, |builder| builder.cache_time_to_live(Duration::ZERO)).await;
    for _ in 0..10 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 10);
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
    world.ask("/me", &world.inactive).await.is_denied(&key_inactive());
    world.send(attempt()).await.is_denied(&invalid_key());
    world.ask("/me", &world.reader).await.is_denied(&rate_limited(3, 900, 900));
    let (world, _clock) =
        counting_all(subject, 3, |builder| builder.cache_time_to_live(Duration::ZERO)).await;
    for _ in 0..3 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    world.ask("/me", &world.reader).await.is_denied(&rate_limited(3, 900, 900));
}

/// One attempt for each client; then sends this request of an unknown key's, and tells whether its client is new.
async fn is_new(world: &World, headers: &[(&str, &str)]) -> bool {
    let mut request = attempt();
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = world.send(request).await;
    let is_new = answer.response.status == 401;
    answer.is_denied(&if is_new { invalid_key() } else { rate_limited(1, 900, 900) });
    is_new
}

/// One attempt for each client, behind these proxies.
async fn behind(subject: Subject, proxies: &[&str], header: ForwardingHeader) -> World {
    let proxies = TrustedProxies::new(proxies).expect("they are addresses").header(header);
    limited_and(subject, 1, |builder| builder.trusted_proxies(proxies)).await.0
}

const FORWARDED_FOR: &str = "X-Forwarded-For";
const LOOPBACK: &str = "127.0.0.1/32";

pub async fn the_peer_is_the_client(subject: Subject) {
    let (world, _clock) = limited(subject, 1).await;
    // Other systems have one address of the local host alone.
    let last = if cfg!(target_os = "linux") { 4 } else { 1 };
    for host in 1..=last {
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, host));
        let mut session = Session::open_from(&world, source).await;
        session.send(attempt()).await.is_denied(&invalid_key());
        session.send(attempt()).await.is_denied(&rate_limited(1, 900, 900));
        let mut another = Session::open_from(&world, source).await;
        another.send(attempt()).await.is_denied(&rate_limited(1, 900, 900));
    }
}

/// Headers by which somebody might claim to be somebody else.
const CLAIMS: [&str; 9] = [
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fly-Client-IP",
    "X-Cluster-Client-IP",
    "X-Original-Forwarded-For",
    "Client-IP",
];

pub async fn without_trusted_proxies_no_header_is_believed(subject: Subject) {
    let (world, _clock) = limited(subject, 1).await;
    assert!(is_new(&world, &[]).await);
    for name in CLAIMS {
        assert!(!is_new(&world, &[(name, "198.51.100.7")]).await, "{name} was believed");
    }
    assert!(!is_new(&world, &[("Forwarded", "for=198.51.100.7")]).await);
}

pub async fn a_peer_that_is_not_trusted_is_not_believed(subject: Subject) {
    let world =
        behind(subject, &["192.0.2.0/24", "2001:db8::/32", "127.0.0.2"], ForwardingHeader::XForwardedFor)
            .await;
    assert!(is_new(&world, &[(FORWARDED_FOR, "198.51.100.1")]).await);
    for claim in ["198.51.100.2", "192.0.2.1", "198.51.100.3, 192.0.2.1", "2001:db8::1"] {
        assert!(!is_new(&world, &[(FORWARDED_FOR, claim)]).await, "{claim}");
    }
    assert!(!is_new(&world, &[]).await);
}

pub async fn behind_a_trusted_proxy_two_clients_are_limited_apart(subject: Subject) {
    let world = behind(subject, &[LOOPBACK], ForwardingHeader::XForwardedFor).await;
    for client in ["198.51.100.1", "198.51.100.2", "2001:db8::1"] {
        assert!(is_new(&world, &[(FORWARDED_FOR, client)]).await, "{client}");
        assert!(!is_new(&world, &[(FORWARDED_FOR, client)]).await, "{client}");
    }
    // The proxy itself, and whoever claims to be a client by another header.
    assert!(is_new(&world, &[]).await);
    for name in CLAIMS.iter().skip(1) {
        assert!(!is_new(&world, &[(name, "198.51.100.7")]).await, "{name} was believed");
    }
    assert!(!is_new(&world, &[("Forwarded", "for=198.51.100.7")]).await);
    world.ask("/me", &world.reader).await.is_denied(&rate_limited(1, 900, 900));
}

pub async fn the_rightmost_untrusted_address_is_the_client(subject: Subject) {
    let world = behind(subject, &[LOOPBACK, "10.0.0.0/8"], ForwardingHeader::XForwardedFor).await;
    assert!(is_new(&world, &[(FORWARDED_FOR, "198.51.100.1")]).await);
    for spoofed in [
        "203.0.113.9, 198.51.100.1",
        "127.0.0.1,198.51.100.1",
        "10.0.0.1, 203.0.113.8, 198.51.100.1, 10.1.2.3, 10.0.0.2",
        "unknown, 198.51.100.1:4711",
        "\"'<,,, ,198.51.100.1 , 10.0.0.9",
    ] {
        assert!(!is_new(&world, &[(FORWARDED_FOR, spoofed)]).await, "{spoofed}");
    }
    // Several lines are one list, in their order.
    let lines =
        [(FORWARDED_FOR, "203.0.113.7"), (FORWARDED_FOR, "198.51.100.1"), (FORWARDED_FOR, "10.0.0.2")];
    assert!(!is_new(&world, &lines).await);
    let lines = [(FORWARDED_FOR, "198.51.100.1"), ("x-forwarded-for", "203.0.113.7, 10.0.0.2")];
    assert!(is_new(&world, &lines).await);
}

pub async fn what_is_no_address_ends_at_the_last_trusted_hop(subject: Subject) {
    let world = behind(subject, &[LOOPBACK, "10.0.0.0/8"], ForwardingHeader::XForwardedFor).await;
    assert!(is_new(&world, &[(FORWARDED_FOR, "10.0.0.1")]).await, "all are trusted: the leftmost");
    for chain in ["10.0.0.1, 10.0.0.2", "unknown, 10.0.0.1, 10.0.0.2", "198.51.100.1, _hidden, 10.0.0.1"] {
        assert!(!is_new(&world, &[(FORWARDED_FOR, chain)]).await, "{chain}");
    }
    assert!(is_new(&world, &[(FORWARDED_FOR, "010.0.0.1")]).await, "the peer");
    for garbage in ["unknown", "", ",", "198.51.100.1,", "198.51.100.1 10.0.0.1", "localhost", "1"] {
        assert!(!is_new(&world, &[(FORWARDED_FOR, garbage)]).await, "{garbage:?}");
    }
    assert!(!is_new(&world, &[]).await);
}

pub async fn the_header_forwarded_is_believed_where_asked_for(subject: Subject) {
    let world = behind(subject, &[LOOPBACK], ForwardingHeader::Forwarded).await;
    assert!(is_new(&world, &[("Forwarded", "for=198.51.100.1;proto=https")]).await);
    for same in
        ["for=203.0.113.7, for=198.51.100.1", "For=\"198.51.100.1:4711\"", "by=10.0.0.1;for=198.51.100.1"]
    {
        assert!(!is_new(&world, &[("Forwarded", same)]).await, "{same}");
    }
    assert!(is_new(&world, &[("Forwarded", "for=\"[2001:db8::1]:80\"")]).await);
    assert!(is_new(&world, &[("Forwarded", "for=198.51.100.2"), (FORWARDED_FOR, "198.51.100.1")]).await);
    // The other header is ignored, so that this is the peer.
    assert!(is_new(&world, &[(FORWARDED_FOR, "198.51.100.3")]).await);
    assert!(!is_new(&world, &[(FORWARDED_FOR, "198.51.100.4")]).await);
    assert!(!is_new(&world, &[("Forwarded", "for=unknown")]).await);
}

pub async fn an_ipv6_network_is_one_client(subject: Subject) {
    let world = behind(subject, &[LOOPBACK], ForwardingHeader::XForwardedFor).await;
    let is_new = async |address: &str| is_new(&world, &[(FORWARDED_FOR, address)]).await;
    assert!(is_new("2001:db8:1:aa00::1").await);
    for same in ["2001:db8:1:aa00::2", "2001:db8:1:aaff:ffff:ffff:ffff:ffff", "[2001:db8:1:aa01::1]:443"] {
        assert!(!is_new(same).await, "{same}");
    }
    for other in ["2001:db8:1:ab00::1", "2001:db8:1:a9ff::1", "2001:db8:2:aa00::1"] {
        assert!(is_new(other).await, "{other}");
    }
}

pub async fn the_size_of_an_ipv6_network_can_be_set(subject: Subject) {
    for (bits, other) in [(64, "2001:db8:0:1::1"), (48, "2001:db8:1::1"), (32, "2001:db9::1")] {
        let proxies = TrustedProxies::new([LOOPBACK]).expect("it is an address");
        let (world, _clock) =
            limited_and(subject, 1, |builder| builder.trusted_proxies(proxies).ipv6_client_prefix(bits))
                .await;
        assert!(is_new(&world, &[(FORWARDED_FOR, "2001:db8::1")]).await, "/{bits}");
        assert!(!is_new(&world, &[(FORWARDED_FOR, "2001:db8::ffff:1")]).await, "/{bits}");
        assert!(is_new(&world, &[(FORWARDED_FOR, other)]).await, "/{bits}");
        // A unique local network is divided into /64, whatever is set.
        for (local, new) in [("fd00::1", true), ("fd00::2", false), ("fd00:0:0:1::1", true)] {
            assert_eq!(is_new(&world, &[(FORWARDED_FOR, local)]).await, new, "/{bits}: {local}");
        }
    }
}

pub async fn an_ipv4_mapped_address_is_its_ipv4_address(subject: Subject) {
    let world = behind(subject, &["::ffff:127.0.0.1", "10.0.0.0/8"], ForwardingHeader::XForwardedFor).await;
    assert!(is_new(&world, &[(FORWARDED_FOR, "::ffff:198.51.100.1")]).await);
    for same in [
        "198.51.100.1",
        "[::ffff:c633:6401]:80",
        "198.51.100.1, ::ffff:10.0.0.1",
        "64:ff9b::198.51.100.1",
        "198.51.100.1, 64:ff9b::10.0.0.1",
    ] {
        assert!(!is_new(&world, &[(FORWARDED_FOR, same)]).await, "{same}");
    }
    assert!(is_new(&world, &[(FORWARDED_FOR, "::ffff:198.51.100.2")]).await);
}
