use super::*;
use crate::request::PlainRequest;
use ForwardingHeader::{Forwarded, XForwardedFor};

mod properties;
mod settings;
mod unix_sockets;

/// The peer of most tests, and the ranges that most tests trust.
const PEER: &str = "10.0.0.1";
const TRUSTED: &str = "10.0.0.0/8, 2001:db8:ffff::/48";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn trusting(header: ForwardingHeader) -> TrustedProxies {
    TrustedProxies::parse(TRUSTED).unwrap().header(header)
}

fn resolved<L: AsRef<[u8]>>(peer: &str, header: ForwardingHeader, lines: &[L]) -> Resolved {
    let add = |request: PlainRequest, line: &L| request.with_header(header.name(), line);
    client_address(ip(peer), &lines.iter().fold(PlainRequest::new(), add), &trusting(header))
}

fn check(header: ForwardingHeader, cases: &[(&str, &str)]) {
    for (line, client) in cases {
        assert_eq!(resolved(PEER, header, &[line]).address, ip(client), "{line:?}");
    }
}

#[test]
fn an_untrusted_peer_is_the_client_whatever_it_claims() {
    for header in [XForwardedFor, Forwarded] {
        for peer in ["192.0.2.7", "11.0.0.1", "9.255.255.255", "127.0.0.1", "2001:db8:fffe::1", "::1"] {
            for line in ["1.2.3.4", "10.0.0.1", "for=1.2.3.4", peer, ""] {
                assert_eq!(resolved(peer, header, &[line]).address, ip(peer));
            }
        }
        let claim = PlainRequest::new().with_header(header.name(), "for=1.2.3.4, 1.2.3.4");
        let nobody_trusted = TrustedProxies::none().header(header);
        assert_eq!(client_address(ip(PEER), &claim, &nobody_trusted).address, ip(PEER));
    }
}

