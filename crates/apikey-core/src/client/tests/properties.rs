//! Promises about every chain, and a second reading of RFC 7239 to check the first one.

use super::*;
use proptest::prelude::*;

/// The address that the attacker of these tests claims.
const SPOOFED: &str = "203.0.113.66";

/// Text of an attacker: all bytes, and pieces of both grammars.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "for=",
        "FOR=",
        "203.0.113.66",
        "for=203.0.113.66",
        "for=203.0.113.66;a=\"",
        "[2001:db8::66]",
        "10.0.0.9",
        ",",
        ", ",
        ";",
        "=",
        "\"",
        "\\",
        "\\\"",
        "=\"",
        "\",",
        "a",
        "host=",
        " ",
        "unknown",
        "_x",
        ":80",
    ];
    let piece = prop_oneof![
        6 => proptest::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ];
    let soup = proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat());
    // Quotes that another's quote may close.
    let trap = |soup: Vec<u8>| [soup.as_slice(), b",for=203.0.113.66;a=\""].concat();
    prop_oneof![soup.clone(), soup.prop_map(trap), Just(b"a\"".to_vec())]
}

fn header() -> impl Strategy<Value = ForwardingHeader> {
    prop_oneof![Just(XForwardedFor), Just(Forwarded)]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(IpAddr::V4),
        any::<Ipv6Addr>().prop_map(|ip| canonical(ip.into())),
        any::<[u16; 7]>()
            .prop_map(|[a, b, c, d, e, f, g]| Ipv6Addr::new(a | 0xfc00, b, c, d, e, f, g, 1).into()),
    ]
}

fn untrusted() -> impl Strategy<Value = IpAddr> {
    address().prop_filter("untrusted", |address| !trusting(XForwardedFor).trusts(*address))
}

fn trusted() -> impl Strategy<Value = IpAddr> {
    any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c]))
}

/// The element that a correct proxy appends for an address.
fn element(header: ForwardingHeader, address: IpAddr) -> String {
    match (header, address) {
        (XForwardedFor, address) => address.to_string(),
        (Forwarded, IpAddr::V4(address)) => format!("for={address};proto=https;host=\"a\\\",b\""),
        (Forwarded, IpAddr::V6(address)) => format!("by=_p;for=\"[{address}]:443\""),
    }
}

fn chain(header: ForwardingHeader, addresses: &[IpAddr]) -> String {
    addresses.iter().map(|address| element(header, *address)).collect::<Vec<_>>().join(", ")
}

