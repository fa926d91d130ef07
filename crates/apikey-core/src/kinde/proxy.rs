//! Whether the proxy that the environment names can be used. Pure: the variables are handed in.
//!
//! reqwest reads the variables by `hyper-util`'s matcher: the first of `HTTPS_PROXY` and `https_proxy` that is set, else
//! the first of `ALL_PROXY` and `all_proxy`, unless the first of `NO_PROXY` and `no_proxy` excludes the host. It passes
//! over what it can't read without a word, and connects directly; of what it can't use it fails each call. Both are
//! found here, by the same matcher, before the first call.

use std::net::Ipv6Addr;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use zeroize::Zeroizing;

use super::domain::{is_loopback, parse_port, refuse_odd_name};
use crate::config_error::ConfigError;

/// Checks the variables by which reqwest would find a proxy to this URL. Texts don't repeat a value, for it may hold the
/// proxy's password.
///
/// # Errors
/// [`ConfigError`], naming the variable that applies and can't work.
pub(super) fn check_proxy_variables(
    url: &Url,
    variable: impl Fn(&'static str) -> Option<Result<String, ()>>,
) -> Result<(), ConfigError> {
    // No proxy is taken to loopback addresses. In CGI programs a caller could set `HTTP_PROXY`, so none is read.
    if is_loopback(url) || variable("REQUEST_METHOD").is_some() {
        return Ok(());
    }
    let first = |names: [&'static str; 2]| {
        let mut set = names.into_iter().filter_map(|name| Some((name, variable(name)?)));
        match set.next() {
            None => Ok(None),
            Some((name, Ok(value))) => Ok(Some((name, Zeroizing::new(value)))),
            Some((name, Err(()))) => Err(ConfigError::new(name, "the value is not Unicode text")),
        }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDE: &str = "https://acme.kinde.com/oauth2/token";

    /// The variable that is named, or nothing.
    fn named(url: &str, variables: &[(&'static str, &str)]) -> Option<&'static str> {
        let url = Url::parse(url).unwrap();
        let read = |name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(if *value == "\u{fffd}" { Err(()) } else { Ok((*value).to_owned()) })
        };
        let error = check_proxy_variables(&url, read).err()?;
        assert!(!error.to_string().contains("canary"), "{error}");
        Some(error.setting())
    }

    const USELESS: [&str; 24] = [
        "socks5://proxy:1080",
        "socks5h://canary:canary@proxy",
        "socks4://proxy",
        "socks4a://proxy",
        "SOCKS5://proxy",
        "ftp://canary",
        "canary://proxy",
        "http://",
        "http:///",
        "://proxy",
        "/proxy",
        "two canaries",
        " http://proxy:3128",
        "http://proxy:3128 ",
        "\"http://canary:3128\"",
        "http://'canary'",
        "$PROXY",
        "http://$PROXY:3128",
        "http://${CANARY}",
        "http://proxy..canary:3128",
        "http://proxy:0",
        "http://proxy:65536",
        "http://käse:3128",
        "\u{fffd}",
    ];

    #[test]
    fn a_proxy_that_cannot_work_is_named() {
        for proxy in USELESS {
            for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
                assert_eq!(named(KINDE, &[(name, proxy)]), Some(name), "{proxy:?}");
            }
        }
    }

    #[test]
    fn a_proxy_that_works_is_taken() {
        for proxy in [
            "",
            "  ",
            "http://proxy:3128",
            "http://proxy",
            "http://proxy:",
            "HTTP://proxy.:3128/",
            "https://proxy.example.com:3129",
            "proxy:3128",
            "proxy",
            "my_proxy:3128",
            "192.0.2.1:3128",
            "http://[2001:db8::1]:3128",
            "http://user:p%40ss@proxy:3128",
        ] {
            for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
                assert_eq!(named(KINDE, &[(name, proxy)]), None, "{proxy:?}");
            }
        }
    }

    #[test]
    fn only_the_variable_that_applies_is_checked() {
        let (good, bad) = ("http://proxy:3128", "socks5://proxy");
        assert_eq!(named(KINDE, &[]), None);
        for unread in ["HTTP_PROXY", "http_proxy", "PROXY", "SOCKS_PROXY"] {
            assert_eq!(named(KINDE, &[(unread, bad)]), None, "{unread}");
        }
        for (first, second) in
            [("HTTPS_PROXY", "https_proxy"), ("HTTPS_PROXY", "ALL_PROXY"), ("ALL_PROXY", "all_proxy")]
        {
            assert_eq!(named(KINDE, &[(first, good), (second, bad)]), None, "{second}");
            assert_eq!(named(KINDE, &[(first, bad), (second, good)]), Some(first));
        }
        // What is set and empty hides its twin in lower case, but not the one for all.
        assert_eq!(named(KINDE, &[("HTTPS_PROXY", ""), ("https_proxy", bad)]), None);
        assert_eq!(named(KINDE, &[("HTTPS_PROXY", ""), ("ALL_PROXY", bad)]), Some("ALL_PROXY"));
        assert_eq!(named(KINDE, &[("REQUEST_METHOD", ""), ("HTTPS_PROXY", bad)]), None, "CGI");
    }

    #[test]
    fn where_no_proxy_is_taken_none_is_checked() {
        let proxied = |url: &str, exclusions: &[(&'static str, &str)]| {
            named(url, &[&[("HTTPS_PROXY", "socks5://proxy")], exclusions].concat()).is_some()
        };
        for local in ["http://localhost:4010", "https://127.0.0.1", "https://[::1]:1"] {
            assert!(!proxied(local, &[]), "{local}");
        }
        for (excluded, is_proxied) in [
            ("", true),
            ("other.com", true),
            ("notkinde.com", true),
            ("acme.kinde.com.evil.com", true),
            ("kinde.com", false),
            (".kinde.com", false),
            ("other.com, ACME.kinde.com", false),
            ("*", false),
        ] {
            assert_eq!(proxied(KINDE, &[("NO_PROXY", excluded)]), is_proxied, "{excluded}");
            assert_eq!(proxied(KINDE, &[("no_proxy", excluded)]), is_proxied, "{excluded}");
        }
        assert!(!proxied("https://192.0.2.1", &[("no_proxy", "192.0.2.0/24")]));
        assert!(proxied(KINDE, &[("NO_PROXY", ""), ("no_proxy", "*")]), "the first that is set");
        assert_eq!(named(KINDE, &[("ALL_PROXY", "proxy"), ("NO_PROXY", "\u{fffd}")]), Some("NO_PROXY"));
    }

    fn value() -> impl Strategy<Value = Option<&'static str>> {
        let good = ["", " ", "proxy:3128", "http://one", "https://two:3", "kinde.com", "*"];
        proptest::option::weighted(0.6, proptest::sample::select([good.as_slice(), &USELESS].concat()))
    }

    proptest! {
        #[test]
        fn what_passes_is_what_reqwest_then_does(values in proptest::array::uniform6(value())) {
            let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];
            let set: Vec<(&'static str, &str)> =
                names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect();
            prop_assume!(set.iter().all(|(_, value)| *value != "\u{fffd}"));
            if named(KINDE, &set).is_some() {
                return Ok(());
            }
            let first = |from: usize| values[from].or(values[from + 1]).unwrap_or_default();
            let (https, all, no) = (first(0), first(2), first(4));
            let matcher = Matcher::builder().https(https).all(all).no(no).build();
            let meant = [https, all].into_iter().find(|proxy| !proxy.trim().is_empty());
            let excluded = no.contains('*') || no.contains("kinde.com");
            match matcher.intercept(&KINDE.parse().unwrap()) {
                None => prop_assert!(meant.is_none() || excluded, "{set:?} is passed over"),
                Some(proxy) => {
                    let uri = proxy.uri();
                    prop_assert!(meant.is_some_and(|meant| meant.contains(uri.host().unwrap())), "{set:?}: {uri}");
                    prop_assert!(matches!(uri.scheme_str(), Some("http" | "https")), "{set:?}: {uri}");
                }
            }
        }
    }
}
