//! Whose forwarding header is believed, and which: the settings.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::canonical;
use crate::config_error::ConfigError;

/// The names under which errors and the log speak of the settings: the builder's method, and the one of its value.
pub(super) const RANGES_SETTING: &str = "trusted_proxies";
pub(super) const HEADER_SETTING: &str = "TrustedProxies::header";

/// The proxies whose forwarding header is believed, and the header in which they tell it.
///
/// By default none is trusted: then the TCP peer is the client, whatever a request claims. Name your proxies, not the
/// network that they share with others: whoever connects from a trusted address can claim to be any client.
///
/// An IPv6 address that stands for an IPv4 address is that IPv4 address here, in settings and in requests: an IPv4-mapped
/// one (`::ffff:192.0.2.1`), and one in `64:ff9b::/96`, which translators (NAT64) give to IPv4 hosts
/// (`64:ff9b::192.0.2.1`). IPv4 addresses are trusted by IPv4 ranges alone, or by ranges of such addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Disjoint and in order, IPv4 first.
    ranges: Vec<IpNet>,
    header: ForwardingHeader,
}

impl TrustedProxies {
    /// Trusts nobody: the TCP peer is the client.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Trusts these addresses (`192.0.2.1`, `2001:db8::1`) and CIDR ranges (`10.0.0.0/8`, `2001:db8::/32`), with or
    /// without spaces around them. They may overlap; without any, nobody is trusted.
    ///
    /// # Errors
    /// Names `trusted_proxies` where an entry
    /// - is empty,
    /// - is no address or range: host names, ports, zones, netmasks and octal numbers are none,
    /// - has bits set past its prefix length, such as `10.0.0.1/8`, which could mean two things,
    ///
    /// or where the entries together trust every IPv4 or every IPv6 address: then any caller could claim any address.
    pub fn new<S: AsRef<str>>(ranges: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let ranges =
            ranges.into_iter().map(|range| parse_range(range.as_ref().trim())).collect::<Result<_, _>>()?;
        let ranges = IpNet::aggregate(&ranges);
        if let Some(everybody) = ranges.iter().find(|range| range.prefix_len() == 0) {
            return Err(refused(format_args!(
                "{everybody} trusts everybody, so that callers could claim any address; name the proxies alone"
            )));
        }
        Ok(Self { ranges, header: ForwardingHeader::default() })
    }

    /// Like [`new`](Self::new), from one text with commas between the entries. A blank text trusts nobody.
    ///
    /// # Errors
    /// As for [`new`](Self::new); an empty entry among others is refused.
    pub fn parse(comma_separated: &str) -> Result<Self, ConfigError> {
        if comma_separated.trim().is_empty() {
            Ok(Self::none())
        } else {
            Self::new(comma_separated.split(','))
        }
    }

    /// The header that is believed, `X-Forwarded-For` by default. The other one is ignored: a proxy that writes one
    /// passes the other on as the caller made it.
    #[must_use]
    pub fn header(mut self, header: ForwardingHeader) -> Self {
        self.header = header;
        self
    }

    pub(super) fn believed(&self) -> ForwardingHeader {
        self.header
    }

    /// Whether the [`canonical`] address is in one of the ranges.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let at_or_before = self.ranges.partition_point(|range| range.network() <= address);
        let nearest = at_or_before.checked_sub(1).and_then(|index| self.ranges.get(index));
        nearest.is_some_and(|range| range.contains(&address))
    }
}

/// `ipnet` reads `010.0.0.1` as `10.0.0.1`, where others read `8.0.0.1`; the standard library refuses it.
fn parse_range(entry: &str) -> Result<IpNet, ConfigError> {
    if entry.is_empty() {
        return Err(refused(format_args!("an entry is empty; is there a comma too many?")));
    }
    let not_a_range = || {
        refused(format_args!(
            "{entry:?} is neither an address, like 192.0.2.1 or 2001:db8::1, nor a range, like 10.0.0.0/8; names, \
             ports and zones are not understood"
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
        // A shorter prefix would have left bits of `::ffff:0:0` past it.
        (IpAddr::V4(_), _) if address.is_ipv6() => Err(refused(format_args!(
            "{entry} holds 64:ff9b::/96, which stands for every IPv4 address; name the proxies alone"
        ))),
        (IpAddr::V4(_), _) => Ok(range),
    }
}

fn refused(problem: fmt::Arguments<'_>) -> ConfigError {
    ConfigError::new(RANGES_SETTING, problem.to_string())
}

/// The header in which trusted proxies tell whom they forward for. It is read from the right, as a list over all its
/// field lines.
///
/// What isn't an address ends the reading, in either: an empty element, `unknown`, an obfuscated identifier such as
/// `_hidden`, a zone such as `fe80::1%eth0`, an ambiguous octal such as `010.0.0.1`, bytes that aren't UTF-8, and
/// anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ForwardingHeader {
    /// `X-Forwarded-For: 192.0.2.1, 2001:db8::1`. Ports are passed over (`192.0.2.1:80`, `[2001:db8::1]:80`).
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.1;proto=https, for="[2001:db8::1]:80"` (RFC 7239). It is read strictly: no spaces around
    /// `;` and `=`, what is no token stands in quotes, and each element has one `for`.
    Forwarded,
}

impl ForwardingHeader {
    /// In lower case, as texts and [`RequestHead`](crate::RequestHead) have it.
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
    /// Names `TrustedProxies::header`.
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
