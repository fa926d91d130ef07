//! A setting that can't be used is refused by name when something is built.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use apikey_core::{
    Authenticator, AuthenticatorBuilder, ConfigError, CredentialSource, KindeSettings, KindeVerifier,
    MachineToMachine,
};

use crate::support::*;

fn with(
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> Result<Authenticator, ConfigError> {
    configure(Authenticator::builder(Fake::new(anyone).0)).build()
}

fn names(setting: &str, error: &ConfigError) {
    assert_eq!(error.setting(), setting, "{error}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{setting}: ")), "{text}");
    assert!(text.len() > setting.len() + 8, "says what to do: {text}");
}

#[test]
fn every_bad_value_of_the_builder_is_refused_by_name() {
    let bad: Vec<(&str, Result<Authenticator, ConfigError>)> = vec![
        ("cache_time_to_live", with(|builder| builder.cache_time_to_live(Duration::from_secs(86_401)))),
        ("cache_time_to_live", with(|builder| builder.cache_time_to_live(Duration::MAX))),
        ("cache_capacity", with(|builder| builder.cache_capacity(0))),
        ("verification_timeout", with(|builder| builder.verification_timeout(Duration::ZERO))),
        (
            "verification_timeout",
            with(|builder| builder.verification_timeout(Duration::from_millis(600_001))),
        ),
        ("verification_timeout", with(|builder| builder.verification_timeout(Duration::MAX))),
        ("stale_while_slow", with(|builder| builder.stale_while_slow(Duration::MAX))),
        ("accepted_prefixes", with(|builder| builder.accepted_prefixes(["k_live_="]))),
        ("realm", with(|builder| builder.realm(""))),
        ("realm", with(|builder| builder.realm("a\r\nX-Injected: 1"))),
        ("realm", with(|builder| builder.realm("käse"))),
        ("realm", with(|builder| builder.realm("tab\t"))),
        ("realm", with(|builder| builder.realm("\u{7f}"))),
        ("accepted_prefixes", with(|builder| builder.accepted_prefixes([""]))),
        ("accepted_prefixes", with(|builder| builder.accepted_prefixes(["k_live_", ""]))),
        ("accepted_prefixes", with(|builder| builder.accepted_prefixes(["k".repeat(513)]))),
        ("credential_sources", with(|builder| builder.credential_sources([]))),
        ("ignore_other_tokens", with(|builder| builder.ignore_other_tokens(true))),
    ];
    for (setting, built) in bad {
        names(setting, &built.unwrap_err());
    }
}

#[test]
fn every_bad_credential_source_is_refused_by_name() {
    use CredentialSource as Source;
    for sources in [
        vec![Source::authorization("")],
        vec![Source::authorization("two words")],
        vec![Source::authorization("a\"b")],
        vec![Source::authorization("Basic")],
        vec![Source::header("")],
        vec![Source::header("X Api Key")],
        vec![Source::header("X-Api-Key:")],
        vec![Source::header("x\r\ny")],
        vec![Source::header("sec-websocket-protocol")],
        vec![Source::header_with_scheme("X-Forwarded-Authorization", "")],
        vec![Source::header_with_scheme("", "Bearer")],
        vec![Source::header_with_scheme("x", "basic")],
        vec![Source::header("Authorization"), Source::header("authorization")],
        vec![Source::bearer(), Source::header_with_scheme("Authorization", "bearer")],
        vec![Source::insecure_query_parameter("")],
        vec![Source::bearer(), Source::bearer()],
        vec![Source::bearer(), Source::authorization("bEaReR")],
        vec![Source::header("X-Api-Key"), Source::header("x-api-key")],
        vec![Source::basic_user_name(), Source::basic_user_name()],
        vec![Source::insecure_query_parameter("k"), Source::insecure_query_parameter("k")],
        vec![Source::bearer(), Source::header("")],
    ] {
        let text = format!("{sources:?}");
        let built = with(|builder| builder.credential_sources(sources));
        assert!(built.is_err(), "{text}");
        names("credential_sources", &built.unwrap_err());
    }
}

#[test]
fn the_edges_of_what_is_allowed_are_allowed() {
    for built in [
        with(|builder| builder.cache_time_to_live(Duration::ZERO)),
        with(|builder| builder.cache_time_to_live(Duration::from_nanos(1))),
        with(|builder| builder.cache_time_to_live(Duration::from_secs(86_400))),
        with(|builder| builder.cache_capacity(1)),
        with(|builder| builder.verification_timeout(Duration::from_nanos(1))),
        with(|builder| builder.verification_timeout(Duration::from_secs(600))),
        with(|builder| builder.stale_while_slow(Duration::from_secs(600))),
        with(|builder| builder.realm("My \"API\", \\ and more")),
        with(|builder| builder.accepted_prefixes(["k".repeat(512)])),
        with(|builder| builder.accepted_prefixes(Vec::<String>::new())),
        with(|builder| builder.ignore_other_tokens(true).accepted_prefixes(["k"])),
        with(|builder| {
            builder.credential_sources([
                CredentialSource::bearer(),
                CredentialSource::header("AUTHORIZATION"),
                CredentialSource::basic_user_name(),
                CredentialSource::basic_password(),
                CredentialSource::header_with_scheme("X-Forwarded-Authorization", "Bearer"),
                CredentialSource::header("X-Forwarded-Authorization"),
                CredentialSource::web_socket_protocol(),
            ])
        }),
    ] {
        built.unwrap();
    }
}

