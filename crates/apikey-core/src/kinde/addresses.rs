//! Checks the addresses that are used instead of those that DNS gives for Kinde's host.

use std::net::SocketAddr;

use reqwest::Url;

use super::proxy::ProxySetting;

/// Checks addresses for the host of `base`.
///
/// # Errors
/// Says what is wrong if one of them would not be used, or if a key would go out unencrypted.
pub(super) fn check_addresses(
    addresses: &[SocketAddr],
    base: &Url,
    proxy: &ProxySetting,
) -> Result<(), &'static str> {
    if addresses.is_empty() {
        return Err("expected at least one address");
    }
    if base.domain().is_none() {
        return Err("the domain is an IP address already, so no name is resolved");
    }
    if matches!(proxy, ProxySetting::Url(_)) {
        return Err("a proxy resolves the name itself; set either this or proxy");
    }
    if base.scheme() == "http" && !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err("plain http:// is accepted for loopback addresses only; use https://");
    }
    let is_another = |port: u16| port != 0 && base.port().is_some_and(|named| named != port);
    if addresses.iter().any(|address| is_another(address.port())) {
        return Err("the domain names a port, and an address names another; give the address port 0");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_would_not_be_used_are_refused() {
        let check = |domain: &str, addresses: &[&str], proxy| {
            let addresses: Vec<SocketAddr> =
                addresses.iter().map(|address| address.parse().unwrap()).collect();
            check_addresses(&addresses, &Url::parse(domain).unwrap(), &proxy).is_ok()
        };
        let https = "https://a.kinde.com";
        for (domain, addresses, is_fine) in [
            (https, ["192.0.2.1:0"].as_slice(), true),
            (https, &["192.0.2.1:4010", "[2001:db8::1]:0"], true),
            (https, &[], false),
            ("https://a.kinde.com:8443", &["192.0.2.1:0", "192.0.2.2:8443"], true),
            ("https://a.kinde.com:8443", &["192.0.2.1:0", "192.0.2.2:443"], false),
            ("https://192.0.2.1", &["192.0.2.2:0"], false),
            ("https://[2001:db8::1]", &["192.0.2.2:0"], false),
            ("http://localhost", &["127.0.0.1:4010", "[::1]:4010"], true),
            ("http://localhost", &["127.0.0.1:4010", "192.0.2.1:4010"], false),
        ] {
            assert_eq!(
                check(domain, addresses, ProxySetting::Environment),
                is_fine,
                "{domain} {addresses:?}"
            );
        }
        let proxy = ProxySetting::Url(crate::kinde::secret::Secret::new("http://proxy:3128".to_owned()));
        assert!(!check(https, &["192.0.2.1:0"], proxy));
        assert!(check(https, &["192.0.2.1:0"], ProxySetting::None));
    }
}
