//! Reads the host of a Kinde business as people write it. Pure.
//!
//! No error text repeats the value, because it may be a secret that somebody pasted into the wrong variable.

use std::net::{IpAddr, Ipv6Addr};

use reqwest::Url;

/// The longest DNS name and the longest label of one, in bytes (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

const EXPECTED: &str = "expected a host such as example.kinde.com";

/// Reads a host, with or without `https://` before it and a slash after it. In the URL that it returns, the host is an IP
/// address, or a DNS name by RFC 1123 without a dot at its end.
///
/// # Errors
/// Says what is wrong.
pub(super) fn base_url(domain: &str) -> Result<Url, &'static str> {
    let domain = domain.trim();
    refuse_foreign_characters(domain)?;
    let (scheme, rest) = split_scheme(domain)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('@') {
        return Err("the host takes no user name or password");
    }
    if authority.contains(['/', '\\', '?', '#']) {
        return Err("expected a host alone, without a path");
    }
    let (host, port) = split_port(authority)?;
    let host = match host.strip_prefix('[') {
        Some(address) => bracketed(address)?,
        None => name_or_ipv4(host)?,
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let url = Url::parse(&format!("{scheme}://{host}{port}")).map_err(|_| EXPECTED)?;
    if scheme == "http" && !is_loopback(&url) {
        return Err("plain http:// is accepted for loopback addresses only; use https://");
    }
    Ok(url)
}

/// Whether the host of the URL is this machine itself.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

/// The host of the URL, with its port unless that is the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Checks an ASCII name by RFC 1123, section 2.1. Some networks use underscores although they are not allowed, so the
/// caller decides about them.
///
/// # Errors
/// Says what is wrong.
pub(super) fn refuse_odd_name(name: &str, underscores_are_fine: bool) -> Result<(), &'static str> {
    if name.len() > LONGEST_NAME {
        return Err("a host name has at most 253 characters");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("a part of the host name is empty: there is a dot too many");
        }
        if label.len() > LONGEST_LABEL {
            return Err("a part of a host name has at most 63 characters");
        }
        if label.contains('_') && !underscores_are_fine {
            return Err("a host name has no underscores");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("no part of a host name begins or ends with a hyphen");
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Err("a host name has letters, digits, hyphens and dots only");
        }
    }
    Ok(())
}

/// Refuses characters that come from env files, templates and lists. Each kind has an error text of its own.
fn refuse_foreign_characters(domain: &str) -> Result<(), &'static str> {
    const QUOTES: [char; 11] = ['"', '\'', '`', '\u{ab}', '\u{bb}', '‘', '’', '‚', '“', '”', '„'];
    if domain.contains(QUOTES) {
        return Err("the value has quotes; write the host without them");
    }
    if domain.contains(['$', '%', '{', '}', '<', '>']) {
        return Err("the value is a placeholder that nothing has replaced; write the host itself");
    }
    if domain.contains([',', ';', '|']) {
        return Err("expected one host, not several");
    }
    if domain.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err("the value has a space or a control character; write the host alone");
    }
    Ok(())
}

/// Splits off the scheme, which is `https` if none is written.
fn split_scheme(domain: &str) -> Result<(&'static str, &str), &'static str> {
    let begins_with = |text: &str, scheme: &str| {
        text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    };
    let begins_with_scheme = |text: &str| begins_with(text, "http:") || begins_with(text, "https:");
    let (scheme, rest) = match domain.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
        Some(_) => return Err("expected https://, or no scheme"),
        None if begins_with_scheme(domain) => return Err("write https:// with a colon and two slashes"),
        None => ("https", domain),
    };
    if rest.contains("://") || begins_with_scheme(rest) {
        return Err("the scheme is written twice");
    }
    Ok((scheme, rest))
}

/// Splits the host from the port, if one is written.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_address = authority.rfind(']').map_or(0, |end| end.saturating_add(1));
    let colon = authority.get(after_address..).and_then(|rest| rest.find(':'));
    let (host, port) = match colon.and_then(|colon| authority.split_at_checked(after_address + colon)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (authority, None),
    };
    if port.is_some_and(|port| port.contains(':')) {
        return Err("write an IPv6 address in brackets");
    }
    if host.is_empty() {
        return Err(EXPECTED);
    }
    let Some(port) = port else { return Ok((host, None)) };
    match parse_port(port) {
        Some(port) => Ok((host, Some(port))),
        None => Err("a port is a number from 1 to 65535"),
    }
}

/// Reads a port: digits only, 1 to 65535.
pub(super) fn parse_port(port: &str) -> Option<u16> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| is_number && *port != 0)
}

/// Reads an IPv6 address after its first bracket. A zone is refused, because it means something on one machine only.
fn bracketed(address: &str) -> Result<String, &'static str> {
    let address = address.strip_suffix(']').and_then(|address| address.parse::<Ipv6Addr>().ok());
    address.map(|address| format!("[{address}]")).ok_or("there is no IPv6 address between the brackets")
}

/// Turns the host into what DNS knows: lower case, and ASCII.
fn name_or_ipv4(written: &str) -> Result<String, &'static str> {
    // A dot at the end says that a name is complete. Certificates and the `Host` header have no such dot.
    let name = written.strip_suffix('.').unwrap_or(written);
    let parsed = Url::parse(&format!("https://{name}")).map_err(|_| EXPECTED)?;
    let Some(ascii) = parsed.domain() else {
        // Some programs take `127.1`, `0x7f.0.0.1` and `2130706433` for addresses, and others take them for names.
        return match parsed.host_str() {
            Some(address) if address == written => Ok(address.to_owned()),
            _ => Err("write an IPv4 address as four decimal numbers, like 192.0.2.1"),
        };
    };
    refuse_odd_name(ascii, false)?;
    match ascii {
        "http" | "https" => Err("there is a scheme, but no host"),
        ascii => Ok(ascii.to_owned()),
    }
}

#[cfg(test)]
mod tests;