#[test]
fn the_rightmost_untrusted_address_is_the_client() {
    check(
        XForwardedFor,
        &[
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.66, 192.0.2.1", "192.0.2.1"),
            ("192.0.2.66,192.0.2.1 ,\t10.0.0.3 , 10.0.0.2\t", "192.0.2.1"),
            ("garbage, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("2001:db8::1, 2001:db8:ffff::1", "2001:db8::1"),
            ("::ffff:192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"),
        ],
    );
    check(
        Forwarded,
        &[
            ("for=192.0.2.1", "192.0.2.1"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            (r#"for="[2001:db8::1]:80";proto=https, for=10.0.0.2"#, "2001:db8::1"),
            (r#"FOR="[2001:db8::1]" , By=_x;FoR=10.0.0.2"#, "2001:db8::1"),
            (r#"x="for=192.0.2.66, ", for=192.0.2.1"#, "192.0.2.1"),
            (r#"for="[::ffff:192.0.2.1]", for="[::ffff:10.0.0.2]""#, "192.0.2.1"),
        ],
    );
}

#[test]
fn where_all_are_trusted_the_leftmost_is_the_client() {
    check(XForwardedFor, &[("10.0.0.3, 10.0.0.2", "10.0.0.3"), ("2001:db8:ffff::1", "2001:db8:ffff::1")]);
    check(Forwarded, &[("for=10.0.0.3, for=10.0.0.2", "10.0.0.3")]);
    assert_eq!(resolved(PEER, XForwardedFor, &["10.0.0.4", "10.0.0.3, 10.0.0.2"]).address, ip("10.0.0.4"));
}

#[test]
fn without_a_list_the_peer_is_the_client() {
    for header in [XForwardedFor, Forwarded] {
        for lines in [[].as_slice(), &[""], &[" \t "], &["", ""]] {
            assert_eq!(resolved(PEER, header, lines), Resolved { address: ip(PEER), diagnosis: None });
        }
    }
}

#[test]
fn the_trusted_hop_beside_garbage_is_the_client() {
    let long = format!("192.0.2.1:_{}", "a".repeat(200));
    for garbage in [
        "unknown",
        "UNKNOWN",
        "_hidden",
        "",
        " ",
        "localhost",
        "192.0.2",
        "192.0.2.1.1",
        "192.0.2.256",
        "010.0.0.1",
        "192.0.2.01",
        "0x7f.1",
        "3221225985",
        "192.0.2.1:",
        "192.0.2.1:port",
        "192.0.2.1:123456",
        "192.0.2.1:+1",
        "192.0.2.1:1:1",
        "192.0.2.1:_",
        "[192.0.2.1]",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]80",
        "[2001:db8::1]:",
        "[[2001:db8::1]]",
        "[]",
        "fe80::1%eth0",
        "[fe80::1%eth0]:80",
        "2001:db8::1/64",
        "192.0.2.1/32",
        "\"192.0.2.1",
        "'192.0.2.1'",
        "192.0.2.1 192.0.2.2",
        "for=192.0.2.1",
        "192.0.2.1;",
        "\u{661}.0.0.1",
        "1::2::3",
        "192.0.2.1\0",
        &long,
    ] {
        check(
            XForwardedFor,
            &[
                (&format!("192.0.2.66,{garbage}, 10.0.0.3, 10.0.0.2"), "10.0.0.3"),
                (&format!("192.0.2.66,{garbage}"), PEER),
            ],
        );
        if garbage.contains(['"', '=']) {
            continue;
        }
        check(
            Forwarded,
            &[
                (&format!(r#"for=192.0.2.66,for="{garbage}", for=10.0.0.3, for=10.0.0.2"#), "10.0.0.3"),
                (
                    &format!("for=192.0.2.66,for={garbage}"),
                    if garbage == "192.0.2.1;" { "192.0.2.1" } else { PEER },
                ),
            ],
        );
    }
    for bytes in [b"\xff".as_slice(), b"192.0.2.1\xa0", b"\xef\xbb\xbf192.0.2.1"] {
        let line = [b"192.0.2.66, ", bytes, b", 10.0.0.2"].concat();
        assert_eq!(resolved(PEER, XForwardedFor, &[&line]).address, ip("10.0.0.2"));
        let line = [b"for=192.0.2.66, for=\"", bytes, b"\", for=10.0.0.2"].concat();
        assert_eq!(resolved(PEER, Forwarded, &[&line]).address, ip("10.0.0.2"));
    }
}

#[test]
fn a_forwarded_element_that_breaks_the_grammar_names_nobody() {
    for element in [
        "for",
        "for=",
        "=192.0.2.1",
        "192.0.2.1",
        "for =192.0.2.1",
        "for= 192.0.2.1",
        "for=192.0.2.1 ;proto=http",
        "for=192.0.2.1; proto=http",
        "for=192.0.2.1:80",
        "for=[2001:db8::1]",
        r#"for="2001:db8::1""#,
        r#"for="192.0.2.1"#,
        r#"for=192.0.2.1""#,
        r#"for="192.0.2.1"x"#,
        r#"for="192.0.2.1\""#,
        r#"for=\"192.0.2.1\""#,
        "for=192.0.2.1;for=192.0.2.1",
        "for=192.0.2.1;FOR=unknown",
        "proto=https;by=192.0.2.1",
        ";",
        ";;proto=http",
        "for=192.0.2.1;proto",
        "for=192.0.2.1;proto=",
        "for=192.0.2.1;pro to=http",
        "for=192.0.2.1\u{1};a=b",
        "for=\"192.0.2.1\";a=\"\u{7f}\"",
        "for=192.0.2.1;a=\"\\\u{1}\"",
        "for=192.0.2.1;a=\"\\\u{7f}b\"",
        "for*=192.0.2.1",
        "xfor=192.0.2.1",
        r#"for=''192.0.2.1"#,
        r#"""#,
        r#""""#,
        // One element of the proxy is inside the caller's quotes.
        r#"for=192.0.2.66;a=", for=192.0.2.1;host=b""#,
        r#"for=192.0.2.66;a=",proto=http;FOR=192.0.2.1;host=b""#,
    ] {
        check(
            Forwarded,
            &[
                (element, PEER),
                (&format!("for=192.0.2.66, {element}, for=10.0.0.3,for=10.0.0.2"), "10.0.0.3"),
            ],
        );
    }
}

#[test]
fn a_forwarded_element_may_use_all_of_the_grammar() {
    check(
        Forwarded,
        &[
            (r#"for="192.0.2.1""#, "192.0.2.1"),
            (r#"for="192.0.2.1:8080""#, "192.0.2.1"),
            (r#"for="192.0.2.1:_obfuscated.Port-1_""#, "192.0.2.1"),
            (r#"for="\1\9\2.0.2.1""#, "192.0.2.1"),
            (r#"for="\[2001:db8::1\]:80""#, "2001:db8::1"),
            (r#";;for=192.0.2.1;"#, "192.0.2.1"),
            (r#"for=192.0.2.1;ext="a,b;c=d""#, "192.0.2.1"),
            (r#"ext=",;\"\\";for=192.0.2.1"#, "192.0.2.1"),
            (r#"ext="a=\", ";for=192.0.2.1;b="""#, "192.0.2.1"),
            ("for=192.0.2.1;ext=\"\u{e9}\t\"", "192.0.2.1"),
            ("for=192.0.2.1;proto=a;proto=b", "192.0.2.1"),
            ("a!#$%&'*+-.^_`|~=b;for=192.0.2.1", "192.0.2.1"),
            (r#"for=192.0.2.1;ext="for=192.0.2.2, ""#, "192.0.2.1"),
        ],
    );
}

#[test]
fn ports_are_passed_over() {
    check(
        XForwardedFor,
        &[
            ("192.0.2.1:567", "192.0.2.1"),
            ("192.0.2.1:0", "192.0.2.1"),
            ("[2001:db8::1]:8080", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
            ("192.0.2.1, 10.0.0.2:65535", "192.0.2.1"),
        ],
    );
}

#[test]
fn a_node_has_so_many_bytes_at_most_however_it_is_written() {
    for (length, client) in [(LONGEST_NODE, "192.0.2.1"), (LONGEST_NODE + 1, PEER)] {
        let node = format!("{:a<length$}", "192.0.2.1:_");
        let escaped: String = node.chars().flat_map(|character| ['\\', character]).collect();
        check(XForwardedFor, &[(&node, client), (&format!(" {node}\t"), client)]);
        for quoted in [node, escaped] {
            check(Forwarded, &[(&format!("for=\"{quoted}\""), client)]);
        }
    }
}

#[test]
fn several_lines_are_one_list() {
    for (lines, client) in [
        (["192.0.2.66", "192.0.2.1", "10.0.0.2"].as_slice(), "192.0.2.1"),
        (&["192.0.2.66", "192.0.2.1, 10.0.0.3", "10.0.0.2"], "192.0.2.1"),
        (&["192.0.2.66, unknown", "10.0.0.3", "10.0.0.2"], "10.0.0.3"),
        (&["192.0.2.66, unknown, 10.0.0.4", "10.0.0.3", "10.0.0.2"], "10.0.0.4"),
        (&["192.0.2.66", "unknown", "10.0.0.2"], "10.0.0.2"),
        (&["192.0.2.66", "", "10.0.0.2"], "10.0.0.2"),
        (&["192.0.2.66", ""], PEER),
    ] {
        assert_eq!(resolved(PEER, XForwardedFor, lines).address, ip(client), "{lines:?}");
    }
    // A quote that is opened in one line can't be closed in the next.
    let lines = [r#"for=192.0.2.66;a="x"#, r#"y";for=192.0.2.67"#, "for=10.0.0.2"];
    assert_eq!(resolved(PEER, Forwarded, &lines).address, ip("10.0.0.2"));
    assert_eq!(
        resolved(PEER, Forwarded, &[r#"for="x"#, "for=192.0.2.1, for=10.0.0.2"]).address,
        ip("192.0.2.1")
    );
}

#[test]
fn one_header_is_believed_and_the_other_ignored() {
    let both = |header: ForwardingHeader| {
        let request = PlainRequest::new()
            .with_header("X-Forwarded-For", "192.0.2.1")
            .with_header("Forwarded", "for=192.0.2.2");
        client_address(ip(PEER), &request, &trusting(header))
    };
    assert_eq!(both(XForwardedFor), Resolved { address: ip("192.0.2.1"), diagnosis: None });
    assert_eq!(both(Forwarded), Resolved { address: ip("192.0.2.2"), diagnosis: None });
    assert_eq!(TrustedProxies::none().believed(), XForwardedFor);
}

#[test]
fn the_operator_is_told_which_method_to_call() {
    let told = |peer: &str, proxies: &TrustedProxies, header: &str, value: &str| {
        let request = PlainRequest::new().with_header(header, value);
        client_address(ip(peer), &request, proxies).diagnosis.map(|diagnosis| diagnosis.to_string())
    };
    let none = TrustedProxies::none();
    for peer in [
        "10.1.2.3",
        "172.17.0.1",
        "192.168.0.9",
        "127.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.1.1",
        "::1",
        "fd00::1",
        "fe80::1",
    ] {
        for header in ["x-forwarded-for", "forwarded"] {
            assert!(
                told(peer, &none, header, "x").unwrap().contains(&format!("name {peer} in trusted_proxies"))
            );
            assert_eq!(told(peer, &none, header, " "), None);
        }
        assert_eq!(told(peer, &none, "via", "x"), None);
    }
    for peer in ["::ffff:10.1.2.3", "64:ff9b::10.1.2.3"] {
        let told = told(peer, &none, "forwarded", "x").unwrap();
        assert!(told.contains("name 10.1.2.3 in trusted_proxies"), "{told}");
    }
    for peer in ["192.0.2.1", "100.63.255.255", "100.128.0.0", "2001:db8::1", "64:ff9b::192.0.2.1"] {
        assert_eq!(told(peer, &none, "x-forwarded-for", "192.0.2.66"), None);
    }
    let (classic, rfc) = (trusting(XForwardedFor), trusting(Forwarded));
    let other = told(PEER, &classic, "forwarded", "for=192.0.2.1").unwrap();
    assert!(other.contains("choose forwarded with TrustedProxies::header"), "{other}");
    let other = told(PEER, &rfc, "x-forwarded-for", "192.0.2.1").unwrap();
    assert!(other.contains("choose x-forwarded-for with TrustedProxies::header"), "{other}");
    let malformed = told(PEER, &classic, "x-forwarded-for", "sEcReT, 10.0.0.2").unwrap();
    assert!(malformed.contains("the proxy 10.0.0.2 counted") && !malformed.contains("sEcReT"), "{malformed}");
    assert_eq!(told(PEER, &classic, "x-forwarded-for", "garbage, 192.0.2.1, 10.0.0.2"), None);
    assert_eq!(told(PEER, &rfc, "forwarded", "for=\", for=192.0.2.1"), None);
    // Variables belong to the code that reads them.
    for text in [other, malformed] {
        assert!(!text.contains("TRUSTED"), "{text}");
    }
}

#[test]
fn a_client_reads_as_an_address_or_a_prefix() {
    let client = |address: &str, length| Client::of_address(ip(address), length).to_string();
    assert_eq!(client("192.0.2.1", 56), "192.0.2.1");
    assert_eq!(client("::ffff:192.0.2.1", 56), "192.0.2.1");
    assert_eq!(client("2001:db8:1:2ff:3:4:5:6", DEFAULT_IPV6_PREFIX), "2001:db8:1:200::/56");
    assert_eq!(client("2001:db8:1:2ff:3:4:5:6", 0), "2001:db8::/32");
    assert_eq!(client("2001:db8:1:2ff:3:4:5:6", 128), "2001:db8:1:2ff::/64");
    for translated in ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"] {
        assert_eq!(client(translated, 32), "192.0.2.1");
    }
    for (other, counted) in
        [("64:ff9b:1::c000:201", "64:ff9b:1::/56"), ("64:ff9b::1:c000:201", "64:ff9b::/56")]
    {
        assert_eq!(client(other, 56), counted, "another prefix, whose layout is its network's own");
    }
}

#[test]
fn a_unique_local_address_counts_for_its_subnet() {
    for length in [0, 32, 56, 64, 128] {
        let client = |address: &str| Client::of_address(ip(address), length).to_string();
        assert_eq!(client("fd12:3456:789a:1::5"), "fd12:3456:789a:1::/64");
        assert_eq!(client("fd12:3456:789a:2::5"), "fd12:3456:789a:2::/64");
        assert_eq!(client("fc00::1"), "fc00::/64");
        assert_eq!(client("fdff:ffff:ffff:ffff::1"), "fdff:ffff:ffff:ffff::/64");
    }
    let link_local = Client::of_address(ip("fe00::1:2:3:4:5"), 32).to_string();
    assert_eq!(link_local, "fe00::/32", "the next address after them");
}

#[test]
fn a_translated_address_of_a_trusted_proxy_is_trusted() {
    let of = |peer: &str, line: &str| resolved(peer, XForwardedFor, &[line]).address;
    assert_eq!(of("64:ff9b::10.0.0.1", "192.0.2.1"), ip("192.0.2.1"));
    assert_eq!(of(PEER, "192.0.2.1, 64:ff9b::10.0.0.2"), ip("192.0.2.1"));
    assert_eq!(of(PEER, "192.0.2.66, 64:ff9b::192.0.2.1"), ip("192.0.2.1"));
    assert_eq!(of("64:ff9b::11.0.0.1", "192.0.2.1"), ip("11.0.0.1"), "not trusted as IPv4 either");
    assert_eq!(of("64:ff9b:1::10.0.0.1", "192.0.2.1"), ip("64:ff9b:1::10.0.0.1"), "another prefix");
    let forwarded = resolved(PEER, Forwarded, &[r#"for=192.0.2.1, for="[64:ff9b::10.0.0.2]:80""#]);
    assert_eq!(forwarded.address, ip("192.0.2.1"));
}