proptest! {
    #[test]
    fn nothing_left_of_the_first_untrusted_address_matters(
        header in header(), claimed in hostile(), own_line: bool, client in untrusted(),
        hops in proptest::collection::vec(trusted(), 0..4), lines in proptest::collection::vec(hostile(), 0..3),
    ) {
        let honest = chain(header, &[&[client], hops.as_slice()].concat()).into_bytes();
        let mut lines = lines;
        if own_line {
            lines.extend([claimed, honest]);
        } else {
            lines.push([claimed, b",".to_vec(), honest].concat());
        }
        prop_assert_eq!(resolved(PEER, header, &lines), Resolved { address: client, diagnosis: None });
    }

    #[test]
    fn a_malformed_chain_never_yields_a_spoofed_client(
        header in header(), claimed in hostile(), client in untrusted(), hops in proptest::collection::vec(trusted(), 0..4),
        broken in hostile(), copied in hostile(), copies: bool,
    ) {
        let (before, after) = (chain(header, &[client]), chain(header, &hops));
        // The proxy next to the caller copies some of the request, without a comma, into its element and does not
        // quote it.
        let copied: Vec<u8> = copied.into_iter().filter(|byte| *byte != b',').collect();
        let honest = match (copies, header) {
            (true, Forwarded) if client.is_ipv4() => [format!("for={client};host=").as_bytes(), &copied].concat(),
            (true, Forwarded) => [before.as_bytes(), b";host=", &copied].concat(),
            (true, XForwardedFor) => [before.as_bytes(), &copied].concat(),
            // Or a proxy writes something else, without an address of its own.
            (false, _) => broken.into_iter().filter(|byte| !matches!(byte, b'3' | b'"' | b':')).collect(),
        };
        let mut line = [claimed, b", ".to_vec(), honest].concat();
        if !after.is_empty() {
            line.extend([b", ", after.as_bytes()].concat());
        }
        let found = resolved(PEER, header, &[line]).address;
        let spoofed = [ip(SPOOFED), ip("2001:db8::66")];
        prop_assert!(!spoofed.contains(&found) || spoofed.contains(&client), "{}", found);
    }

    #[test]
    fn whatever_the_bytes_an_untrusted_peer_is_the_client(
        header in header(), lines in proptest::collection::vec(hostile(), 0..4), peer in untrusted(),
    ) {
        prop_assert_eq!(resolved(&peer.to_string(), header, &lines).address, peer);
    }

    #[test]
    fn x_forwarded_for_is_read_as_its_plain_definition_reads_it(
        lines in proptest::collection::vec(hostile(), 0..4), ends in proptest::collection::vec(trusted(), 0..3),
    ) {
        let mut lines = lines;
        lines.extend((!ends.is_empty()).then(|| chain(XForwardedFor, &ends).into_bytes()));
        let list = lines.join(b",".as_slice());
        let elements = list.split(|byte| *byte == b',').map(|element| {
            let text = std::str::from_utf8(element).ok()?.trim_ascii();
            text.parse().ok().map(canonical).or_else(|| plain_node(text))
        });
        prop_assert_eq!(resolved(PEER, XForwardedFor, &lines).address, defined(&elements.collect::<Vec<_>>()));
    }

    #[test]
    fn forwarded_is_read_as_the_grammar_reads_it_from_the_left(text in r#"((for|a|FOR|b!)=([a_.]{1,3}|10\.0\.0\.2|192\.0\.2\.1|"([a=,; :\t\[\]]|\\["\\,;a]|192\.0\.2\.1|\[2001:db8::1\]:80|for=){0,3}")[;,]|[,;\t ]){0,6}"#) {
        let Some(elements) = grammar::list(&text) else { return Ok(()) };
        let elements: Vec<_> = elements.iter().map(|pairs| {
            let mut named = pairs.iter().filter(|pair| pair.name.eq_ignore_ascii_case("for"));
            let one = named.next().filter(|_| named.next().is_none())?;
            plain_node(&one.value).filter(|_| !pairs.iter().any(|pair| pair.swallowed))
        }).collect();
        prop_assert_eq!(resolved(PEER, Forwarded, &[&text]).address, defined(&elements), "{:?}", text);
    }

    #[test]
    fn a_unix_socket_names_whom_a_trusted_peer_names(lines in proptest::collection::vec(hostile(), 0..3), header in header()) {
        let add = |request: PlainRequest, line: &Vec<u8>| request.with_header(header.name(), line);
        let request = lines.iter().fold(PlainRequest::new(), add);
        let (named, _) = client_behind_unix_socket(&request, &trusting(header));
        prop_assert_eq!(named.unwrap_or(ip(PEER)), resolved(PEER, header, &lines).address);
    }

    #[test]
    fn every_way_to_write_an_address_is_read(client in untrusted(), port: Option<u16>, escaped: Vec<bool>, hop in trusted()) {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let node = if client.is_ipv4() { format!("{client}{port}") } else { format!("[{client}]{port}") };
        prop_assert_eq!(resolved(PEER, XForwardedFor, &[format!("{node},{hop}")]).address, client);
        let mut quoted = String::new();
        for (at, character) in node.chars().enumerate() {
            quoted.extend(escaped.get(at).is_some_and(|escaped| *escaped).then_some('\\'));
            quoted.push(character);
        }
        prop_assert_eq!(resolved(PEER, Forwarded, &[format!("for=\"{quoted}\", for={hop}")]).address, client);
    }

    #[test]
    fn an_ipv4_address_in_ipv6_is_ipv4(bits: u32, hop in trusted(), length in 32_u8..=64, translated: bool) {
        let in_ipv6 = |address: Ipv4Addr| match translated {
            true => format!("64:ff9b::{address}").parse().unwrap(),
            false => address.to_ipv6_mapped(),
        };
        let (plain, mapped) = (Ipv4Addr::from(bits), in_ipv6(Ipv4Addr::from(bits)));
        prop_assert_eq!(Client::of_address(plain.into(), length), Client::of_address(mapped.into(), length));
        let by = |peer: IpAddr, line: String| {
            client_address(peer, &PlainRequest::new().with_header("x-forwarded-for", line), &trusting(XForwardedFor))
        };
        let IpAddr::V4(hop) = hop else { unreachable!() };
        let expected = by(hop.into(), format!("192.0.2.66, {plain}"));
        prop_assert!(expected.address.is_ipv4());
        prop_assert_eq!(by(in_ipv6(hop).into(), format!("192.0.2.66, {mapped}")), expected);
        let behind_another = by(hop.into(), format!("192.0.2.66, {plain}, {}", in_ipv6(hop)));
        prop_assert_eq!(behind_another, expected);
        let mapped_setting = TrustedProxies::new([mapped.to_string()]).unwrap();
        prop_assert_eq!(&mapped_setting, &TrustedProxies::new([plain.to_string()]).unwrap());
        prop_assert!(mapped_setting.trusts(plain.into()));
    }

    #[test]
    fn one_client_per_prefix(bits: u128, local: bool, flipped in 0_u32..128, length in 32_u8..=64) {
        let bits = if local { bits >> 7 | 0xfc << 120 } else { bits };
        let [one, other] = [bits, bits ^ (1 << (127 - flipped))].map(|bits| IpAddr::V6(bits.into()));
        prop_assume!(canonical(one).is_ipv6() && canonical(other).is_ipv6());
        let length_here = if bits >> 121 == 0xfc >> 1 { 64 } else { u32::from(length) };
        prop_assert_eq!(Client::of_address(one, length) == Client::of_address(other, length), flipped >= length_here);
    }

    #[test]
    fn only_a_translators_prefix_and_mapping_mean_ipv4(bits: u128, near: bool, flipped in 0_u32..96) {
        // Nearly all addresses are canonical, and so are those that differ from the prefix in one bit.
        let prefix = 0x64_ff9b_u128 << 96;
        let address = if near { prefix ^ (1 << (127 - flipped)) | (bits & 0xffff_ffff) } else { bits };
        prop_assume!(address >> 32 != 0xffff && address >> 32 != prefix >> 32);
        let address = IpAddr::V6(address.into());
        prop_assert_eq!(canonical(address), address);
    }

    #[test]
    fn trust_is_what_the_ranges_say(ranges in proptest::collection::vec((address(), 1_u8..=32), 0..8), probe in address(), at: usize) {
        let ranges: Vec<ipnet::IpNet> =
            ranges.into_iter().map(|(address, length)| ipnet::IpNet::new(address, length).unwrap().trunc()).collect();
        let Ok(proxies) = TrustedProxies::new(ranges.iter().map(ToString::to_string)) else { return Ok(()) };
        let near = ranges.get(at % ranges.len().max(1)).map(ipnet::IpNet::broadcast);
        for address in [Some(probe), near].into_iter().flatten() {
            prop_assert_eq!(proxies.trusts(address), ranges.iter().any(|range| range.contains(&address)));
        }
    }
}

