use super::*;
use crate::kinde::config::CheckedSettings;

fn checked(variables: &[(&'static str, &str)]) -> Result<CheckedSettings, ConfigError> {
    let settings = KindeSettings::from_variables(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    })?;
    settings.check()
}

/// What people leave in variables; no text about it repeats the value.
const NO_HOSTS: [&str; 7] = [
    "\"canary.kinde.com\"",
    "${CANARY}",
    "canary..kinde.com",
    "canary.kinde.com:0",
    "canary.kinde.com/path",
    "user:canary@kinde.com",
    "two canaries",
];

#[test]
fn the_error_names_the_variable_that_was_read() {
    let m2m = [("KINDE_M2M_CLIENT_ID", "m"), ("KINDE_M2M_CLIENT_SECRET", "s")];
    for value in NO_HOSTS {
        for (set, named) in [
            (vec![("KINDE_DOMAIN", value)], "KINDE_DOMAIN"),
            (vec![("KINDE_ISSUER_URL", value)], "KINDE_ISSUER_URL"),
            (vec![("KINDE_DOMAIN", " "), ("KINDE_ISSUER_URL", value)], "KINDE_ISSUER_URL"),
            (vec![("KINDE_DOMAIN", value), ("KINDE_ISSUER_URL", "a.kinde.com")], "KINDE_DOMAIN"),
        ] {
            let error = checked(&[set.as_slice(), &m2m].concat()).unwrap_err();
            assert_eq!(error.setting(), named, "{value}");
            assert!(!error.to_string().contains("canar"), "{error}");
        }
        let error = KindeSettings::new(value).without_token().check().unwrap_err();
        assert_eq!(error.setting(), "KindeSettings::new", "{value}");
        assert!(!error.to_string().contains("canar"), "{error}");
    }
}

#[test]
fn settings_know_the_names_under_which_they_came() {
    let names = |settings: KindeSettings| settings.check().unwrap().names;
    let management = KindeSettings::from_variables(|name| match name {
        "KINDE_DOMAIN" => Some("a.kinde.com"),
        "KINDE_MANAGEMENT_CLIENT_ID" | "KINDE_MANAGEMENT_CLIENT_SECRET" => Some("x"),
        _ => None,
    })
    .unwrap();
    assert_eq!(names(management.clone()), SettingNames::VARIABLES);
    let in_code = management.machine_to_machine(MachineToMachine::new("i", "s")).audience("https://a");
    let expected = SettingNames { domain: "KINDE_DOMAIN", api_id: "KINDE_API_ID", ..SettingNames::IN_CODE };
    assert_eq!(names(in_code.clone()), expected);
    assert_eq!(names(in_code.api_id("api_1")), SettingNames { api_id: "api_id", ..expected });
    let m2m = KindeSettings::from_variables(|name| match name {
        "KINDE_ISSUER_URL" => Some("a.kinde.com"),
        "KINDE_M2M_CLIENT_ID" | "KINDE_M2M_CLIENT_SECRET" => Some("x"),
        _ => None,
    });
    let expected = SettingNames {
        domain: "KINDE_ISSUER_URL",
        client_id: "KINDE_M2M_CLIENT_ID",
        client_secret: "KINDE_M2M_CLIENT_SECRET",
        audience: "KINDE_MANAGEMENT_AUDIENCE",
        api_id: "KINDE_API_ID",
    };
    assert_eq!(names(m2m.unwrap()), expected);
    assert_eq!(names(KindeSettings::new("a.kinde.com").without_token()), SettingNames::IN_CODE);
}

#[test]
fn credentials_in_an_env_files_quotes_are_refused_by_name() {
    let all = [
        ("KINDE_DOMAIN", "a.kinde.com"),
        ("KINDE_MANAGEMENT_CLIENT_ID", "i"),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", "s"),
        ("KINDE_MANAGEMENT_AUDIENCE", "https://a.kinde.com/api"),
    ];
    let m2m =
        [("KINDE_DOMAIN", "a.kinde.com"), ("KINDE_M2M_CLIENT_ID", "i"), ("KINDE_M2M_CLIENT_SECRET", "s")];
    for set in [all.as_slice(), &m2m] {
        assert!(checked(set).is_ok());
        for (name, _) in set.iter().skip(1) {
            let with = |value| {
                let changed = |(known, old): &(_, _)| (*known, if known == name { value } else { *old });
                checked(&set.iter().map(changed).collect::<Vec<_>>())
            };
            for left_over in ["\"canary\"", "'canary'", "${CANARY}", "\"\""] {
                let error = with(left_over).unwrap_err();
                assert_eq!(error.setting(), *name, "{left_over}");
                assert!(!error.to_string().to_lowercase().contains("canary"), "{error}");
            }
            for fine in ["\"", "a\"b\"", "it's", "'a", "$a", "{a}", "\"a'"] {
                assert!(with(fine).is_ok(), "{fine}");
            }
        }
    }
}

#[test]
fn the_variables_that_kindes_users_have_are_read() {
    let issuer = checked(&[
        ("KINDE_ISSUER_URL", "https://a.kinde.com/"),
        ("KINDE_M2M_CLIENT_ID", "m"),
        ("KINDE_M2M_CLIENT_SECRET", "s"),
    ])
    .unwrap();
    assert_eq!(issuer.verify_url.host_str(), Some("a.kinde.com"));
    assert_eq!(issuer.credentials.unwrap().client_id, "m");
    let both = checked(&[
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

const WITH_TOKEN: [(&str, &str); 3] = [
    ("KINDE_DOMAIN", "a.kinde.com"),
    ("KINDE_MANAGEMENT_CLIENT_ID", "i"),
    ("KINDE_MANAGEMENT_CLIENT_SECRET", "s"),
];

#[test]
fn an_api_id_is_read_and_is_off_by_default() {
    assert_eq!(checked(&WITH_TOKEN).unwrap().api_id, None);
    for value in ["api_123", " api_123\n", "7ccd126599aa422a771abcb341596881", "a-B_9"] {
        let settings = checked(&[&WITH_TOKEN[..], &[("KINDE_API_ID", value)]].concat()).unwrap();
        assert_eq!(settings.api_id.as_deref(), Some(value.trim()));
        assert_eq!(settings.api_keys_url.of("k").unwrap().as_str(), "https://a.kinde.com/api/v1/api_keys/k");
    }
}

#[test]
fn an_odd_api_id_is_refused_by_name_and_not_repeated() {
    let long = "canary".repeat(50);
    for value in [
        "",
        "  ",
        "\"canary\"",
        "${CANARY}",
        "https://canary.example/api",
        "canary api",
        "canary/1",
        "canary,other",
        "canary\u{e9}",
        &long,
    ] {
        let error = checked(&[&WITH_TOKEN[..], &[("KINDE_API_ID", value)]].concat()).unwrap_err();
        assert_eq!(error.setting(), "KINDE_API_ID", "{value}");
        assert!(!error.to_string().to_lowercase().contains("canary"), "{error}");
    }
    let in_code = |api_id: &str| {
        KindeSettings::from_variables(|name| {
            WITH_TOKEN.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
        })
        .unwrap()
        .api_id(api_id)
        .check()
    };
    assert!(in_code("api_123").is_ok());
    for value in ["", " api_123", "api 123"] {
        assert_eq!(in_code(value).unwrap_err().setting(), "api_id", "{value}");
    }
}

#[test]
fn an_api_id_without_a_token_is_refused_by_name() {
    let variables = [("KINDE_DOMAIN", "a.kinde.com"), ("KINDE_API_ID", "api_123")];
    let settings = KindeSettings::from_variables(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    })
    .unwrap();
    let error = settings.without_token().check().unwrap_err();
    assert_eq!(error.setting(), "KINDE_API_ID");
    let in_code = KindeSettings::new("a.kinde.com").api_id("api_123").without_token();
    assert_eq!(in_code.check().unwrap_err().setting(), "api_id");
}

#[cfg(feature = "webhooks")]
#[test]
fn an_api_id_does_not_refuse_the_keys_of_webhooks() {
    let settings = KindeSettings::new("a.kinde.com").api_id("api_123");
    let settings = settings.machine_to_machine(MachineToMachine::new("i", "s"));
    assert!(settings.about_no_key().check().is_ok());
}

#[test]
fn another_applications_variables_are_not_read() {
    let read = std::cell::RefCell::new(Vec::new());
    let _ = KindeSettings::from_variables(|name| {
        read.borrow_mut().push(name.to_owned());
        (name == "KINDE_DOMAIN").then_some("a.kinde.com")
    });
    let read = read.into_inner();
    assert!(!read.iter().any(|name| name == "KINDE_AUDIENCE" || name == "KINDE_CLIENT_ID"), "{read:?}");
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
        assert_eq!(checked(&[domain, (present, "x")]).unwrap_err().setting(), missing);
        assert_eq!(checked(&[domain, (present, "x"), (missing, "")]).unwrap_err().setting(), missing);
        if present.contains("MANAGEMENT") {
            let mixed = checked(&[domain, (present, "x"), full_m2m[0], full_m2m[1]]);
            assert_eq!(mixed.unwrap_err().setting(), missing);
        }
    }
}

#[test]
fn to_ask_without_a_token_is_an_explicit_choice() {
    let neither = checked(&[("KINDE_DOMAIN", "a.kinde.com")]).unwrap_err();
    assert_eq!(neither.setting(), "KINDE_MANAGEMENT_CLIENT_ID");
    assert!(KindeSettings::new("a.kinde.com").without_token().check().unwrap().credentials.is_none());
    assert_eq!(checked(&[]).unwrap_err().setting(), "KINDE_DOMAIN");
}
