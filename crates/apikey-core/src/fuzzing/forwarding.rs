use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lines;
use crate::client::{
    Client, DEFAULT_IPV6_PREFIX, Diagnosis, ForwardingHeader, TrustedProxies, client_address,
    client_behind_unix_socket,
};
use crate::request::PlainRequest;

/// Checks how a request's client is found behind proxies.
///
/// The input is a list of lines:
///
/// - `@<address>`: the peer. Without one, it is `10.0.0.1`.
/// - `#<ranges>`: the trusted ranges. Without any, it is `10.0.0.0/8`.
/// - `%`: `Forwarded` is believed instead of `X-Forwarded-For`.
/// - `!<value>`: a line of the header that is not believed.
/// - `<<bytes>`: what an attacker puts on the left of the chain.
/// - anything else: a line of the believed header.
///
/// # Panics
/// If a promise is broken.
pub fn forwarding(input: &[u8]) {
    let case = Case::read(input);
    let Ok(proxies) = TrustedProxies::parse(&case.ranges) else { return };
    let proxies = proxies.header(case.header);
    let find = |peer, chain: &[&[u8]]| client_address(peer, &case.request(chain), &proxies);
    let found = find(case.peer, &case.chain);
    let client = found.address;
    assert_eq!(find(case.peer, &case.chain), found, "twice the same");
    assert_eq!(client, canonical(client));
    if let IpAddr::V4(address) = client {
        for spelling in spellings(address) {
            let clients = [client, spelling].map(|address| Client::of_address(address, DEFAULT_IPV6_PREFIX));
            assert_eq!(clients[0], clients[1], "{spelling}");
        }
    }
    let peer = canonical(case.peer);
    if let IpAddr::V4(address) = peer {
        for spelling in spellings(address) {
            assert_eq!(find(spelling, &case.chain), found, "{spelling}");
        }
    }
    if !case.trusts(peer) {
        assert_eq!(client, peer, "an untrusted peer is the client");
    }
    assert!(client == peer || case.names(client), "{client} was invented");
    match found.diagnosis {
        None => {}
        Some(Diagnosis::UntrustedProxy { peer: told }) => assert!(told == peer && !case.trusts(told)),
        Some(Diagnosis::OtherHeader { peer: told, .. }) => assert!(told == peer && case.trusts(told)),
        Some(Diagnosis::UnreadableChain { hop, .. }) => assert!(hop == client && case.trusts(hop)),
        Some(Diagnosis::UnnamedClient { .. }) => panic!("the peer {peer} has an address"),
    }
    if case.trusts(peer) {
        let (named, _) = client_behind_unix_socket(&case.request(&case.chain), &proxies);
        assert_eq!(named.unwrap_or(peer), client, "a trusted proxy over a Unix socket names the same client");
    }
    if !case.trusts(client) && case.trusts(peer) {
        // The chain has an untrusted address, so claims on the left of it change nothing.
        let mut longer = case.claims.clone();
        longer.extend(&case.chain);
        assert_eq!(find(case.peer, &longer), found, "lines to the left");
        if let [first, rest @ ..] = case.chain.as_slice() {
            let joined = [case.claims.join(b",".as_slice()).as_slice(), b",", first].concat();
            longer = vec![&joined];
            longer.extend(rest);
            assert_eq!(find(case.peer, &longer), found, "elements to the left");
        }
    }
    if let Some(elements) = case.elements() {
        assert_eq!(client, case.defined(&elements), "as the list is defined: {elements:?}");
    }
}

/// An IPv4 address in IPv6: mapped, and as a translator gives it.
fn spellings(address: Ipv4Addr) -> [IpAddr; 2] {
    let [high, low] = [address.to_bits() >> 16, address.to_bits() & 0xffff].map(|half| half as u16);
    [Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low), Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low)]
        .map(IpAddr::V6)
}

/// The address in its canonical form.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(ipv6) = address else { return address };
    let ipv4 = Ipv4Addr::from_bits(ipv6.to_bits() as u32);
    if spellings(ipv4).contains(&address) { IpAddr::V4(ipv4) } else { address }
}

/// An input in its parts.
struct Case<'a> {
    peer: IpAddr,
    ranges: String,
    header: ForwardingHeader,
    other: Vec<&'a [u8]>,
    claims: Vec<&'a [u8]>,
    chain: Vec<&'a [u8]>,
}

