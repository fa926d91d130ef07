//! The proxy through which Kinde is called, and whether it can work. Pure: the caller hands the variables in.
//!
//! reqwest reads the environment by `hyper-util`'s matcher: the first of `HTTPS_PROXY` and `https_proxy` that is set, else
//! the first of `ALL_PROXY` and `all_proxy`, unless the first of `NO_PROXY` and `no_proxy` excludes the host. If the matcher
//! can't read a value, reqwest says nothing and connects directly. If it can't use one, each call fails. This file finds
//! both before the first call, by the same matcher.
//!
//! No text here repeats a value, because it may hold the proxy's password.

use std::ffi::OsString;
use std::net::Ipv6Addr;

use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use zeroize::Zeroizing;

use super::domain::{is_loopback, parse_port, refuse_odd_name};
use super::secret::Secret;
use super::variables::unicode;
use crate::config_error::ConfigError;

const EXPECTED: &str = "this is not the URL of a proxy; expected http://host:port or https://host:port";
const NO_SOCKS: &str = "SOCKS proxies are not supported; expected http://host:port or https://host:port";

/// The proxy through which Kinde is called.
#[derive(Debug, Clone, Default)]
pub(super) enum ProxySetting {
    /// The one that the environment or the operating system names, if any.
    #[default]
    Environment,
    None,
    /// The one at this URL, which may hold a password.
    Url(Secret),
}

impl ProxySetting {
    /// Checks the proxy for calls to `base`. The environment's proxy is not used for loopback addresses.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting or the variable that can't work.
    pub(super) fn check(
        self,
        base: &Url,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        match self {
            Self::Environment if is_loopback(base) => Ok(Self::None),
            Self::Environment => check_proxy_variables(base, variable).map(|()| self),
            Self::None => Ok(Self::None),
            Self::Url(url) => match read_proxy_url(url.expose(), base) {
                Ok(url) => Ok(Self::Url(url)),
                Err(problem) => Err(ConfigError::new("proxy", problem)),
            },
        }
    }

    /// Whether calls to this URL go through a proxy, if the setting passed the check.
    pub(super) fn is_used_for(&self, url: &Url) -> bool {
        match self {
            Self::Environment => {
                url.as_str().parse().is_ok_and(|url| Matcher::from_system().intercept(&url).is_some())
            }
            Self::None => false,
            Self::Url(_) => true,
        }
    }

    /// Whether the connection to the proxy itself uses TLS.
    pub(super) fn is_https(&self) -> bool {
        matches!(self, Self::Url(url) if url.expose().starts_with("https:"))
    }

    /// Returns the proxy for the HTTP client, or `None` if no URL is set.
    ///
    /// # Errors
    /// [`ConfigError`] if the HTTP client can't use it.
    pub(super) fn for_client(&self) -> Result<Option<reqwest::Proxy>, ConfigError> {
        let Self::Url(url) = self else { return Ok(None) };
        // The text of this error may hold the URL, so it is dropped.
        reqwest::Proxy::all(url.expose()).map(Some).map_err(|_| ConfigError::new("proxy", EXPECTED))
    }
}

/// Reads the URL of a proxy for calls to `base`.
fn read_proxy_url(text: &str, base: &Url) -> Result<Secret, &'static str> {
    let begins_with =
        |scheme: &str| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    if begins_with("socks") {
        return Err(NO_SOCKS);
    }
    // `Url::parse` would accept or drop all of these.
    let is_odd = |character: char| character.is_whitespace() || character.is_control() || character == '\\';
    if !(begins_with("http://") || begins_with("https://")) || text.contains(is_odd) {
        return Err(EXPECTED);
    }
    let url = Url::parse(text).map_err(|_| EXPECTED)?;
    let problem = proxy_url_problem(&url, base);
    let url = Zeroizing::new(String::from(url));
    match problem.or_else(|| proxy_problem(base, &url, "")) {
        Some(problem) => Err(problem),
        None => Ok(Secret::from(url)),
    }
}

fn proxy_url_problem(url: &Url, base: &Url) -> Option<&'static str> {
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Some(
            "expected nothing after the host and port; write reserved characters of a user name or password as %XX",
        );
    }
    let is_text = |part: &str| percent_decode_str(part).decode_utf8().is_ok();
    if !is_text(url.username()) || !is_text(url.password().unwrap_or_default()) {
        return Some("the user name and password of a proxy must be UTF-8");
    }
    if base.scheme() == "http" && !is_loopback(url) {
        return Some("the domain is plain http://, so the proxy must have a loopback address, too");
    }
    None
}

/// Checks the variables from which reqwest reads the proxy for this URL.
///
/// # Errors
/// [`ConfigError`], which names the variable that applies and can't work.
fn check_proxy_variables(
    url: &Url,
    variable: impl Fn(&'static str) -> Option<OsString>,
) -> Result<(), ConfigError> {
    // A caller of a CGI program chooses `HTTP_PROXY`, so reqwest reads no variable there.
    if variable("REQUEST_METHOD").is_some() {
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

/// Why this proxy can't be used for the URL; `None` if it can be used, or if the URL is excluded.
fn proxy_problem(url: &Url, proxy: &str, excluded: &str) -> Option<&'static str> {
    let destination = url.as_str().parse().ok()?;
    // Any proxy will do, because only the exclusions matter.
    let direct = Matcher::builder().all("http://127.0.0.1").no(excluded).build();
    direct.intercept(&destination)?;
    let Some(proxy) = Matcher::builder().all(proxy).build().intercept(&destination) else {
        return Some(EXPECTED);
    };
    if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
        return Some(NO_SOCKS);
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
