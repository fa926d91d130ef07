//! Proxies that connect over a Unix socket, which has no address.

use super::*;

/// The client, and what the operator is told.
fn behind(proxies: &TrustedProxies, name: &str, line: &str) -> (Option<IpAddr>, Option<String>) {
    let (address, diagnosis) =
        client_behind_unix_socket(&PlainRequest::new().with_header(name, line), proxies);
    (address, diagnosis.map(|diagnosis| diagnosis.to_string()))
}

#[test]
fn a_proxy_at_a_unix_socket_names_the_client() {
    for (header, lines) in [
        (XForwardedFor, ["192.0.2.1", "192.0.2.66, 192.0.2.1, 10.0.0.2", "garbage, 192.0.2.1"]),
        (
            Forwarded,
            ["for=192.0.2.1", "for=192.0.2.66, for=192.0.2.1, for=10.0.0.2", "x, for=\"192.0.2.1:80\""],
        ),
    ] {
        for line in lines {
            assert_eq!(
                behind(&trusting(header), header.name(), line),
                (Some(ip("192.0.2.1")), None),
                "{line}"
            );
        }
    }
    assert_eq!(
        behind(&trusting(XForwardedFor), "x-forwarded-for", "10.0.0.3, 10.0.0.2"),
        (Some(ip("10.0.0.3")), None)
    );
}

#[test]
fn a_proxy_at_a_unix_socket_that_names_nobody_is_told() {
    for (header, other) in [(XForwardedFor, "forwarded"), (Forwarded, "x-forwarded-for")] {
        let settings = trusting(header);
        for (name, line) in [
            ("via", "x"),
            (other, "192.0.2.1"),
            (other, "for=192.0.2.1"),
            (header.name(), ""),
            (header.name(), "sEcReT"),
        ] {
            let (client, told) = behind(&settings, name, line);
            let told = told.unwrap();
            assert_eq!(client, None, "{name}: {line}");
            assert!(told.contains(&format!("no client in {header}")) && !told.contains("sEcReT"), "{told}");
            assert!(told.contains("TrustedProxies::header") && !told.contains("TRUSTED"), "{told}");
        }
    }
}

#[test]
fn over_a_unix_socket_too_the_hop_beside_garbage_is_the_client() {
    let (client, told) = behind(&trusting(XForwardedFor), "x-forwarded-for", "192.0.2.1, sEcReT, 10.0.0.2");
    let told = told.unwrap();
    assert_eq!(client, Some(ip("10.0.0.2")));
    assert!(told.contains("the proxy 10.0.0.2 counted") && !told.contains("sEcReT"), "{told}");
}

#[test]
fn the_client_of_a_unix_socket_is_no_address() {
    assert_eq!(Client::UNIX_SOCKET.to_string(), "unix");
    for address in ["0.0.0.0", "::", "127.0.0.1"] {
        assert_ne!(Client::UNIX_SOCKET, Client::of_address(ip(address), DEFAULT_IPV6_PREFIX));
    }
}
