//! Finds the client that a request comes from, behind proxies that are trusted to name it. It does no I/O and keeps
//! no state.
//!
//! A forwarding header is believed only if the peer is a trusted proxy. It is read from the right, because each
//! proxy appends the address that it saw. So everything left of the first untrusted address was written by that
//! client, and is ignored. Reading ends at the first element without an address. Then the trusted hop next to that
//! element counts as the client. So a chain that can't be read may merge clients, but it never invents one. The work
//! is linear in the header's length.

mod clients;
mod forwarded;
mod proxies;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

pub(crate) use clients::Clients;
pub use proxies::{ForwardingHeader, TrustedProxies};

use crate::request::RequestHead;
use proxies::{HEADER_SETTING, RANGES_SETTING};

/// How many bits of an IPv6 address may make a client. A site has a /48 to /64 of its own.
pub(crate) const IPV6_PREFIXES: RangeInclusive<u8> = 32..=64;

/// How many bits of an IPv6 address make a client by default.
pub(crate) const DEFAULT_IPV6_PREFIX: u8 = 56;

/// How many bits of a unique local address (`fc00::/7`) make a client, whatever is set. One site owns such a network,
/// so each of its subnets counts as a client.
const UNIQUE_LOCAL_PREFIX: u8 = 64;

/// The /96 in which IPv6 holds all IPv4 addresses: the well-known prefix of NAT64 translators (RFC 6052, section
/// 2.1).
const NAT64_PREFIX: u128 = 0x0064_ff9b_u128 << 96;

/// The client that a request counts for: an IPv4 address, or the prefix of an IPv6 address (/56 by default, /32 to
/// /64). A prefix, because a caller with one IPv6 address has its whole network. A unique local address counts per
/// /64. All requests whose proxy connects over a Unix socket and names no client count as one more client.
///
/// Two addresses of one client are equal here. An IPv6 address that stands for an IPv4 address is that IPv4 address
/// ([`canonical`]), and the bits past the prefix are zero. It is displayed as an address (`192.0.2.1`) or as a prefix
/// (`2001:db8::/56`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Client(Counted);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Counted {
    Address(Ipv4Addr),
    Prefix { network: Ipv6Addr, length: u8 },
    UnixSocket,
}

impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Counted::Address(address) => address.fmt(formatter),
            Counted::Prefix { network, length } => write!(formatter, "{network}/{length}"),
            Counted::UnixSocket => formatter.write_str("unix"),
        }
    }
}

impl Client {
    /// The client of all requests in which a proxy at a Unix socket names nobody.
    pub(crate) const UNIX_SOCKET: Self = Self(Counted::UnixSocket);

    /// The client that an address belongs to. A prefix length outside of [`IPV6_PREFIXES`] counts as the nearest one
    /// in it.
    pub(crate) fn of_address(address: IpAddr, ipv6_prefix: u8) -> Self {
        Self(match canonical(address) {
            IpAddr::V4(address) => Counted::Address(address),
            IpAddr::V6(address) => {
                let length = match address.is_unique_local() {
                    true => UNIQUE_LOCAL_PREFIX,
                    false => ipv6_prefix.clamp(*IPV6_PREFIXES.start(), *IPV6_PREFIXES.end()),
                };
                let mask = u128::MAX << (128 - u32::from(length));
                Counted::Prefix { network: Ipv6Addr::from_bits(address.to_bits() & mask), length }
            }
        })
    }
}

/// The address in its canonical form. An IPv6 address that stands for an IPv4 address becomes that IPv4 address, in
/// settings, on connections and in headers. These are the IPv4-mapped ones (`::ffff:192.0.2.1`) and those that a
/// NAT64 translator gives to IPv4 hosts (`64:ff9b::192.0.2.1`).
///
/// A translator sends answers for such an address to that IPv4 address. So a caller that uses the one owns the other,
/// and the IPv6 address is trusted if the IPv4 address is.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if address.to_bits() & (u128::MAX << 32) == NAT64_PREFIX => {
            let [.., a, b, c, d] = address.octets();
            IpAddr::from([a, b, c, d])
        }
        address => address,
    }
}

