use super::*;
use proptest::prelude::*;

/// The host and the port that a text is taken for.
fn taken(domain: &str) -> String {
    authority(&base_url(domain).unwrap_or_else(|problem| panic!("{domain:?}: {problem}")))
}

#[test]
fn a_host_is_taken_as_it_is_meant() {
    let long_name = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    for (domain, host) in [
        ("acme.kinde.com", "acme.kinde.com"),
        (" ACME.Kinde.com\n", "acme.kinde.com"),
        ("https://acme.kinde.com", "acme.kinde.com"),
        ("HTTPS://acme.kinde.com/", "acme.kinde.com"),
        ("acme.kinde.com.", "acme.kinde.com"),
        ("https://acme.kinde.com./", "acme.kinde.com"),
        ("acme.kinde.com.:8443", "acme.kinde.com:8443"),
        ("acme.kinde.com:443", "acme.kinde.com"),
        ("acme.kinde.com:1", "acme.kinde.com:1"),
        ("acme.kinde.com:65535/", "acme.kinde.com:65535"),
        ("kinde", "kinde"),
        ("3com.com", "3com.com"),
        ("a--b.kinde.com", "a--b.kinde.com"),
        ("käse.example", "xn--kse-qla.example"),
        ("KÄSE.example", "xn--kse-qla.example"),
        ("xn--kse-qla.example", "xn--kse-qla.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:8443", "192.0.2.1:8443"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("https://[2001:DB8:0::1]:8443/", "[2001:db8::1]:8443"),
        (&long_name, &long_name),
        (&format!("{long_name}."), &long_name),
        ("http://localhost:4010", "localhost:4010"),
        ("http://localhost.:4010", "localhost:4010"),
        ("http://127.1.2.3", "127.1.2.3"),
        ("http://[::1]:1", "[::1]:1"),
    ] {
        assert_eq!(taken(domain), host, "{domain:?}");
    }
}

/// What stands in a value that is no host; none of it may stand in the text about it.
const CANARY: &str = "canary";

#[test]
fn what_is_no_host_is_refused_with_its_reason() {
    let long_name = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
    let long_label = format!("{}.kinde.com", "a".repeat(64));
    for (reason, domains) in [
        ("expected a host such as", &["", " ", "/", "https://", "https:///", ":443", "xn--a.com", "."][..]),
        (
            "quotes",
            &["\"canary.kinde.com\"", "'canary.kinde.com'", "\"canary", "`canary`", "“canary.kinde.com”"],
        ),
        (
            "placeholder",
            &[
                "$KINDE_DOMAIN",
                "${CANARY}",
                "%CANARY%",
                "{{ canary }}",
                "<canary>.kinde.com",
                "https://$X/",
                "a%2ecanary.com",
            ],
        ),
        ("not several", &["canary.kinde.com,other", "canary.kinde.com;b", "canary.kinde.com, b.kinde.com"]),
        (
            "space or a control",
            &["two canary", "canary.\tkinde.com", "canary.kinde.com\r\nx: y", "canary\0", "a\u{a0}b"],
        ),
        ("dot too many", &["canary..kinde.com", ".canary.com", "canary.com..", "..", "canary。。com"]),
        ("at most 63", &[&long_label]),
        ("at most 253", &[&long_name]),
        ("hyphen", &["-canary.com", "canary-.com", "canary.-com", "canary.com-", "-", "https://-"]),
        ("underscores", &["my_canary.com", "_canary", "canary_.com"]),
        (
            "letters, digits",
            &["canary!.com", "canary*.kinde.com", "*.kinde.com", "(canary)", "a+b.com", "a~b"],
        ),
        (
            "a number from 1",
            &["canary.com:0", "canary.com:", "canary.com:65536", "canary.com:+1", "canary.com:x"],
        ),
        ("IPv6 address in brackets", &["2001:db8::1", "::1", "canary.com:1:2", "https://::1/", "[::1"]),
        ("between the brackets", &["[]", "[canary]", "[fe80::1%25eth0", "[::1]x", "[192.0.2.1]"]),
        (
            "four decimal numbers",
            &[
                "127.1",
                "0x7f.1",
                "0x7f.0.0.1",
                "2130706433",
                "010.0.0.1",
                "192.0.2.01",
                "127.0.0.1.",
                "１.2.3.4",
            ],
        ),
        ("user name", &["https://user:canary@kinde.com", "canary@kinde.com"]),
        (
            "without a path",
            &[
                "canary.com/path",
                "canary.com//",
                "canary.com?a=b",
                "https://x/#f",
                "//canary.com",
                "canary.com\\",
                "\\\\canary",
            ],
        ),
        ("expected https://, or", &["ftp://canary", "file:///canary", "://canary.com", "canary.com/http://"]),
        ("two slashes", &["https:/canary.com", "https:canary.com", "http:/canary", "HTTPS:", "https:443"]),
        ("twice", &["https://https://canary.com", "https://http:canary.com", "http://https://localhost"]),
        ("but no host", &["https", "http", "https://https", "HTTP."]),
        (
            "loopback",
            &[
                "http://canary.kinde.com",
                "http://localhost.canary.com",
                "http://127.0.0.1.canary.com",
                "http://10.0.0.1",
                "http://0.0.0.0",
                "http://[2001:db8::1]",
            ],
        ),
    ] {
        for domain in domains {
            // A percent sign is a placeholder's before it is a zone's.
            let reason = if domain.contains('%') { "placeholder" } else { reason };
            let problem = base_url(domain).map(|url| url.to_string()).expect_err(domain);
            assert!(problem.contains(reason), "{domain:?}: {problem}");
            assert!(!problem.to_lowercase().contains(CANARY), "{problem}");
        }
    }
}

/// RFC 1123, section 2.1, read once more.
fn is_dns_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let edges = [bytes.first(), bytes.last()];
        bytes.len() <= 63
            && edges.iter().all(|edge| edge.is_some_and(u8::is_ascii_alphanumeric))
            && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let last_is_number =
        host.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= 253 && host.split('.').all(is_label) && !last_is_number
}