#[test]
fn every_bad_setting_for_kinde_is_refused_by_name() {
    let m2m = |id: &str, secret: &str| {
        KindeSettings::new("example.kinde.com").machine_to_machine(MachineToMachine::new(id, secret))
    };
    let good = || m2m("an id", "a secret");
    let domain = |domain: &str| KindeSettings::new(domain).without_token();
    for (setting, settings) in [
        ("KindeSettings::new", domain("")),
        ("KindeSettings::new", domain("http://example.kinde.com")),
        ("KindeSettings::new", domain("example.kinde.com/api")),
        ("KindeSettings::new", domain("example.kinde.com:99999")),
        ("KindeSettings::new", domain("exa mple.kinde.com")),
        ("KindeSettings::new", domain("file:///etc/passwd")),
        ("KindeSettings::new", domain("https://user:pass-canary@example.kinde.com")),
        ("KindeSettings::new", domain("example.kinde.com\r\nx: y")),
        ("KindeSettings::new", domain("a-canary..kinde.com")),
        ("KindeSettings::new", domain("a_canary.kinde.com")),
        ("machine_to_machine", KindeSettings::new("example.kinde.com")),
        ("MachineToMachine::new", m2m("", "a-canary")),
        ("MachineToMachine::new", m2m("an id", "")),
        ("audience", good().audience("")),
        ("connect_timeout", good().connect_timeout(Duration::ZERO)),
        ("root_certificate", good().root_certificate("a-canary")),
        ("proxy", good().proxy("")),
        ("proxy", good().proxy("a-canary:3128")),
        ("proxy", good().proxy("socks5://user:a-canary@proxy:1080")),
        ("proxy", good().proxy("http://user:a-canary@")),
        ("proxy", good().proxy("http://user:a-can/ary@proxy:3128")),
        ("resolve_to", good().resolve_to([])),
        ("resolve_to", good().proxy("http://proxy:3128").resolve_to([SocketAddr::from(([192, 0, 2, 1], 0))])),
    ] {
        let text = format!("{settings:?}");
        let built = KindeVerifier::new(settings);
        assert!(built.is_err(), "{text}");
        let error = built.unwrap_err();
        names(setting, &error);
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    KindeVerifier::new(good()).unwrap();
    KindeVerifier::new(good().connect_timeout(Duration::MAX)).unwrap();
    KindeVerifier::new(good().proxy("http://user:password@proxy:3128")).unwrap();
    KindeVerifier::new(good().without_proxy()).unwrap();
    KindeVerifier::new(good().resolve_to([SocketAddr::from(([192, 0, 2, 1], 0))])).unwrap();
    assert!(good().has_credentials() && !domain("a.kinde.com").has_credentials());
}

#[test]
fn every_bad_variable_is_refused_by_name() {
    let from = |set: &[(&str, &str)]| {
        let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        KindeSettings::from_variables(value).and_then(KindeVerifier::new)
    };
    let domain = ("KINDE_DOMAIN", "example.kinde.com");
    let id = ("KINDE_MANAGEMENT_CLIENT_ID", "an id");
    let secret = ("KINDE_MANAGEMENT_CLIENT_SECRET", "a-canary");
    for (setting, set) in [
        ("KINDE_DOMAIN", vec![id, secret]),
        ("KINDE_DOMAIN", vec![("KINDE_DOMAIN", "  "), id, secret]),
        ("KINDE_DOMAIN", vec![("KINDE_DOMAIN", "\"a-canary.com\""), id, secret]),
        ("KINDE_ISSUER_URL", vec![("KINDE_ISSUER_URL", "a-canary..com"), id, secret]),
        ("KINDE_MANAGEMENT_CLIENT_ID", vec![domain, ("KINDE_MANAGEMENT_CLIENT_ID", "${CANARY}"), secret]),
        ("KINDE_MANAGEMENT_CLIENT_ID", vec![domain]),
        ("KINDE_MANAGEMENT_CLIENT_ID", vec![domain, secret]),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", vec![domain, id]),
        ("KINDE_M2M_CLIENT_SECRET", vec![domain, ("KINDE_M2M_CLIENT_ID", "x")]),
        ("KINDE_M2M_CLIENT_ID", vec![domain, ("KINDE_M2M_CLIENT_SECRET", "a-canary")]),
    ] {
        let error = from(&set).unwrap_err();
        names(setting, &error);
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    from(&[domain, id, secret]).unwrap();
}

#[cfg(unix)]
#[test]
fn every_variable_that_is_not_unicode_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt as _;
    let set = [
        ("KINDE_DOMAIN", "example.kinde.com"),
        ("KINDE_MANAGEMENT_CLIENT_ID", "an id"),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", "a-canary"),
        ("KINDE_MANAGEMENT_AUDIENCE", "https://example.kinde.com/api"),
    ];
    for (odd, _) in set {
        let error = KindeSettings::from_variables(|name| {
            let (_, value) = set.iter().find(|(known, _)| *known == name)?;
            let rest = if name == odd { b"\xff".as_slice() } else { b"" };
            Some(OsString::from_vec([value.as_bytes(), rest].concat()))
        });
        let error = error.unwrap_err();
        names(odd, &error);
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
