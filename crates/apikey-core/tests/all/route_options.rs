//! Options of some routes. Everything else is shared with the authenticator that they were made from.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use apikey_core::{
    AttemptLimit, Authenticator, Clock as _, CredentialSource, FailureClass, Judgement, ManualClock,
    PlainRequest, Policy, RouteOptions, Verification, VerifierError,
};
use apikey_testkit::emulator::{Endpoint, Fault, Gate};

use crate::support::{Fake, anyone, authenticator, emulator, key, kinde, patient, reader, told};

fn bearer(key: &str) -> PlainRequest {
    PlainRequest::new()
        .with_header("authorization", format!("Bearer {key}"))
        .with_peer(Ipv4Addr::new(192, 0, 2, 1).into())
}

#[tokio::test]
async fn routes_with_options_share_the_cache_and_the_token() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let everywhere = authenticator(&emulator);
    let partners = everywhere.with_options().realm("partners").build().unwrap();
    assert!(!everywhere.authenticate(&bearer(&issued.secret)).await.unwrap().is_from_cache());
    assert!(partners.authenticate(&bearer(&issued.secret)).await.unwrap().is_from_cache());
    let counters = emulator.counters();
    assert_eq!((counters.verify_calls, counters.token_calls), (1, 1));
    assert_eq!(partners.remove_key_id(&issued.key_id).removed(), 1);
    assert_eq!((everywhere.cached_keys(), everywhere.cached(&issued.key_id)), (0, Vec::new()));
}

