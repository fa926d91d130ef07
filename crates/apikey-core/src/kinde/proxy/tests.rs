use super::*;
use proptest::prelude::*;

const KINDE: &str = "https://acme.kinde.com/oauth2/token";

#[cfg(unix)]
fn not_unicode() -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"canary\xff".to_vec())
}

#[cfg(windows)]
fn not_unicode() -> OsString {
    std::os::windows::ffi::OsStringExt::from_wide(&[0xd800])
}

/// The variable that is named, or nothing.
fn named(url: &str, variables: &[(&'static str, &str)]) -> Option<&'static str> {
    let url = Url::parse(url).unwrap();
    let read = |name| {
        let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
        Some(if *value == "\u{fffd}" { not_unicode() } else { (*value).into() })
    };
    let error = ProxySetting::Environment.check(&url, read).err()?;
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

/// What becomes of this setting, as text.
fn read(proxy: &str, base: &str) -> Result<String, ConfigError> {
    let setting = ProxySetting::Url(Secret::new(proxy.to_owned()));
    let checked = setting.check(&Url::parse(base).unwrap(), |_| panic!("the environment is not read"))?;
    assert!(checked.for_client().unwrap().is_some());
    assert!(!format!("{checked:?}").contains("canary"));
    match checked {
        ProxySetting::Url(url) => Ok(url.expose().to_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_url_of_a_proxy_is_taken_with_its_password() {
    for (proxy, url) in [
        ("http://proxy:3128", "http://proxy:3128/"),
        ("http://proxy:3128/", "http://proxy:3128/"),
        ("HTTP://Proxy", "http://proxy/"),
        ("https://proxy.example.com:3129", "https://proxy.example.com:3129/"),
        ("http://my_proxy:3128", "http://my_proxy:3128/"),
        ("http://192.0.2.1:3128", "http://192.0.2.1:3128/"),
        ("http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128/"),
        ("http://user:canary%2F@proxy:3128", "http://user:canary%2F@proxy:3128/"),
        ("http://user@proxy:3128", "http://user@proxy:3128/"),
        ("http://us:er@ca:na@ry@proxy:3128", "http://us:er%40ca%3Ana%40ry@proxy:3128/"),
    ] {
        assert_eq!(read(proxy, KINDE).unwrap(), url);
    }
}

#[test]
fn a_setting_that_is_no_url_of_a_proxy_is_refused() {
    let more = [
        "",
        "proxy",
        "proxy:3128",
        "http:proxy:3128",
        "http:\\\\proxy",
        "http://pro\nxy:3128",
        "http://proxy:3128/path",
        "http://proxy:3128/?query",
        "http://proxy:3128#fragment",
        "http://user:12/canary@proxy:3128",
        "http://user:12#canary@proxy:3128",
        "http://user:12?canary@proxy:3128",
        "http://user:canary%ff@proxy:3128",
        "http://user:canary@",
    ];
    // A name that is not ASCII is turned into one that is.
    for proxy in USELESS.into_iter().chain(more).filter(|proxy| *proxy != "http://käse:3128") {
        let error = read(proxy, KINDE).unwrap_err();
        assert_eq!(error.setting(), "proxy", "{proxy:?}");
        assert!(!error.to_string().to_lowercase().contains("canar"), "{error}");
    }
}

#[test]
fn plain_http_goes_through_a_proxy_of_this_machine_alone() {
    for (proxy, is_fine) in [
        ("http://127.0.0.1:3128", true),
        ("http://localhost:3128", true),
        ("https://[::1]:3128", true),
        ("http://proxy:3128", false),
        ("http://192.0.2.1:3128", false),
    ] {
        assert_eq!(read(proxy, "http://127.0.0.1:4010").is_ok(), is_fine, "{proxy}");
        assert!(read(proxy, KINDE).is_ok(), "{proxy}");
    }
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