impl<'a> Case<'a> {
    fn read(input: &'a [u8]) -> Self {
        let mut case = Self {
            peer: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
            ranges: "10.0.0.0/8".to_owned(),
            header: ForwardingHeader::XForwardedFor,
            other: Vec::new(),
            claims: Vec::new(),
            chain: Vec::new(),
        };
        for line in lines(input) {
            match line {
                [b'@', peer @ ..] => {
                    let peer = std::str::from_utf8(peer).ok().and_then(|peer| peer.parse().ok());
                    case.peer = peer.unwrap_or(case.peer);
                }
                [b'#', ranges @ ..] => case.ranges = String::from_utf8_lossy(ranges).into_owned(),
                [b'%', ..] => case.header = ForwardingHeader::Forwarded,
                [b'!', line @ ..] => case.other.push(line),
                [b'<', line @ ..] => case.claims.push(line),
                line => case.chain.push(line),
            }
        }
        case
    }

    fn request(&self, chain: &[&[u8]]) -> PlainRequest {
        let (header, other) = match self.header {
            ForwardingHeader::XForwardedFor => ("X-Forwarded-For", "Forwarded"),
            ForwardingHeader::Forwarded => ("Forwarded", "X-Forwarded-For"),
        };
        let request =
            chain.iter().fold(PlainRequest::new(), |request, line| request.with_header(header, line));
        self.other.iter().fold(request, |request, line| request.with_header(other, line))
    }

    /// Whether one of the ranges holds the address, bit by bit.
    fn trusts(&self, address: IpAddr) -> bool {
        self.ranges.split(',').any(|entry| {
            let (network, length) = match entry.trim().split_once('/') {
                Some((network, length)) => (network, length.parse().ok()),
                None => (entry.trim(), None),
            };
            let Ok(network) = network.parse::<IpAddr>() else { return false };
            // An IPv4 range counts as a range of mapped addresses here. No other range trusts those.
            let (network, length) = match (network, canonical(network)) {
                (IpAddr::V4(network), _) => (network.to_ipv6_mapped(), length.unwrap_or(32) + 96),
                (IpAddr::V6(_), IpAddr::V4(network)) => (network.to_ipv6_mapped(), length.unwrap_or(128)),
                (IpAddr::V6(network), IpAddr::V6(_)) => (network, length.unwrap_or(128)),
            };
            let (length, address): (u32, _) = match address {
                IpAddr::V4(_) if length < 96 => return false,
                IpAddr::V4(address) => (length, address.to_ipv6_mapped()),
                IpAddr::V6(address) => (length, address),
            };
            let difference = network.to_bits() ^ address.to_bits();
            difference.checked_shr(128 - length).is_none_or(|different| different == 0)
        })
    }

    /// Whether the believed header has the address, in one of its spellings.
    fn names(&self, client: IpAddr) -> bool {
        let spells = |text: &str| text.parse().is_ok_and(|address: IpAddr| canonical(address) == client);
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
        self.chain.iter().any(|line| {
            let bytes = line.iter().copied();
            let plain: Vec<u8> = match self.header {
                ForwardingHeader::XForwardedFor => bytes.collect(),
                ForwardingHeader::Forwarded => bytes.filter(|byte| *byte != b'\\').collect(),
            };
            let mut parts =
                plain.split(|byte| !is_part(*byte)).filter_map(|part| std::str::from_utf8(part).ok());
            parts.any(|part| spells(part) || part.split_once(':').is_some_and(|(address, _)| spells(address)))
        })
    }

    /// What each element of the chain names, read by the header's definition. `None` if the header does not follow
    /// it.
    fn elements(&self) -> Option<Vec<Option<IpAddr>>> {
        if self.chain.iter().all(|line| line.trim_ascii().is_empty()) {
            return Some(Vec::new());
        }
        match self.header {
            ForwardingHeader::XForwardedFor => {
                let list = self.chain.join(b",".as_slice());
                Some(
                    list.split(|byte| *byte == b',')
                        .map(|element| node(element.trim_ascii(), true))
                        .collect(),
                )
            }
            ForwardingHeader::Forwarded => {
                let lines: Option<Vec<_>> = self.chain.iter().map(|line| grammar::list(line)).collect();
                Some(lines?.concat())
            }
        }
    }