/// The client by definition, from what each element of the whole list names.
fn defined(elements: &[Option<IpAddr>]) -> IpAddr {
    let mut client = ip(PEER);
    for element in elements.iter().rev() {
        let Some(address) = *element else { break };
        client = address;
        if !trusting(XForwardedFor).trusts(address) {
            break;
        }
    }
    client
}

/// Reads a node with the standard library's socket addresses.
fn plain_node(text: &str) -> Option<IpAddr> {
    let socket: std::net::SocketAddr =
        text.parse().or_else(|_| format!("{text}:0").parse()).ok().filter(|_| !text.contains('%'))?;
    Some(canonical(socket.ip()))
}

/// Reads RFC 7239 with RFC 9110's lists from the left, character by character. One mistake makes the whole line
/// unreadable.
mod grammar {
    pub(super) struct Pair {
        pub(super) name: String,
        pub(super) value: String,
        /// The documented exception: a comma and a later `for=` between two quotes.
        pub(super) swallowed: bool,
    }

    type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

    pub(super) fn list(text: &str) -> Option<Vec<Vec<Pair>>> {
        let mut input = text.chars().peekable();
        let mut elements = Vec::new();
        loop {
            spaces(&mut input);
            elements.push(element(&mut input)?);
            spaces(&mut input);
            match input.next() {
                None => return Some(elements),
                Some(',') => {}
                Some(_) => return None,
            }
        }
    }

