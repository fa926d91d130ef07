//! `apikey-check config`

use std::collections::BTreeSet;
use std::net::TcpListener;

use apikey_testkit::emulator::{Emulator, Endpoint, Fault, ScriptedAnswer, TlsIdentity};

use crate::support::{Run, environment, run};

const STEPS: [&str; 8] = ["environment", "address", "connection", "TLS", "token", "scope", "verify", "API"];
const WRONG_SECRET: &str = "canary-of-a-wrong-secret";

/// What may have to be changed.
const SETTINGS: [&str; 15] = [
    "KINDE_API_ID",
    "KINDE_DOMAIN",
    "KINDE_ISSUER_URL",
    "KINDE_MANAGEMENT_CLIENT_ID",
    "KINDE_MANAGEMENT_CLIENT_SECRET",
    "KINDE_MANAGEMENT_AUDIENCE",
    "KINDE_M2M_CLIENT_ID",
    "KINDE_M2M_CLIENT_SECRET",
    "APIKEY_AUTH",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
    "read:api_keys",
    "firewall",
    "apikey-check key",
    "wait a minute",
];

/// Runs the check, and finds no secret in what it prints.
async fn check(emulator: &Emulator, changes: &[(&str, &str)]) -> Run {
    let ran = run(&environment(emulator, changes), &["config"], "").await;
    ran.reveals_none_of([emulator.client_secret(), WRONG_SECRET]);
    ran.reveals_none_of(emulator.issued_tokens());
    ran
}

/// The lines of the step that failed, from its result on.
fn failure<'r>(ran: &'r Run, step: &str) -> Vec<&'r str> {
    assert_eq!((ran.status, ran.stderr.as_str()), (1, ""), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let at = lines.iter().position(|line| line.contains("FAILED"));
    let at = at.unwrap_or_else(|| panic!("no step failed:\n{}", ran.stdout));
    assert_eq!(lines[at].split_whitespace().next(), Some(step), "{}", ran.stdout);
    let names: Vec<&str> = lines
        .iter()
        .filter_map(|line| STEPS.into_iter().find(|step| line.starts_with(&format!("{step} "))))
        .collect();
    assert_eq!(names, STEPS, "each step is told once:\n{}", ran.stdout);
    let after = STEPS.iter().skip_while(|name| **name != step).skip(1);
    assert_eq!(ran.stdout.matches("not tried").count(), after.count(), "{}", ran.stdout);
    let has_fix = lines[at + 1].trim_start().starts_with("fix:");
    lines[at..=at + usize::from(has_fix)].to_vec()
}

/// Runs the check and compares the step that fails, and all that its result tells to change.
async fn fails_at(emulator: &Emulator, changes: &[(&str, &str)], step: &str, fixes: &[&str]) -> Run {
    let ran = check(emulator, changes).await;
    let told = failure(&ran, step).join("\n");
    let is_named = |name: &&str| {
        let mut rest = told.split(*name).skip(1);
        rest.any(|after| !after.starts_with(|next: char| next == '_' || next.is_ascii_alphanumeric()))
    };
    let named: BTreeSet<&str> = SETTINGS.into_iter().filter(is_named).collect();
    assert_eq!(named, fixes.iter().copied().collect(), "{}", ran.stdout);
    ran
}

async fn emulator() -> Emulator {
    Emulator::start().await.unwrap()
}

const DOMAIN: &str = "KINDE_DOMAIN";
const ID: &str = "KINDE_MANAGEMENT_CLIENT_ID";
const SECRET: &str = "KINDE_MANAGEMENT_CLIENT_SECRET";
const AUDIENCE: &str = "KINDE_MANAGEMENT_AUDIENCE";
const SCOPE: &str = "read:api_keys";

