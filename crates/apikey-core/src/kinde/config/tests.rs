use super::*;

fn with_domain(domain: &str) -> Result<CheckedSettings, ConfigError> {
    KindeSettings::new(domain).without_token().check()
}

#[test]
fn a_host_is_taken_with_or_without_scheme_and_slash() {
    for domain in [
        "example.kinde.com",
        "https://example.kinde.com",
        "https://example.kinde.com/",
        " example.kinde.com/ ",
    ] {
        let resolved = with_domain(domain).unwrap();
        assert_eq!(
            resolved.verify_url.as_str(),
            "https://example.kinde.com/api/v1/api_keys/verify",
            "{domain}"
        );
        assert_eq!(resolved.token_url.as_str(), "https://example.kinde.com/oauth2/token", "{domain}");
        assert_eq!(resolved.audience, "https://example.kinde.com/api", "{domain}");
    }
}

#[test]
fn plain_http_is_for_loopback_alone() {
    for domain in ["http://127.0.0.1:4010", "http://localhost:1", "http://[::1]:1", "http://127.1.2.3"] {
        assert!(with_domain(domain).is_ok(), "{domain}");
    }
    for domain in ["http://example.kinde.com", "http://localhost.example.com", "ftp://localhost"] {
        assert_eq!(with_domain(domain).unwrap_err().setting(), "KindeSettings::new", "{domain}");
    }
    assert_eq!(
        with_domain("localhost:4010").unwrap().verify_url.scheme(),
        "https",
        "a bare host means https"
    );
}

#[test]
fn a_proxy_that_cannot_work_refuses_the_start() {
    let checked = |domain: &str, proxy: &'static str| {
        let settings = KindeSettings::new(domain).without_token();
        settings.check_with(|name| (name == proxy).then(|| "socks5://proxy".into()))
    };
    for proxy in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        assert_eq!(checked("a.kinde.com", proxy).unwrap_err().setting(), proxy);
        assert!(checked("http://127.0.0.1:4010", proxy).is_ok(), "no proxy is taken to loopback addresses");
    }
    assert!(checked("a.kinde.com", "HTTP_PROXY").is_ok(), "Kinde is not asked over plain HTTP");
}