    fn spaces(input: &mut Characters<'_>) {
        while input.next_if(|character| [' ', '\t'].contains(character)).is_some() {}
    }

    fn element(input: &mut Characters<'_>) -> Option<Vec<Pair>> {
        let mut pairs = Vec::new();
        loop {
            if input.peek().is_some_and(|character| is_token(*character)) {
                let name = token(input);
                input.next_if_eq(&'=')?;
                let (value, raw) = match input.next_if_eq(&'"') {
                    Some(_) => quoted(input)?,
                    None => (Some(token(input)).filter(|token| !token.is_empty())?, String::new()),
                };
                let tail = raw.split_once(',').map(|(_, tail)| tail.to_lowercase());
                let swallowed = tail.is_some_and(|tail| tail.contains("for="));
                pairs.push(Pair { name, value, swallowed });
            }
            if input.next_if_eq(&';').is_none() {
                return Some(pairs);
            }
        }
    }

    fn quoted(input: &mut Characters<'_>) -> Option<(String, String)> {
        let (mut value, mut raw) = (String::new(), String::new());
        loop {
            let character = input.next()?;
            match character {
                '"' => return Some((value, raw)),
                '\\' => {
                    let escaped = input.next()?;
                    raw.extend(['\\', escaped]);
                    value.push(escaped);
                }
                _ => {
                    raw.push(character);
                    value.push(character);
                }
            }
        }
    }

    fn token(input: &mut Characters<'_>) -> String {
        std::iter::from_fn(|| input.next_if(|character| is_token(*character))).collect()
    }

    fn is_token(character: char) -> bool {
        character.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(character)
    }
}

#[test]
fn a_huge_header_costs_linear_time() {
    let started = std::time::Instant::now();
    for unit in [
        "10.0.0.2",
        "1.2.3.4",
        "",
        "x",
        "\"",
        "\\\"",
        "=\"",
        "\\",
        "for=10.0.0.2",
        "for=\"10.0.0.2\"",
        "a=\"\\\"\"",
        "a=b;",
        "for=10.0.0.2;a=\",\"",
        "a=\",",
        "\",\"",
    ] {
        for (separator, count) in [(",", 10_000), ("", 65_536), (", ", 65_536), (";", 65_536)] {
            let line = vec![unit; count].join(separator);
            for line in [line.clone(), format!("{line}, 10.0.0.2"), format!("for=10.0.0.2;x=\"{line}\"")] {
                for header in [XForwardedFor, Forwarded] {
                    resolved(PEER, header, &[&line]);
                }
            }
        }
        resolved(PEER, XForwardedFor, &vec![unit; 10_000]);
        resolved(PEER, Forwarded, &vec![unit; 10_000]);
    }
    // Quadratic work would take minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