/// What [`client_address`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resolved {
    /// The client's address, [`canonical`].
    pub(crate) address: IpAddr,
    /// A mistake in the settings that the operator should know of, if there is a sign of one.
    pub(crate) diagnosis: Option<Diagnosis>,
}

/// A sign that the settings don't fit the proxies. Its text is for the operator's log and names the builder's method.
/// It holds no byte of the request, only addresses of the operator's own network.
///
/// If the settings have such a mistake, every caller can cause this sign. So each kind must be logged only once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Diagnosis {
    /// A forwarding header came from an untrusted peer that looks like a proxy of the operator's: its address is
    /// private, shared (RFC 6598), link-local or loopback.
    UntrustedProxy {
        /// The TCP peer.
        peer: IpAddr,
    },
    /// A trusted peer sent only the header that is not believed.
    OtherHeader {
        /// The TCP peer.
        peer: IpAddr,
        /// The header that it did send.
        sent: ForwardingHeader,
    },
    /// The believed header holds something that is not an address, and no untrusted address on its right.
    UnreadableChain {
        /// The believed header.
        header: ForwardingHeader,
        /// The trusted hop that counted as the client instead.
        hop: IpAddr,
    },
    /// A trusted proxy at a Unix socket named no client in this header.
    UnnamedClient {
        /// The believed header.
        header: ForwardingHeader,
    },
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UntrustedProxy { peer } => write!(
                formatter,
                "a forwarding header came from {peer}, which is not trusted, so everybody behind it counts as one \
                 client; if it is your proxy, name {peer} in {RANGES_SETTING}"
            ),
            Self::OtherHeader { peer, sent } => write!(
                formatter,
                "the trusted proxy {peer} sent {sent} and no {}, so everybody behind it counts as one client; if \
                 the proxy itself writes {sent}, and does not only pass on what callers claim, choose {sent} with \
                 {HEADER_SETTING}",
                sent.other()
            ),
            Self::UnreadableChain { header, hop } => write!(
                formatter,
                "the {header} header of a trusted proxy has no address where a client's should be, so the proxy \
                 {hop} counted as the client; let it append the address that it sees, or choose the header that \
                 it writes with {HEADER_SETTING}"
            ),
            Self::UnnamedClient { header } => write!(
                formatter,
                "a proxy at a Unix socket named no client in {header}, so all such requests count as one client; let \
                 it send the address that it sees in {header}, or choose the header that it writes with \
                 {HEADER_SETTING}"
            ),
        }
    }
}

/// The address of the client that sent the request over a connection from `peer`.
///
/// - If the peer is not a trusted proxy: the peer, whatever the request claims.
/// - Otherwise the rightmost untrusted address in the believed header. If all its addresses are trusted, the
///   leftmost. If it has none, the peer. Several header lines are one list, in order, but no element spans two of
///   them.
/// - If an element without an address (see [`ForwardingHeader`]) comes before an untrusted address: the trusted hop
///   on its right, or the peer. An empty element has no address, and so has an empty line among others.
pub(crate) fn client_address(peer: IpAddr, request: &impl RequestHead, proxies: &TrustedProxies) -> Resolved {
    let peer = canonical(peer);
    let header = proxies.believed();
    if !proxies.trusts(peer) {
        let is_suspicious =
            is_internal(peer) && (is_present(request, header) || is_present(request, header.other()));
        let diagnosis = is_suspicious.then_some(Diagnosis::UntrustedProxy { peer });
        return Resolved { address: peer, diagnosis };
    }
    if !is_present(request, header) {
        let sent = header.other();
        let diagnosis = is_present(request, sent).then_some(Diagnosis::OtherHeader { peer, sent });
        return Resolved { address: peer, diagnosis };
    }
    let chain = read_chain(request, proxies);
    let address = chain.address.unwrap_or(peer);
    let diagnosis =
        (chain.end == End::Unreadable).then_some(Diagnosis::UnreadableChain { header, hop: address });
    Resolved { address, diagnosis }
}

/// The address of the client that a trusted proxy at a Unix socket names, as [`client_address`] finds it. `None` if the
/// proxy names none.
pub(crate) fn client_behind_unix_socket(
    request: &impl RequestHead,
    proxies: &TrustedProxies,
) -> (Option<IpAddr>, Option<Diagnosis>) {
    let header = proxies.believed();
    let Chain { address, end } = read_chain(request, proxies);
    let diagnosis = match (end, address) {
        (End::Unreadable, Some(hop)) => Some(Diagnosis::UnreadableChain { header, hop }),
        (End::Unreadable, None) => Some(Diagnosis::UnnamedClient { header }),
        (End::Untrusted | End::Left, _) => None,
    };
    (address, diagnosis)
}

