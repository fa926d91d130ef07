//! The settings for the proxies whose forwarding header is believed, and for which header that is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::canonical;
use crate::config_error::ConfigError;

/// The names of the settings in errors and in the log: the builder's method, and the method of its value.
pub(super) const RANGES_SETTING: &str = "trusted_proxies";
pub(super) const HEADER_SETTING: &str = "TrustedProxies::header";

/// The proxies whose forwarding header is believed, and the header in which they name the client.
///
/// By default none is trusted: then the TCP peer is the client, whatever a request claims. Name your proxies, not the
/// network that they share with other machines, because a trusted address can claim to be any client.
///
/// # A proxy that connects over a Unix socket
///
/// Such a connection has no address. The word `unix` trusts every connection without one:
///
/// ```
/// # use apikey_core::TrustedProxies;
/// let proxies = TrustedProxies::parse("unix, 10.0.0.0/8")?;
/// # Ok::<(), apikey_core::ConfigError>(())
/// ```
///
/// The requests in which such a proxy names no client count as one client, and the log says so.
///
/// The authenticator can't tell a Unix socket from a TCP connection whose address the server did not record. So name
/// `unix` only if the server has no TCP listener, or records the addresses of all TCP connections. Otherwise a caller
/// over TCP can claim any address.
///
/// # Two spellings of an address
///
/// In settings and in requests, an IPv6 address that stands for an IPv4 address is that IPv4 address. These are the
/// IPv4-mapped ones (`::ffff:192.0.2.1`), and those in `64:ff9b::/96`, which NAT64 translators give to IPv4 hosts
/// (`64:ff9b::192.0.2.1`). Only IPv4 ranges, or ranges of such addresses, trust an IPv4 address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Disjoint and in order, IPv4 first.
    ranges: Vec<IpNet>,
    unix_sockets: bool,
    header: ForwardingHeader,
}

/// The entry that trusts connections without an address.
const UNIX_SOCKETS: &str = "unix";

impl TrustedProxies {
    /// Trusts nobody: the TCP peer is the client.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Trusts these addresses (`192.0.2.1`, `2001:db8::1`), CIDR ranges (`10.0.0.0/8`, `2001:db8::/32`), and Unix sockets
    /// (`unix`). There may be spaces around them, and they may overlap. If there are none, nobody is trusted.
    ///
    /// # Errors
    /// [`ConfigError`], naming `trusted_proxies`, if an entry
    /// - is empty,
    /// - is neither `unix` nor an address or range: host names, ports, zones, netmasks, octal numbers and the paths of
    ///   sockets are not,
    /// - has bits set past its prefix length, such as `10.0.0.1/8`, which could mean two things,
    ///
    /// or if the entries together trust every IPv4 or every IPv6 address, because then any caller could claim any
    /// address.
    pub fn new<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let mut unix_sockets = false;
        let mut named = Vec::new();
        for entry in entries {
            match entry.as_ref().trim() {
                UNIX_SOCKETS => unix_sockets = true,
                range => named.push(parse_range(range)?),
            }
        }
        let ranges = IpNet::aggregate(&named);
        if let Some(everybody) = ranges.iter().find(|range| range.prefix_len() == 0) {
            return Err(refused(format_args!(
                "{everybody} trusts everybody, so callers could claim any address; name only the proxies"
            )));
        }
        Ok(Self { ranges, unix_sockets, header: ForwardingHeader::default() })
    }

    /// Like [`new`](Self::new), from one text with commas between the entries. A blank text trusts nobody.
    ///
    /// # Errors
    /// As for [`new`](Self::new). An empty entry among others is refused.
    pub fn parse(comma_separated: &str) -> Result<Self, ConfigError> {
        if comma_separated.trim().is_empty() {
            Ok(Self::none())
        } else {
            Self::new(comma_separated.split(','))
        }
    }

    /// The header that is believed. Default `X-Forwarded-For`. The other one is ignored, because a proxy that writes
    /// one of them passes the other one on as the caller made it.
    #[must_use]
    pub fn header(mut self, header: ForwardingHeader) -> Self {
        self.header = header;
        self
    }

    pub(super) fn believed(&self) -> ForwardingHeader {
        self.header
    }

    /// Whether connections without an address are trusted.
    pub(super) fn trusts_unix_sockets(&self) -> bool {
        self.unix_sockets
    }

    /// Whether the [`canonical`] address is in one of the ranges.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let at_or_before = self.ranges.partition_point(|range| range.network() <= address);
        let nearest = at_or_before.checked_sub(1).and_then(|index| self.ranges.get(index));
        nearest.is_some_and(|range| range.contains(&address))
    }
}