#[tokio::test]
async fn a_good_set_up_passes_every_step_with_one_token() {
    let emulator = emulator().await;
    let ran = check(&emulator, &[]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.ends_with("The set-up works.\n"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches(" ok ").count(), 6, "{}", ran.stdout);
    assert!(ran.stdout.contains("TLS          -       not needed"), "{}", ran.stdout);
    let counters = emulator.counters();
    assert_eq!((counters.token_calls, counters.verify_calls), (1, 2));
}

#[tokio::test]
async fn a_good_set_up_over_tls_passes() {
    let identity = TlsIdentity::generate(["localhost"]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let roots = std::env::temp_dir().join(format!("apikey-check-roots-{}.pem", std::process::id()));
    std::fs::write(&roots, identity.root_pem()).unwrap();
    let ran = check(&emulator, &[("SSL_CERT_FILE", roots.to_str().unwrap())]).await;
    std::fs::remove_file(&roots).unwrap();
    assert_eq!((ran.status, ran.stdout.matches(" ok ").count()), (0, 7), "{}", ran.stdout);
}

#[tokio::test]
async fn a_set_up_without_a_token_passes() {
    let emulator = Emulator::builder().without_authentication().start().await.unwrap();
    let ran = check(&emulator, &[(ID, ""), (SECRET, ""), ("APIKEY_AUTH", "none")]).await;
    assert_eq!((ran.status, ran.stdout.matches("APIKEY_AUTH is none").count()), (0, 2), "{ran:?}");
    assert_eq!(emulator.counters().token_calls, 0);
}

#[tokio::test]
async fn an_environment_that_is_incomplete_names_its_gap() {
    let emulator = emulator().await;
    let no_credentials = [(ID, ""), (SECRET, "")];
    for (changes, fixes) in [
        ([(DOMAIN, "")].as_slice(), [DOMAIN].as_slice()),
        (&[(SECRET, "")], &[SECRET, ID]),
        (&[(ID, "")], &[ID, SECRET]),
        (&no_credentials, &[ID, SECRET]),
        (&[(ID, ""), (SECRET, ""), ("APIKEY_AUTH", "m2m")], &[ID, SECRET]),
        (
            &[(ID, ""), (SECRET, ""), ("KINDE_M2M_CLIENT_SECRET", WRONG_SECRET)],
            &["KINDE_M2M_CLIENT_ID", "KINDE_M2M_CLIENT_SECRET"],
        ),
        (&[("APIKEY_AUTH", WRONG_SECRET)], &["APIKEY_AUTH"]),
        (&[(DOMAIN, "http://example.kinde.com")], &[DOMAIN]),
        (&[(DOMAIN, "https://canary-of-a-wrong-secret@example.kinde.com")], &[DOMAIN]),
        (&[(DOMAIN, "example.kinde.com"), (SECRET, "${canary-of-a-wrong-secret}")], &[SECRET]),
        (
            &[(DOMAIN, "example.kinde.com"), ("HTTPS_PROXY", "socks5://canary-of-a-wrong-secret@proxy")],
            &["HTTPS_PROXY"],
        ),
    ] {
        fails_at(&emulator, changes, "environment", fixes).await;
    }
    assert_eq!(emulator.counters().connections, 0);
}

#[tokio::test]
async fn a_host_that_can_not_be_reached_names_the_domain() {
    let emulator = emulator().await;
    let ran = fails_at(&emulator, &[(DOMAIN, "nobody.invalid")], "address", &[DOMAIN, "HTTPS_PROXY"]).await;
    assert!(ran.stdout.contains("DNS knows no address of nobody.invalid"), "{}", ran.stdout);
    // A secret in the wrong variable is a host name without a dot.
    let pasted = [(DOMAIN, WRONG_SECRET)];
    fails_at(&emulator, &pasted, "address", &[DOMAIN, "HTTPS_PROXY"]).await;

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "https"] {
        let domain = format!("{scheme}://{closed}");
        fails_at(&emulator, &[(DOMAIN, &domain)], "connection", &[DOMAIN]).await;
    }
    // The variable that names the host is the one that is named.
    let issuer = format!("http://{closed}/");
    let changes = [(DOMAIN, ""), ("KINDE_ISSUER_URL", issuer.as_str())];
    fails_at(&emulator, &changes, "connection", &["KINDE_ISSUER_URL"]).await;
}

#[tokio::test]
async fn a_silent_host_ends_in_a_step_that_failed() {
    let emulator = emulator().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let plain = format!("http://{address}");
    let ran = fails_at(&emulator, &[(DOMAIN, &plain)], "token", &[DOMAIN]).await;
    assert!(ran.stdout.contains("did not answer"), "{}", ran.stdout);
    let tls = format!("https://{address}");
    let ran = fails_at(&emulator, &[(DOMAIN, &tls)], "TLS", &[DOMAIN, "SSL_CERT_FILE", "firewall"]).await;
    assert!(ran.stdout.contains("took too long"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_certificate_that_is_refused_says_why() {
    let fixes = [DOMAIN, "SSL_CERT_FILE", "firewall"];
    let root = TlsIdentity::generate(["localhost"]);
    let roots = std::env::temp_dir().join(format!("apikey-check-trusted-{}.pem", std::process::id()));
    std::fs::write(&roots, root.root_pem()).unwrap();
    for (identity, why) in [
        (TlsIdentity::generate(["localhost"]), "authority that is not trusted"),
        (root.for_other_names(["example.com"]), "for another name"),
        (root.expired(), "has expired"),
    ] {
        let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
        let ran = fails_at(&emulator, &[("SSL_CERT_FILE", roots.to_str().unwrap())], "TLS", &fixes).await;
        assert!(ran.stdout.contains(why), "{}", ran.stdout);
    }
    std::fs::remove_file(&roots).unwrap();
    // A server that speaks no TLS.
    let emulator = emulator().await;
    let domain = format!("https://{}", emulator.address());
    fails_at(&emulator, &[(DOMAIN, &domain)], "TLS", &fixes).await;
}

#[tokio::test]
async fn a_token_that_is_refused_names_the_credentials() {
    let emulator = emulator().await;
    fails_at(&emulator, &[(SECRET, WRONG_SECRET)], "token", &[ID, SECRET]).await;
    fails_at(&emulator, &[(ID, "another-client")], "token", &[DOMAIN, ID]).await;
    fails_at(&emulator, &[(AUDIENCE, "https://another.kinde.com/api")], "token", &[AUDIENCE]).await;
    let m2m = [
        (ID, ""),
        (SECRET, ""),
        ("KINDE_M2M_CLIENT_ID", emulator.client_id()),
        ("KINDE_M2M_CLIENT_SECRET", WRONG_SECRET),
    ];
    fails_at(&emulator, &m2m, "token", &["KINDE_M2M_CLIENT_ID", "KINDE_M2M_CLIENT_SECRET"]).await;
    // What answers is not Kinde.
    let page = |status| Fault::Answer(ScriptedAnswer::new(status, "<html>Our shop</html>"));
    emulator.set_fault(Endpoint::Token, Some(page(404)));
    fails_at(&emulator, &[], "token", &[DOMAIN, ID]).await;
    for fault in [page(200), Fault::status(500), Fault::Close, Fault::RawGarbage] {
        emulator.set_fault(Endpoint::Token, Some(fault));
        fails_at(&emulator, &[], "token", &[DOMAIN]).await;
    }
    emulator.set_fault(Endpoint::Token, Some(Fault::Redirect("https://www.example.com/".to_owned())));
    fails_at(&emulator, &[], "token", &[DOMAIN]).await;
}

#[tokio::test]
async fn a_token_without_the_scope_names_the_scope() {
    let emulator = emulator().await;
    emulator.deny_scope(true);
    fails_at(&emulator, &[], "scope", &[SCOPE, ID]).await;
    emulator.deny_scope(false);
    // Kinde refuses the token without saying why, or every unknown key.
    emulator.set_fault(Endpoint::Verify, Some(Fault::status(401)));
    fails_at(&emulator, &[], "scope", &[AUDIENCE, SCOPE, ID, "apikey-check key"]).await;
}

#[tokio::test]
async fn a_verify_endpoint_that_does_not_work_is_told() {
    let emulator = emulator().await;
    let page = Fault::Answer(ScriptedAnswer::new(403, "<html>Blocked</html>"));
    let busy = Fault::TooManyRequests { rate_limit_reset: Some(5), retry_after: None };
    for (fault, fixes) in [
        (Fault::status(500), [DOMAIN].as_slice()),
        (Fault::status(404), &[DOMAIN]),
        (Fault::Redirect("/login".to_owned()), &[DOMAIN]),
        (Fault::Garbage, &[DOMAIN]),
        (busy, &["wait a minute"]),
        (page, &[DOMAIN, "firewall"]),
    ] {
        emulator.set_fault(Endpoint::Verify, Some(fault));
        fails_at(&emulator, &[], "verify", fixes).await;
    }
    emulator.set_fault(Endpoint::Verify, None);
    let no_token = [(ID, ""), (SECRET, ""), ("APIKEY_AUTH", "none")];
    fails_at(&emulator, &no_token, "verify", &[ID, SECRET, "APIKEY_AUTH"]).await;
}

#[tokio::test]
async fn a_set_up_that_is_bound_to_one_api_is_checked() {
    let (emulator, bound) = (emulator().await, ("KINDE_API_ID", "api_1"));
    let ran = check(&emulator, &[bound]).await;
    assert_eq!((ran.status, ran.stdout.matches(" ok ").count()), (0, 7), "{ran:?}");
    let no_token = [(ID, ""), (SECRET, ""), ("APIKEY_AUTH", "none"), bound];
    fails_at(&emulator, &no_token, "environment", &["KINDE_API_ID"]).await;
    let answer = |status, code| {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#);
        Fault::Answer(ScriptedAnswer::new(status, body))
    };
    for (fault, fixes) in
        [(answer(403, "SCOPE_MISSING"), [ID, SCOPE].as_slice()), (answer(404, "ROUTE_NOT_FOUND"), &[DOMAIN])]
    {
        emulator.set_fault(Endpoint::ApiKey, Some(fault));
        fails_at(&emulator, &[bound], "API", fixes).await;
        assert_eq!(check(&emulator, &[]).await.status, 0);
    }
    // An outage says nothing about the binding.
    emulator.set_fault(Endpoint::ApiKey, Some(Fault::status(500)));
    let ran = check(&emulator, &[bound]).await;
    assert!(ran.status == 0 && ran.stdout.contains("API          ?"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_command_line_that_is_wrong_ends_with_2() {
    let emulator = emulator().await;
    for arguments in
        [[].as_slice(), &["conf"], &["config", "now"], &["config", "--fast"], &["k_live_canary_of_a_key"]]
    {
        let ran = run(&environment(&emulator, &[]), arguments, "").await;
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        ran.reveals_none_of(["canary"]);
    }
    assert_eq!(emulator.counters().connections, 0);
    let help = run(&environment(&emulator, &[]), &["--help"], "").await;
    assert_eq!((help.status, help.stderr.as_str()), (0, ""));
}
