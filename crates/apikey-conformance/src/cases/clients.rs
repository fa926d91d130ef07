//! To which client an attempt belongs.

use apikey_core::{ForwardingHeader, TrustedProxies};

use super::attempts::{attempt, limited, limited_and};
use crate::{
    adapter::Subject,
    client::{SEVERAL_CLIENTS, address_of, get},
    expected::*,
    routes::PEER_HEADER,
    world::World,
};

/// One attempt for each client. Sends this request with an unknown key, and says whether its client is a new one.
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
    for client in 1..=if SEVERAL_CLIENTS { 4 } else { 1 } {
        let source = address_of(client);
        let mut session = world.session_from(source).await;
        session.send(attempt()).await.is_denied(&invalid_key());
        session.send(attempt()).await.is_denied(&rate_limited(1, 900, 900));
        let mut another = world.session_from(source).await;
        another.send(attempt()).await.is_denied(&rate_limited(1, 900, 900));
    }
}

/// Headers with which a caller could claim to be another client.
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

pub async fn no_header_is_believed_without_trusted_proxies(subject: Subject) {
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

pub async fn two_clients_behind_a_trusted_proxy_are_limited_apart(subject: Subject) {
    let world = behind(subject, &[LOOPBACK], ForwardingHeader::XForwardedFor).await;
    for client in ["198.51.100.1", "198.51.100.2", "2001:db8::1"] {
        assert!(is_new(&world, &[(FORWARDED_FOR, client)]).await, "{client}");
        assert!(!is_new(&world, &[(FORWARDED_FOR, client)]).await, "{client}");
    }
    // The proxy itself, and a caller who names a client in another header.
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

pub async fn text_that_is_no_address_ends_at_the_last_trusted_hop(subject: Subject) {
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

pub async fn the_header_forwarded_is_believed_if_asked_for(subject: Subject) {
    let world = behind(subject, &[LOOPBACK], ForwardingHeader::Forwarded).await;
    assert!(is_new(&world, &[("Forwarded", "for=198.51.100.1;proto=https")]).await);
    for same in
        ["for=203.0.113.7, for=198.51.100.1", "For=\"198.51.100.1:4711\"", "by=10.0.0.1;for=198.51.100.1"]
    {
        assert!(!is_new(&world, &[("Forwarded", same)]).await, "{same}");
    }
    assert!(is_new(&world, &[("Forwarded", "for=\"[2001:db8::1]:80\"")]).await);
    assert!(is_new(&world, &[("Forwarded", "for=198.51.100.2"), (FORWARDED_FOR, "198.51.100.1")]).await);
    // The other header is ignored, so the client is the peer.
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
        // A unique local network is divided into /64 networks, whatever the setting says.
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

pub async fn an_address_that_the_application_supplies_is_the_peers(subject: Subject) {
    let removals = if subject.differences().cannot_remove_credential { &[false][..] } else { &[false, true] };
    for removes in removals {
        let (world, _clock) = limited_and(subject, 1, |builder| builder.remove_credential(*removes)).await;
        for peer in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
            assert!(is_new(&world, &[(PEER_HEADER, peer)]).await, "{peer}");
            assert!(!is_new(&world, &[(PEER_HEADER, peer)]).await, "{peer}");
            for path in ["/layered", "/optional"] {
                let attempt = get(path).bearer("k_live_another").header(PEER_HEADER, peer);
                world.send(attempt).await.is_denied(&rate_limited(1, 900, 900));
            }
        }
        assert!(is_new(&world, &[]).await, "the connection's own address");
    }
}

pub async fn a_supplied_address_of_a_trusted_proxy_is_believed(subject: Subject) {
    let world = behind(subject, &["10.0.0.0/8"], ForwardingHeader::XForwardedFor).await;
    for client in ["198.51.100.1", "198.51.100.2"] {
        assert!(is_new(&world, &[(PEER_HEADER, "10.0.0.1"), (FORWARDED_FOR, client)]).await, "{client}");
        assert!(!is_new(&world, &[(PEER_HEADER, "10.0.0.2"), (FORWARDED_FOR, client)]).await, "{client}");
    }
    assert!(is_new(&world, &[(PEER_HEADER, "192.0.2.1"), (FORWARDED_FOR, "198.51.100.1")]).await);
    assert!(!is_new(&world, &[(PEER_HEADER, "192.0.2.1"), (FORWARDED_FOR, "198.51.100.3")]).await);
}
