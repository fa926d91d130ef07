use super::*;

fn resolve(variables: &[(&'static str, &str)]) -> Result<Resolved, ConfigError> {
    let settings = KindeSettings::from_variables(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| Ok((*value).to_owned()))
    })?;
    settings.resolve()
}

fn with_domain(domain: &str) -> Result<Resolved, ConfigError> {
    KindeSettings::new(domain).without_token().resolve()
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
        assert!(with_domain(domain).unwrap().is_loopback, "{domain}");
    }
    for domain in [
        "http://example.kinde.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "ftp://localhost",
        "http://localhost@example.com",
    ] {
        assert_eq!(with_domain(domain).unwrap_err().setting(), "KINDE_DOMAIN", "{domain}");
    }
    assert_eq!(
        with_domain("localhost:4010").unwrap().verify_url.scheme(),
        "https",
        "a bare host means https"
    );
}

#[test]
fn what_is_no_host_is_refused_by_name() {
    for domain in [
        "",
        "/",
        "https://",
        "two words",
        "example.com/path",
        "example.com?a=b",
        "user:pw@example.com",
        "https://x/#f",
    ] {
        let error = with_domain(domain).unwrap_err();
        assert_eq!(error.setting(), "KINDE_DOMAIN", "{domain}");
        assert!(!error.to_string().contains("pw"), "{error}");
    }
}

#[test]
fn the_variables_that_kindes_users_have_are_read() {
    let issuer = resolve(&[
        ("KINDE_ISSUER_URL", "https://a.kinde.com/"),
        ("KINDE_M2M_CLIENT_ID", "m"),
        ("KINDE_M2M_CLIENT_SECRET", "s"),
    ])
    .unwrap();
    assert_eq!(issuer.verify_url.host_str(), Some("a.kinde.com"));
    assert_eq!(issuer.credentials.unwrap().client_id, "m");
    let both = resolve(&[
        ("KINDE_DOMAIN", "login.example.com"),
        ("KINDE_ISSUER_URL", "https://a.kinde.com"),
        ("KINDE_MANAGEMENT_CLIENT_ID", "c"),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", "s"),
        ("KINDE_M2M_CLIENT_ID", "m"),
        ("KINDE_M2M_CLIENT_SECRET", "t"),
        ("KINDE_MANAGEMENT_AUDIENCE", "https://a.kinde.com/api"),
    ])
    .unwrap();
    assert_eq!(both.verify_url.host_str(), Some("login.example.com"));
    assert_eq!(both.audience, "https://a.kinde.com/api");
    let credentials = both.credentials.unwrap();
    assert_eq!((credentials.client_id.as_str(), credentials.client_secret.expose()), ("c", "s"));
}

#[test]
fn another_applications_variables_are_not_read() {
    let read = std::cell::RefCell::new(Vec::new());
    let _ = KindeSettings::from_variables(|name| {
        read.borrow_mut().push(name);
        (name == "KINDE_DOMAIN").then(|| Ok("a.kinde.com".to_owned()))
    });
    let read = read.into_inner();
    assert!(!read.contains(&"KINDE_AUDIENCE") && !read.contains(&"KINDE_CLIENT_ID"), "{read:?}");
}

#[test]
fn half_a_pair_is_refused_and_pairs_are_never_mixed() {
    let domain = ("KINDE_DOMAIN", "a.kinde.com");
    let full_m2m = [("KINDE_M2M_CLIENT_ID", "m"), ("KINDE_M2M_CLIENT_SECRET", "t")];
    for (present, missing) in [
        ("KINDE_MANAGEMENT_CLIENT_ID", "KINDE_MANAGEMENT_CLIENT_SECRET"),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", "KINDE_MANAGEMENT_CLIENT_ID"),
        ("KINDE_M2M_CLIENT_ID", "KINDE_M2M_CLIENT_SECRET"),
        ("KINDE_M2M_CLIENT_SECRET", "KINDE_M2M_CLIENT_ID"),
    ] {
        assert_eq!(resolve(&[domain, (present, "x")]).unwrap_err().setting(), missing);
        assert_eq!(resolve(&[domain, (present, "x"), (missing, "")]).unwrap_err().setting(), missing);
        if present.contains("MANAGEMENT") {
            let mixed = resolve(&[domain, (present, "x"), full_m2m[0], full_m2m[1]]);
            assert_eq!(mixed.unwrap_err().setting(), missing);
        }
    }
}

#[test]
fn to_ask_without_a_token_is_an_explicit_choice() {
    let neither = resolve(&[("KINDE_DOMAIN", "a.kinde.com")]).unwrap_err();
    assert_eq!(neither.setting(), "KINDE_MANAGEMENT_CLIENT_ID");
    assert!(with_domain("a.kinde.com").unwrap().credentials.is_none());
    assert_eq!(resolve(&[]).unwrap_err().setting(), "KINDE_DOMAIN");
}

#[test]
fn what_is_not_unicode_is_refused_by_name() {
    let error =
        KindeSettings::from_variables(|name| (name == "KINDE_DOMAIN").then_some(Err(()))).unwrap_err();
    assert_eq!(error.setting(), "KINDE_DOMAIN");
}
