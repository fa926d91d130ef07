use super::*;

const REQUIRED: [(&str, &str); 3] = [
    ("KINDE_DOMAIN", "example.kinde.com"),
    ("KINDE_MANAGEMENT_CLIENT_ID", "id"),
    ("KINDE_MANAGEMENT_CLIENT_SECRET", "secret"),
];

/// The given variables come before the required ones.
fn with(variables: &[(&str, &str)]) -> Result<Authenticator, ConfigError> {
    let all: Vec<_> = variables.iter().chain(&REQUIRED).copied().collect();
    build(&all)
}

fn build(variables: &[(&str, &str)]) -> Result<Authenticator, ConfigError> {
    let lookup = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1);
    Ok(Settings::from_variables(lookup)?.start()?.0)
}

#[test]
fn the_required_settings_are_enough() {
    assert!(with(&[]).is_ok());
    let lookup = |name: &str| Some(REQUIRED.iter().find(|(known, _)| *known == name)?.1);
    let listen = Settings::from_variables(lookup);
    assert_eq!(listen.unwrap().listen.to_string(), "127.0.0.1:3000");
}

#[test]
fn webhooks_are_taken_only_if_they_are_turned_on() {
    for (value, is_on) in [("on", true), (" on ", true), ("off", false), ("", false)] {
        let variables: Vec<_> = [("KINDE_WEBHOOKS", value)].into_iter().chain(REQUIRED).collect();
        let lookup = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1);
        let (_, operations) = Settings::from_variables(lookup).unwrap().start::<Authenticator>().unwrap();
        assert_eq!(operations.webhooks().is_some(), is_on, "{value}");
    }
}

#[test]
fn an_api_id_needs_a_token() {
    assert!(with(&[("KINDE_API_ID", "api_123")]).is_ok());
    assert!(with(&[("KINDE_API_ID", "api_123"), ("KINDE_WEBHOOKS", "on")]).is_ok());
    let without_token = [("KINDE_API_ID", "api_123"), ("APIKEY_AUTH", "none")];
    assert_eq!(with(&without_token).unwrap_err().setting(), "KINDE_API_ID");
    let without_credentials = [REQUIRED[0], without_token[0], without_token[1]];
    assert_eq!(build(&without_credentials).unwrap_err().setting(), "KINDE_API_ID");
}

#[test]
fn bad_values_are_refused_by_name() {
    for (name, values) in [
        ("LISTEN", &["3000", "localhost:3000", "127.0.0.1", "x"][..]),
        // The last one is an address for documentation, which no machine has.
        ("METRICS_LISTEN", &["9464", "localhost:9464", "127.0.0.1", "on", "192.0.2.1:9464"][..]),
        ("AUDIT_LOG", &["/", "/no/such/folder/audit.log"][..]),
        ("AUDIT", &["all", "denials", "ALL", "on", "true"][..]), // without AUDIT_LOG
        ("KINDE_WEBHOOKS", &["true", "ON", "1", "https://api.example/kinde/webhook"][..]),
        ("APIKEY_CACHE_TTL", &["-1", "1.5", "five", "86401", "99999999999999999999"][..]),
        ("APIKEY_CACHE_CAPACITY", &["0", "-1", "x"][..]),
        ("APIKEY_TIMEOUT_MS", &["0", "-1", "x", "600001"][..]),
        ("APIKEY_STALE_IF_ERROR", &["-1", "x", "86401"][..]),
        ("APIKEY_NEGATIVE_TTL", &["-1", "x", "86401"][..]),
        ("APIKEY_MAX_IN_FLIGHT", &["0", "-1", "x"][..]),
        ("APIKEY_MAX_QUEUED", &["-1", "x", "1.5", "99999999999999999999"][..]),
        ("APIKEY_ATTEMPTS_COUNT", &["none", "ALL", "refused,all", "0", "true"][..]),
        ("KINDE_API_ID", &["", " ", "api 123", "https://example.com/api", "\"api_123\"", "${API_ID}"][..]),
        ("KINDE_DOMAIN", &["\"example.kinde.com\"", "$KINDE_DOMAIN", "example..com", "example.com:0"][..]),
        ("APIKEY_ATTEMPTS", &["-1", "x", "4294967296"][..]),
        ("APIKEY_WINDOW", &["-1", "x", "86401"][..]),
        ("TRUSTED_PROXIES", &["x", "10.0.0.1/8", "10.0.0.0/8,", "10.0.0.0/33", "unix:/run/api.sock"][..]),
        ("TRUSTED_PROXY_HEADER", &["x-real-ip", "x"][..]),
        ("APIKEY_AUTH", &["M2M", "basic", "true"][..]),
    ] {
        for value in values {
            assert_eq!(with(&[(name, value)]).unwrap_err().setting(), name, "{value}");
        }
    }
}