    /// The client by definition, from what each element names.
    fn defined(&self, elements: &[Option<IpAddr>]) -> IpAddr {
        let mut client = canonical(self.peer);
        for element in elements.iter().rev() {
            match element {
                Some(address) if self.trusts(client) => client = *address,
                _ => break,
            }
        }
        client
    }
}

/// The address in a node. The port is removed first, from the right.
fn node(text: &[u8], bare_ipv6: bool) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= 128)?;
    let ipv6 = |text: &str| text.parse::<Ipv6Addr>().ok().map(|address| canonical(IpAddr::V6(address)));
    let bare = if bare_ipv6 { ipv6(text) } else { None };
    if bare.is_some() {
        return bare;
    }
    let is_port = |port: &str| match port.strip_prefix('_') {
        Some(name) => {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c))
        }
        None => matches!(port.len(), 1..=5) && port.chars().all(|c| c.is_ascii_digit()),
    };
    let without_port = text.rsplit_once(':').filter(|(_, port)| is_port(port)).map(|(address, _)| address);
    let plain = |text: &str| match text.strip_prefix('[') {
        Some(text) => ipv6(text.strip_suffix(']')?),
        None => text.parse().ok().map(IpAddr::V4),
    };
    plain(text).or_else(|| plain(without_port?))
}

/// Reads RFC 7239 from the left, byte by byte. One mistake makes the whole line unreadable.
mod grammar {
    use std::iter::{Copied, Peekable};
    use std::net::IpAddr;
    use std::slice::Iter;

    type Bytes<'a> = Peekable<Copied<Iter<'a, u8>>>;

    /// What the elements of a line name. `None` if the line is not such a list.
    pub(super) fn list(line: &[u8]) -> Option<Vec<Option<IpAddr>>> {
        let mut bytes = line.iter().copied().peekable();
        let mut elements = Vec::new();
        loop {
            spaces(&mut bytes);
            elements.push(element(&mut bytes)?);
            spaces(&mut bytes);
            match bytes.next() {
                None => return Some(elements),
                Some(b',') => {}
                Some(_) => return None,
            }
        }
    }

    fn spaces(bytes: &mut Bytes<'_>) {
        while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
    }

    fn element(bytes: &mut Bytes<'_>) -> Option<Option<IpAddr>> {
        let (mut nodes, mut is_suspicious) = (Vec::new(), false);
        loop {
            let name = token(bytes);
            if !name.is_empty() {
                bytes.next_if_eq(&b'=')?;
                let value = match bytes.next_if_eq(&b'"') {
                    Some(_) => {
                        let (value, raw) = quoted(bytes)?;
                        is_suspicious |= holds_an_element(&raw);
                        value
                    }
                    None => Some(token(bytes)).filter(|token| !token.is_empty())?,
                };
                if name.eq_ignore_ascii_case(b"for") {
                    nodes.push(value);
                }
            }
            if bytes.next_if_eq(&b';').is_none() {
                return Some(match nodes.as_slice() {
                    [node] if !is_suspicious => super::node(node, false),
                    _ => None,
                });
            }
        }
    }

    /// The content between quotes, without its backslashes and with them.
    fn quoted(bytes: &mut Bytes<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
        let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        let (mut value, mut raw) = (Vec::new(), Vec::new());
        loop {
            let byte = bytes.next_if(is_text)?;
            let meant = match byte {
                b'"' => return Some((value, raw)),
                b'\\' => {
                    raw.push(byte);
                    bytes.next_if(is_text)?
                }
                byte => byte,
            };
            raw.push(meant);
            value.push(meant);
        }
    }

    /// The documented exception: a comma and a later `for=` between two quotes.
    fn holds_an_element(raw: &[u8]) -> bool {
        let lower = raw.to_ascii_lowercase();
        let comma = lower.iter().position(|byte| *byte == b',').unwrap_or(lower.len());
        lower.windows(4).enumerate().any(|(at, window)| at > comma && window == b"for=")
    }

    fn token(bytes: &mut Bytes<'_>) -> Vec<u8> {
        let is_token = |byte: &u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte);
        std::iter::from_fn(|| bytes.next_if(is_token)).collect()
    }
}