/// What the reading of a part of the list from its right end found.
struct Chain {
    /// The client, if all hops on the right of this part are trusted. `None`: the nearest of those hops.
    address: Option<IpAddr>,
    end: End,
}

#[derive(PartialEq, Eq)]
enum End {
    /// The reading ended at an untrusted address.
    Untrusted,
    /// The reading ended at an element without an address.
    Unreadable,
    /// The reading reached the left end: all addresses are trusted.
    Left,
}

/// Reads the last line. Only if all of it is trusted, it reads the others, each once. The iterator of lines runs only
/// forwards, so they are folded and not stored.
fn read_chain(request: &impl RequestHead, proxies: &TrustedProxies) -> Chain {
    let lines = || request.header_values(proxies.believed().name());
    let read = |line| match proxies.believed() {
        ForwardingHeader::XForwardedFor => read_line(x_forwarded_for(line), proxies),
        ForwardingHeader::Forwarded => read_line(forwarded::addresses(line), proxies),
    };
    let last = read(lines().last().unwrap_or_default());
    if last.end != End::Left {
        return last;
    }
    lines().fold(Chain { address: None, end: End::Left }, |on_the_left, line| match read(line) {
        Chain { address, end: End::Left } => {
            Chain { address: on_the_left.address.or(address), end: on_the_left.end }
        }
        settled => settled,
    })
}

/// Reads one line's elements from the right. Each is an address, or `None` if it names none.
fn read_line(elements: impl Iterator<Item = Option<IpAddr>>, proxies: &TrustedProxies) -> Chain {
    let mut address = None;
    for element in elements {
        match element {
            None => return Chain { address, end: End::Unreadable },
            Some(hop) if proxies.trusts(hop) => address = Some(hop),
            client @ Some(_) => return Chain { address: client, end: End::Untrusted },
        }
    }
    Chain { address, end: End::Left }
}

/// The elements of an `X-Forwarded-For` line, from the right.
fn x_forwarded_for(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(|byte| *byte == b',').map(|element| {
        let element = text(element.trim_ascii())?;
        node(element).or_else(|| ipv6(element))
    })
}

/// The longest node that is read, in bytes. An IPv6 address needs 45, and an obfuscated port may follow it.
const LONGEST_NODE: usize = 128;

/// The element as text. `None` if it is longer than [`LONGEST_NODE`] or not UTF-8.
fn text(element: &[u8]) -> Option<&str> {
    if element.len() <= LONGEST_NODE { std::str::from_utf8(element).ok() } else { None }
}

/// The address in a node of RFC 7239 (section 6), without its port: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`. Nothing else is an address: not `unknown`, not `_hidden`, no zone (`fe80::1%eth0` means
/// something only on the host that wrote it), no octal number (`010.0.0.1`).
fn node(node: &str) -> Option<IpAddr> {
    if let Some(bracketed) = node.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let port_is_fine = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return if port_is_fine { ipv6(address) } else { None };
    }
    let (address, port) = node.split_once(':').unwrap_or((node, "0"));
    if is_port(port) { address.parse().ok().map(IpAddr::V4) } else { None }
}

fn ipv6(address: &str) -> Option<IpAddr> {
    address.parse().ok().map(|address| canonical(IpAddr::V6(address)))
}

/// `node-port` of RFC 7239: up to five digits, or obfuscated. Nothing uses it, so its value is not checked.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(hidden) => {
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !hidden.is_empty() && hidden.bytes().all(is_fine)
        }
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Whether a header with this name has a line that is not blank.
fn is_present(request: &impl RequestHead, header: ForwardingHeader) -> bool {
    request.header_values(header.name()).any(|line| !line.trim_ascii().is_empty())
}

/// Whether the address is of a kind that operators give to their own proxies.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let is_shared = address.to_bits() >> 22 == Ipv4Addr::new(100, 64, 0, 0).to_bits() >> 22;
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests;