#[tokio::test]
async fn each_route_words_denials_by_its_own_options() {
    let (verifier, calls) = Fake::new(anyone);
    let everywhere = patient(verifier).build().unwrap();
    let options = everywhere.with_options().realm("partners").problem_details(true);
    let partners = options.credential_sources([CredentialSource::header("X-Partner-Key")]).build().unwrap();
    let denial = partners.authenticate(&bearer("k1")).await.unwrap_err();
    assert_eq!(denial.message(), "No X-Partner-Key header");
    let headers = denial.response().headers;
    assert!(headers.contains(&("www-authenticate", r#"Bearer realm="partners""#.to_owned())), "{headers:?}");
    assert!(headers.contains(&("content-type", "application/problem+json".to_owned())), "{headers:?}");
    let request = PlainRequest::new().with_header("x-partner-key", "k1");
    assert_eq!(told(&partners.authenticate(&request).await), "k1");
    let denial = everywhere.authenticate(&request).await.unwrap_err();
    assert_eq!(denial.message(), "No authorization header");
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_route_can_take_problem_documentation_back() {
    let (verifier, _) = Fake::new(anyone);
    let documented =
        patient(verifier).problem_documentation("https://api.example/problems#").build().unwrap();
    let body = async |keys: &Authenticator| {
        let denial = keys.authenticate(&PlainRequest::new()).await.unwrap_err();
        String::from_utf8(denial.response().body).unwrap()
    };
    let plain = documented.with_options().problem_details(false).build().unwrap();
    assert_eq!(body(&plain).await, r#"{"error":"No authorization header","code":"MISSING_KEY"}"#);
    // The documentation stays away when problem details come back.
    let undocumented = plain.with_options().problem_details(true).build().unwrap();
    assert!(body(&undocumented).await.starts_with(r#"{"type":"about:blank","#));
    // The later of two calls counts.
    let again = plain.with_options().problem_documentation("https://other.example/").build().unwrap();
    for keys in [again.with_options().problem_details(true).build().unwrap(), again] {
        assert!(body(&keys).await.starts_with(r#"{"type":"https://other.example/MISSING_KEY","#));
    }
    let documented = documented.with_options().problem_details(true).build().unwrap();
    assert!(body(&documented).await.starts_with(r#"{"type":"https://api.example/problems#MISSING_KEY","#));
}

#[tokio::test]
async fn each_route_has_its_own_prefixes() {
    let (verifier, calls) = Fake::new(anyone);
    let everywhere = patient(verifier).accepted_prefixes(["k_"]).build().unwrap();
    let beside_jwts = everywhere.with_options().ignore_other_tokens(true).build().unwrap();
    let partners = everywhere.with_options().accepted_prefixes(["p_"]).build().unwrap();
    let code = async |keys: &Authenticator, secret| match keys.authenticate(&bearer(secret)).await {
        Ok(_) => "let in",
        Err(denial) => denial.code().as_str(),
    };
    for (keys, k, p, jwt) in [
        (&everywhere, "let in", "INVALID_FORMAT", "INVALID_FORMAT"),
        (&beside_jwts, "let in", "MISSING_KEY", "MISSING_KEY"),
        (&partners, "INVALID_FORMAT", "let in", "INVALID_FORMAT"),
    ] {
        let found = (code(keys, "k_1").await, code(keys, "p_1").await, code(keys, "eyJ.eyJ.x").await);
        assert_eq!(found, (k, p, jwt));
    }
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 2, "the routes share the cache");
    let refused = everywhere.with_options().accepted_prefixes(Vec::<String>::new()).ignore_other_tokens(true);
    assert_eq!(refused.build().unwrap_err().setting(), "ignore_other_tokens");
}

/// Refuses everything.
fn strict() -> Authenticator {
    let (verifier, _) =
        Fake::new(|_| Box::pin(async { Ok(apikey_core::Judgement::refused(apikey_core::Refusal::Invalid)) }));
    patient(verifier).attempt_limit(AttemptLimit::new(2, Duration::from_secs(60))).build().unwrap()
}

async fn codes(keys: &Authenticator, secrets: &[&str]) -> Vec<String> {
    let mut codes = Vec::new();
    for secret in secrets {
        codes.push(told(&keys.authenticate(&bearer(secret)).await));
    }
    codes
}

#[tokio::test]
async fn routes_without_a_limit_of_their_own_share_the_count() {
    let everywhere = strict();
    let others = everywhere.with_options().realm("others").build().unwrap();
    assert_eq!(codes(&everywhere, &["a"]).await, ["INVALID_KEY"]);
    assert_eq!(codes(&others, &["b", "c"]).await, ["INVALID_KEY", "RATE_LIMITED"]);
    assert_eq!(codes(&everywhere, &["d"]).await, ["RATE_LIMITED"]);
}

#[tokio::test]
async fn routes_with_a_limit_of_their_own_count_for_themselves() {
    let everywhere = strict();
    let limit = AttemptLimit::new(1, Duration::from_secs(60));
    let login = everywhere.with_options().attempt_limit(limit).build().unwrap();
    let free = login.with_options().attempt_limit(None).build().unwrap();
    let below = login.with_options().realm("below").build().unwrap();
    assert_eq!(codes(&login, &["a", "b"]).await, ["INVALID_KEY", "RATE_LIMITED"]);
    assert_eq!(codes(&below, &["c"]).await, ["RATE_LIMITED"], "it shares the count of what it was made from");
    assert_eq!(codes(&free, &["c", "d", "e"]).await, ["INVALID_KEY"; 3]);
    assert_eq!(codes(&everywhere, &["a", "b", "c"]).await, ["INVALID_KEY", "INVALID_KEY", "RATE_LIMITED"]);
}

#[tokio::test]
async fn an_answer_older_than_the_largest_age_is_asked_for_anew() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let clock = Arc::new(ManualClock::new());
    let everywhere = patient(kinde(&emulator)).clock(Arc::clone(&clock) as _).build().unwrap();
    let careful = everywhere.with_options().max_age(Duration::from_secs(30)).build().unwrap();
    let ask = async |keys: &Authenticator| keys.authenticate(&bearer(&issued.secret)).await.unwrap();
    assert!(!ask(&careful).await.is_from_cache());
    clock.advance(Duration::from_secs(30));
    assert!(ask(&careful).await.is_from_cache(), "it is not older");
    clock.advance(Duration::from_secs(1));
    assert!(ask(&everywhere).await.is_from_cache());
    let anew = ask(&careful).await;
    assert!(!anew.is_from_cache() && anew.age() < Duration::from_secs(1), "{anew:?}");
    assert_eq!(ask(&everywhere).await.age(), Duration::ZERO, "everybody has the younger answer");
    assert_eq!(emulator.counters().verify_calls, 2);
}

#[tokio::test]
async fn no_outage_lets_an_answer_older_than_the_largest_age_serve() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let clock = Arc::new(ManualClock::new());
    let builder = patient(kinde(&emulator)).stale_if_error(Duration::from_secs(3600));
    let everywhere = builder.clock(Arc::clone(&clock) as _).build().unwrap();
    let careful = everywhere.with_options().max_age(Duration::from_secs(30)).build().unwrap();
    assert_eq!(told(&everywhere.verify(key(&issued.secret)).await), issued.key_id);
    emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    for (seconds, everywhere_is_stale) in [(31, false), (400, true)] {
        clock.advance(Duration::from_secs(seconds));
        let answer = careful.authenticate(&bearer(&issued.secret)).await;
        assert_eq!(told(&answer), "VERIFICATION_UNAVAILABLE", "after {seconds} s");
        let answer = everywhere.authenticate(&bearer(&issued.secret)).await.unwrap();
        assert_eq!(answer.is_stale(), everywhere_is_stale, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_refusal_on_a_careful_route_counts_everywhere() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let clock = Arc::new(ManualClock::new());
    let everywhere = patient(kinde(&emulator)).clock(Arc::clone(&clock) as _).build().unwrap();
    let careful = everywhere.with_options().max_age(Duration::ZERO).build().unwrap();
    assert_eq!(told(&everywhere.verify(key(&issued.secret)).await), issued.key_id);
    clock.advance(Duration::from_secs(1));
    emulator.revoke(&issued.key_id);
    assert_eq!(told(&careful.authenticate(&bearer(&issued.secret)).await), "KEY_REVOKED");
    assert_eq!(told(&everywhere.authenticate(&bearer(&issued.secret)).await), "KEY_REVOKED");
}

#[tokio::test]
async fn a_gate_of_some_routes_decides_by_their_options() {
    let (verifier, _) =
        Fake::new(|_| Box::pin(async { Err(VerifierError::new(FailureClass::Outage, "down")) }));
    let everywhere = patient(verifier).build().unwrap();
    let partners = everywhere.with_options().realm("partners").build().unwrap();
    let policy = Policy::any_key();
    let nothing = PlainRequest::new();
    let decision = partners.gate(&policy).decide(partners.begin(&nothing), &nothing, |key| key);
    let headers = decision.wait().await.unwrap_err().response().headers;
    assert!(headers.contains(&("www-authenticate", r#"Bearer realm="partners""#.to_owned())), "{headers:?}");
}

#[tokio::test]
async fn bad_options_are_named_when_they_are_built() {
    let (verifier, _) = Fake::new(anyone);
    let everywhere = patient(verifier).build().unwrap();
    let refused = |options: RouteOptions| options.build().unwrap_err().setting();
    let options = || everywhere.with_options();
    assert_eq!(refused(options().realm("")), "realm");
    assert_eq!(refused(options().credential_sources([])), "credential_sources");
    assert_eq!(refused(options().max_age(Duration::from_secs(86_401))), "max_age");
    assert_eq!(
        refused(options().attempt_limit(AttemptLimit::new(0, Duration::from_secs(1)))),
        "attempt_limit"
    );
}

#[tokio::test]
async fn what_is_cached_under_a_key_id_is_told() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let clock = Arc::new(ManualClock::new());
    let keys = patient(kinde(&emulator)).clock(Arc::clone(&clock) as _).build().unwrap();
    assert_eq!(keys.cached(&issued.key_id), []);
    assert_eq!(told(&keys.verify(key(&issued.secret)).await), issued.key_id);
    clock.advance(Duration::from_secs(7));
    let cached = keys.cached(&issued.key_id);
    let [answer] = &cached[..] else { panic!("{cached:?}") };
    assert_eq!(
        (answer.age(), answer.is_from_cache(), answer.has_scope("read:users")),
        (Duration::from_secs(7), true, true)
    );
    assert_eq!(keys.cached("another"), []);
    clock.advance(Duration::from_secs(300));
    assert_eq!(keys.cached(&issued.key_id), [], "its time is up");
}

#[tokio::test]
async fn a_careful_routes_flight_lets_others_take_a_stale_answer() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let clock = Arc::new(ManualClock::new());
    let everywhere = patient(kinde(&emulator))
        .stale_if_error(Duration::from_secs(3600))
        .stale_while_slow(Duration::from_millis(20))
        .clock(Arc::clone(&clock) as _)
        .build()
        .unwrap();
    let careful = everywhere.with_options().max_age(Duration::from_secs(30)).build().unwrap();
    assert_eq!(told(&everywhere.verify(key(&issued.secret)).await), issued.key_id);
    clock.advance(Duration::from_secs(301));
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let anew = tokio::spawn(careful.authenticate(&bearer(&issued.secret)));
    emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    let joined = everywhere.authenticate(&bearer(&issued.secret)).await.unwrap();
    assert!(joined.is_stale() && !anew.is_finished());
    gate.open();
    assert!(!anew.await.unwrap().unwrap().is_stale());
}

#[tokio::test]
async fn routes_with_options_renew_answers_ahead_too() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let clock = Arc::new(ManualClock::new());
    let everywhere = patient(kinde(&emulator)).clock(Arc::clone(&clock) as _).build().unwrap();
    let partners = everywhere.with_options().realm("partners").build().unwrap();
    assert_eq!(told(&everywhere.verify(key(&issued.secret)).await), issued.key_id);
    // A jitter by key decides when the renewal is due: between 256 s and 285 s.
    clock.advance(Duration::from_secs(255));
    while emulator.counters().verify_calls == 1 {
        clock.advance(Duration::from_secs(1));
        let answer = partners.authenticate(&bearer(&issued.secret)).await;
        assert!(answer.unwrap().is_from_cache());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_answer_that_a_verifier_kept_serves_no_careful_route() {
    let clock = Arc::new(ManualClock::new());
    clock.advance(Duration::from_secs(3600));
    let now = Arc::clone(&clock);
    let (verifier, _) = Fake::new(move |id| {
        let asked_at = now.now() - Duration::from_secs(200);
        let judgement = Judgement::accepted(Verification::active(id)).with_asked_at(asked_at);
        Box::pin(async move { Ok(judgement) })
    });
    let everywhere = patient(verifier).clock(Arc::clone(&clock) as _).build().unwrap();
    let careful = everywhere.with_options().max_age(Duration::from_secs(30)).build().unwrap();
    assert_eq!(told(&careful.authenticate(&bearer("k1")).await), "VERIFICATION_UNAVAILABLE");
    assert_eq!(told(&everywhere.authenticate(&bearer("k1")).await), "k1");
}