/// Reads an entry. `ipnet` reads `010.0.0.1` as `10.0.0.1`, and other software as `8.0.0.1`. The standard library
/// refuses it.
fn parse_range(entry: &str) -> Result<IpNet, ConfigError> {
    if entry.is_empty() {
        return Err(refused(format_args!("an entry is empty; is there one comma too many?")));
    }
    let not_a_range = || {
        refused(format_args!(
            "{entry:?} is neither an address, like 192.0.2.1 or 2001:db8::1, nor a range, like 10.0.0.0/8, nor the \
             word {UNIX_SOCKETS}, which stands for Unix sockets; host names, ports, zones and paths are not accepted"
        ))
    };
    let (address, length) = match entry.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().map_err(|_| not_a_range())?;
    let Some(length) = length else { return Ok(IpNet::from(canonical(address))) };
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u8 = length.parse().ok().filter(|_| is_number).ok_or_else(not_a_range)?;
    let range = IpNet::new(address, length).map_err(|_| not_a_range())?;
    if range.addr() != range.network() {
        return Err(refused(format_args!(
            "{entry} has bits set past its prefix length; write {} for the range, or {address} for one address",
            range.trunc()
        )));
    }
    // `::ffff:10.0.0.0/104` and `64:ff9b::10.0.0.0/104` are 10.0.0.0/8.
    match (canonical(address), length.checked_sub(96)) {
        (IpAddr::V6(_), _) => Ok(range),
        (IpAddr::V4(network), Some(length)) if address.is_ipv6() => {
            IpNet::new(network.into(), length).map_err(|_| not_a_range())
        }
        // A shorter prefix would have set bits of `::ffff:0:0` past its length.
        (IpAddr::V4(_), _) if address.is_ipv6() => Err(refused(format_args!(
            "{entry} holds 64:ff9b::/96, which stands for every IPv4 address; name only the proxies"
        ))),
        (IpAddr::V4(_), _) => Ok(range),
    }
}

fn refused(problem: fmt::Arguments<'_>) -> ConfigError {
    ConfigError::new(RANGES_SETTING, problem.to_string())
}

/// The header in which trusted proxies name the client. It is read from the right, as one list over all its lines.
///
/// In either header, the reading ends at the first element that is not an address: an empty element, `unknown`, an
/// obfuscated identifier such as `_hidden`, a zone such as `fe80::1%eth0`, an ambiguous octal number such as
/// `010.0.0.1`, bytes that aren't UTF-8, and anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ForwardingHeader {
    /// `X-Forwarded-For: 192.0.2.1, 2001:db8::1`. Ports are ignored (`192.0.2.1:80`, `[2001:db8::1]:80`).
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.1;proto=https, for="[2001:db8::1]:80"` (RFC 7239). It is read strictly: no spaces
    /// around `;` and `=`, quotes around everything that is not a token, and exactly one `for` in each element.
    Forwarded,
}

impl ForwardingHeader {
    /// The name in lower case, for messages and for [`RequestHead`](crate::RequestHead).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::XForwardedFor => Self::Forwarded,
            Self::Forwarded => Self::XForwardedFor,
        }
    }
}

impl fmt::Display for ForwardingHeader {
    /// The name of the header in lower case, as [`from_str`](Self::from_str) reads it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for ForwardingHeader {
    type Err = ConfigError;

    /// Reads `x-forwarded-for` or `forwarded`, in any case.
    ///
    /// # Errors
    /// [`ConfigError`], naming `TrustedProxies::header`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = [Self::XForwardedFor, Self::Forwarded];
        known.into_iter().find(|header| header.name().eq_ignore_ascii_case(name.trim())).ok_or_else(|| {
            ConfigError::new(
                HEADER_SETTING,
                format!("{name:?} is neither \"x-forwarded-for\" nor \"forwarded\""),
            )
        })
    }
}
