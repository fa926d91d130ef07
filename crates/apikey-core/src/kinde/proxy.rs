//! Whether the proxy that the environment names can be used. Pure: the variables are handed in.
//!
//! reqwest reads the variables by `hyper-util`'s matcher: the first of `HTTPS_PROXY` and `https_proxy` that is set, else
//! the first of `ALL_PROXY` and `all_proxy`, unless the first of `NO_PROXY` and `no_proxy` excludes the host. It passes
//! over what it can't read without a word, and connects directly; of what it can't use it fails each call. Both are
//! found here, by the same matcher, before the first call.

use std::ffi::OsString;
use std::net::Ipv6Addr;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use super::domain::{is_loopback, parse_port, refuse_odd_name};
use super::variables::unicode;
use crate::config_error::ConfigError;

/// Checks the variables by which reqwest would find a proxy to this URL. Texts don't repeat a value, for it may hold the
/// proxy's password.
///
/// # Errors
/// [`ConfigError`], naming the variable that applies and can't work.
pub(super) fn check_proxy_variables(
    url: &Url,
    variable: impl Fn(&'static str) -> Option<OsString>,
) -> Result<(), ConfigError> {
    // No proxy is taken to loopback addresses. In CGI programs a caller could set `HTTP_PROXY`, so none is read.
    if is_loopback(url) || variable("REQUEST_METHOD").is_some() {
        return Ok(());
    }
    let first = |names: [&'static str; 2]| {
        let set = names.into_iter().find_map(|name| Some((name, variable(name)?)));
        let Some((name, value)) = set else { return Ok(None) };
        Ok(unicode(name, Some(value))?.map(|value| (name, value)))
    };
    for names in [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]] {
        let Some((name, proxy)) = first(names)?.filter(|(_, proxy)| !proxy.trim().is_empty()) else {
            continue;
        };
        let excluded = first(["NO_PROXY", "no_proxy"])?.map(|(_, hosts)| hosts).unwrap_or_default();
        return match proxy_problem(url, &proxy, &excluded) {
            Some(problem) => Err(ConfigError::new(name, problem)),
            None => Ok(()),
        };
    }
    Ok(())
}

/// Why this proxy can't be used for the URL; nothing where it is not to be used.
fn proxy_problem(url: &Url, proxy: &str, excluded: &str) -> Option<&'static str> {
    const EXPECTED: &str = "it is no URL of a proxy; expected http://host:port or https://host:port";
    let destination = url.as_str().parse().ok()?;
    // Some proxy or other; only the exclusions matter.
    let direct = Matcher::builder().https("http://127.0.0.1").no(excluded).build();
    direct.intercept(&destination)?;
    let Some(proxy) = Matcher::builder().https(proxy).build().intercept(&destination) else {
        return Some(EXPECTED);
    };
    if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
        return Some("SOCKS proxies are not supported; expected http://host:port or https://host:port");
    }
    let host = proxy.uri().host().unwrap_or_default();
    let authority = proxy.uri().authority().map_or("", |authority| authority.as_str());
    let port = authority.strip_prefix(host).unwrap_or_default();
    let host_is_fine = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => refuse_odd_name(host.strip_suffix('.').unwrap_or(host), true).is_ok(),
    };
    let port_is_fine = match port.strip_prefix(':') {
        Some(port) => port.is_empty() || parse_port(port).is_some(),
        None => port.is_empty(),
    };
    (!host_is_fine || !port_is_fine).then_some(EXPECTED)
}

#[cfg(test)]
mod tests;