/// Pieces of hosts, and of what people write in their place.
fn anything() -> impl Strategy<Value = String> {
    let pieces = [
        "https://",
        "http://",
        "HTTPS:",
        "acme",
        "kinde",
        "com",
        ".",
        "..",
        "-",
        "_",
        ":",
        ":443",
        ":0",
        "/",
        "//",
        "@",
        "[",
        "]",
        "::1",
        "[::1]",
        "127.0.0.1",
        "127.1",
        "0x7f",
        "1",
        "256",
        "\"",
        "'",
        "$",
        "{",
        "%",
        "xn--",
        "ä",
        "。",
        "１",
        "\u{ad}",
        "\u{200b}",
        "😀",
        " ",
        "\t",
        "\0",
        "?",
        "#",
        "\\",
        "*",
        ",",
        "localhost",
    ];
    let long = prop_oneof![Just("a".repeat(63)), Just("a".repeat(64)), Just(format!("{}.", "a".repeat(50)))];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => long,
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_accepted_is_a_name_or_an_address(domain in anything()) {
        let Ok(url) = base_url(&domain) else { return Ok(()) };
        let host = url.host_str().unwrap();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        prop_assert!(address.is_ok() || is_dns_name(host), "{domain:?} became {host}");
        if let Ok(IpAddr::V4(address)) = address {
            prop_assert!(domain.contains(&address.to_string()), "{domain:?} became {address}");
        }
        prop_assert!(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)), "{url}");
        prop_assert!(url.port() != Some(0));
        prop_assert_eq!((url.path(), url.query(), url.fragment()), ("/", None, None));
        prop_assert!(url.username().is_empty() && url.password().is_none());
        prop_assert_eq!(base_url(url.as_str()).unwrap(), url, "what was accepted is accepted again");
    }

    #[test]
    fn every_dns_name_is_taken_as_it_is(
        labels in "([a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\\.){0,4}", last in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?",
        port in proptest::option::of(1_u16..),
    ) {
        let name = labels + &last;
        // These have a meaning of their own.
        prop_assume!(!name.contains("xn--") && name != "http" && name != "https");
        let port = port.filter(|port| *port != 443).map(|port| format!(":{port}")).unwrap_or_default();
        prop_assert_eq!(taken(&format!("{name}{port}")), format!("{name}{port}"));
        prop_assert_eq!(taken(&format!("https://{name}{port}/")), format!("{name}{port}"));
    }
}