#[test]
fn the_audit_log_may_be_off_or_standard_output() {
    for variables in
        [&[("AUDIT", "off")][..], &[("AUDIT", "off"), ("AUDIT_LOG", "/no/such/folder/audit.log")]]
    {
        assert!(with(variables).is_ok(), "{variables:?}");
    }
    for events in ["", "denials", "all"] {
        assert!(with(&[("AUDIT", events), ("AUDIT_LOG", "-")]).is_ok(), "{events}");
    }
    let unknown = with(&[("AUDIT", "some"), ("AUDIT_LOG", "-")]);
    assert_eq!(unknown.unwrap_err().setting(), "AUDIT");
}

#[test]
fn a_unix_socket_can_be_trusted() {
    assert!(with(&[("TRUSTED_PROXIES", "unix,10.0.0.0/8")]).is_ok());
}

#[test]
fn zero_turns_off() {
    for name in [
        "APIKEY_CACHE_TTL",
        "APIKEY_STALE_IF_ERROR",
        "APIKEY_NEGATIVE_TTL",
        "APIKEY_ATTEMPTS",
        "APIKEY_WINDOW",
        "APIKEY_MAX_QUEUED",
    ] {
        assert!(with(&[(name, "0")]).is_ok(), "{name}");
    }
    let stale_without_cache = with(&[("APIKEY_CACHE_TTL", "0"), ("APIKEY_STALE_IF_ERROR", "60")]);
    assert_eq!(stale_without_cache.unwrap_err().setting(), "APIKEY_STALE_IF_ERROR");
}

#[test]
fn the_settings_say_how_many_wait_and_what_counts() {
    let read = |name: &'static str, value: &'static str| {
        let all: Vec<_> = [(name, value)].into_iter().chain(REQUIRED).collect();
        Settings::from_variables(|name| Some(all.iter().find(|(known, _)| *known == name)?.1)).unwrap()
    };
    let default = read("LISTEN", "");
    assert_eq!((default.max_queued, default.attempt_limit), (256, Some(AttemptLimit::default())));
    assert_eq!(read("APIKEY_MAX_QUEUED", "0").max_queued, 0);
    assert_eq!(read("APIKEY_MAX_QUEUED", "1000").max_queued, 1000);
    for (value, limit) in [
        ("", AttemptLimit::default()),
        ("refused", AttemptLimit::default()),
        ("all", AttemptLimit::default().count_all_attempts()),
    ] {
        assert_eq!(read("APIKEY_ATTEMPTS_COUNT", value).attempt_limit, Some(limit), "{value}");
    }
}

#[test]
fn to_ask_without_a_token_is_an_explicit_choice() {
    let domain = REQUIRED[0];
    assert_eq!(build(&[domain]).unwrap_err().setting(), "KINDE_MANAGEMENT_CLIENT_ID");
    assert_eq!(build(&[domain, ("APIKEY_AUTH", "m2m")]).unwrap_err().setting(), "APIKEY_AUTH");
    assert!(build(&[domain, ("APIKEY_AUTH", "none")]).is_ok());
    assert!(with(&[("APIKEY_AUTH", "none")]).is_ok());
    assert!(with(&[("APIKEY_AUTH", "m2m")]).is_ok());
}

#[test]
fn a_fleet_needs_a_store_and_a_secret() {
    const URL: (&str, &str) = ("REDIS_URL", "redis://app:s3cret@127.0.0.1:1");
    const SECRET: (&str, &str) = ("APIKEY_SHARED_SECRET", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=");
    assert_eq!(with(&[URL]).unwrap_err().setting(), "APIKEY_SHARED_SECRET");
    assert_eq!(with(&[SECRET]).unwrap_err().setting(), "REDIS_URL");
    assert_eq!(
        with(&[URL, ("APIKEY_SHARED_SECRET", "short")]).unwrap_err().setting(),
        "APIKEY_SHARED_SECRET"
    );
    assert_eq!(with(&[("REDIS_URL", "ftp://x"), SECRET]).unwrap_err().setting(), "REDIS_URL");
    let shown = format!("{:?}", with(&[URL, SECRET]).unwrap());
    assert!(!shown.contains("s3cret") && !shown.contains("QUJD"), "{shown}");
}
