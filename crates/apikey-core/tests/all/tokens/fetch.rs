//! How a token is fetched, and what follows if a fetch fails, hangs or loses its runtime.

use super::*;

#[tokio::test]
async fn each_wrong_setting_is_named() {
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    for (setting, value) in [
        ("KINDE_MANAGEMENT_CLIENT_ID", "nobody"),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", "wrong-secret-canary"),
        ("KINDE_MANAGEMENT_AUDIENCE", "https://elsewhere.kinde.com/api"),
    ] {
        let verifier = KindeVerifier::new(settings_with(&emulator, &[(setting, value)])).unwrap();
        let error = verifier.verify(&key(&key_.secret)).await.unwrap_err();
        assert!(is_set_up(&error), "{setting}: {error}");
        assert!(said(&error).contains(setting), "{setting}: {error}");
        assert!(!said(&error).contains("canary"), "{error}");
    }
    assert_eq!(emulator.counters().verify_calls, 0);
}

#[tokio::test]
async fn an_outage_of_the_token_endpoint_ends_with_it() {
    let cases = [
        Fault::status(429),
        Fault::TooManyRequests { rate_limit_reset: Some(7), retry_after: None },
        Fault::status(500),
        Fault::status(503),
        Fault::Garbage,
        Fault::RawGarbage,
        Fault::Empty,
        Fault::Reset,
        Fault::Close,
        Fault::HugeBody(200 << 20),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"token_type": "bearer", "expires_in": 3600}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"access_token": "", "expires_in": 3600}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"access_token": "two words"}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"access_token": "a\r\nx: y"}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"access_token": 1}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!(["abc", 3600]))),
        Fault::Answer(ScriptedAnswer::json(400, &json!({"error": "something_new"}))),
        Fault::Answer(ScriptedAnswer::new(403, "<html>blocked by a firewall</html>")),
    ];
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    for fault in cases {
        let verifier = kinde(&emulator);
        emulator.reset_counters();
        emulator.set_fault(Endpoint::Token, Some(fault.clone()));
        let said = verifier.verify(&key(&key_.secret)).await;
        assert_eq!(kind(&said), "unavailable", "{fault:?}: {said:?}");
        assert_eq!(emulator.counters().verify_calls, 0, "{fault:?}");
        emulator.set_fault(Endpoint::Token, None);
        assert_eq!(verify(&verifier, &key_.secret).await, "accepted", "recovers right after {fault:?}");
    }
}

/// Time moves only to the deadlines: first that of the verification, then that of the fetch.
#[tokio::test]
async fn a_token_endpoint_that_hangs_is_given_up() {
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    let authenticator = apikey_core::Authenticator::builder(kinde(&emulator)).build().unwrap();
    emulator.set_fault(Endpoint::Token, Some(Fault::Hang));
    let waiting = tokio::spawn({
        let authenticator = authenticator.clone();
        let key = key(&key_.secret);
        async move { authenticator.verify(key).await }
    });
    emulator.wait_until(|counters| counters.token_calls == 1).await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    assert_eq!(told(&waiting.await.unwrap()), "VERIFICATION_UNAVAILABLE");
    assert!(started.elapsed() <= Duration::from_millis(3100), "{:?}", started.elapsed());
    tokio::time::sleep(Duration::from_secs(10)).await;
    tokio::time::resume();
    let calls = emulator.counters().token_calls;
    assert!(calls <= 4, "{calls} calls: one, and second tries beside it");
    emulator.set_fault(Endpoint::Token, None);
    assert_eq!(told(&authenticator.verify(key(&key_.secret)).await), key_.key_id);
    assert_eq!(emulator.counters().token_calls, calls + 1);
}

#[tokio::test]
async fn a_caller_that_gives_up_cancels_a_fetch_for_nobody_else() {
    let emulator = emulator().await;
    let keys = readers(&emulator, 2);
    let verifier = Arc::new(kinde(&emulator));
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Token, Some(Fault::Hold(gate.clone())));
    let impatient = patient(Shared(Arc::clone(&verifier))).verification_timeout(SHORT).build().unwrap();
    // It is dropped at the end, because its connections end with its thread.
    let patient = patient(Shared(verifier)).build().unwrap();
    let other = tokio::spawn({
        let (patient, key) = (patient.clone(), key(&keys[1].secret));
        async move { patient.verify(key).await }
    });
    assert_eq!(told(&impatient.verify(key(&keys[0].secret)).await), "VERIFICATION_UNAVAILABLE");
    emulator.wait_until(|counters| counters.token_calls == 1).await;
    gate.open();
    assert_eq!(told(&other.await.unwrap()), keys[1].key_id);
    assert_eq!(told(&impatient.verify(key(&keys[0].secret)).await), keys[0].key_id);
    assert_eq!(emulator.counters().token_calls, 1);
}

#[tokio::test]
async fn the_token_is_asked_for_as_oauth_has_it() {
    let server = RawServer::start(|request| {
        if request.starts_with("POST /oauth2/token") {
            ok(r#"{"access_token":"abc.def","expires_in":3600}"#)
        } else {
            ok(r#"{"is_valid":true,"status":"active","key_id":"api_key_1"}"#)
        }
    })
    .await;
    let settings = KindeSettings::new(&server.url)
        .machine_to_machine(MachineToMachine::new("an id", "s&cret=+/ü%"))
        .audience("https://example.kinde.com/api");
    let verifier = KindeVerifier::new(settings).unwrap();
    assert_eq!(verify(&verifier, "k_live_1").await, "accepted");
    let request = &server.requests()[0];
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /oauth2/token HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded"), "{head}");
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(
        body,
        "grant_type=client%5Fcredentials&client_id=an%20id&client_secret=s%26cret%3D%2B%2F%C3%BC%25\
         &audience=https%3A%2F%2Fexample%2Ekinde%2Ecom%2Fapi"
    );
}

/// The runtime that fetches a token may be dropped. Callers that wait for the token must not hang, or be refused for
/// good.
#[test]
fn a_fetch_whose_runtime_goes_away_is_made_anew() {
    let stage = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = stage.block_on(emulator());
    let key_ = reader(&emulator);
    let verifier = Arc::new(kinde(&emulator));
    emulator.set_fault(Endpoint::Token, Some(Fault::Hang));
    let short_lived =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let carried = Arc::clone(&verifier);
    let secret = key_.secret.clone();
    short_lived.spawn(async move { verify(&carried, &secret).await });
    stage.block_on(emulator.wait_until(|counters| counters.token_calls == 1));
    let waiting = {
        let (verifier, secret) = (Arc::clone(&verifier), key_.secret.clone());
        stage.spawn(async move { verify(&verifier, &secret).await })
    };
    stage.block_on(async {
        // It can't show that it waits. After one poll it does.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    emulator.set_fault(Endpoint::Token, None);
    short_lived.shutdown_background();
    let answer = stage.block_on(waiting).unwrap();
    assert!(matches!(answer, "unavailable" | "accepted"), "{answer}");
    assert_eq!(stage.block_on(verify(&verifier, &key_.secret)), "accepted");
    assert_eq!(emulator.counters().token_calls, 2);
}

/// In actix-web, each worker has a runtime of its own. If a handler blocks its worker, the fetch that started there
/// stalls. Once the fetch is past its time, other workers make their own.
#[test]
fn a_fetch_whose_runtime_stalls_is_not_waited_for_for_ever() {
    let stage = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = stage.block_on(emulator());
    let issued = reader(&emulator);
    let (verifier, clock) = kinde_with_clock(&emulator);
    emulator.set_fault(Endpoint::Token, Some(Fault::Hang));
    let blocked = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    blocked.block_on(async {
        tokio::select! {
            answer = verify(&verifier, &issued.secret) => panic!("{answer}"),
            _ = emulator.wait_until(|counters| counters.token_calls == 1) => {}
        }
    });
    // From here on nobody drives it, as if a handler blocked it.
    emulator.set_fault(Endpoint::Token, None);
    clock.advance(Duration::from_secs(11));
    let answer = stage.block_on(async {
        tokio::time::timeout(Duration::from_secs(5), verify(&verifier, &issued.secret)).await
    });
    drop(blocked);
    assert_eq!(answer.expect("an answer within five seconds"), "accepted");
}

/// A service with a wrong secret gets junk keys. The token endpoint gets a few calls, not one for each key.
#[tokio::test]
async fn a_refused_set_up_is_not_asked_about_for_every_key() {
    let emulator = emulator().await;
    let credentials = apikey_core::MachineToMachine::new(emulator.client_id(), "another secret");
    let settings = apikey_core::KindeSettings::new(emulator.url())
        .machine_to_machine(credentials)
        .audience(emulator.audience());
    let verifier = apikey_core::KindeVerifier::new(settings).unwrap();
    let began = std::time::Instant::now();
    for number in 0..200 {
        assert_eq!(verify(&verifier, &format!("k_live_{number}")).await, "misconfigured");
    }
    // The pause after the first of them lasts 1 s of real time.
    let bound = 16 + 1 + began.elapsed().as_secs();
    assert!(emulator.counters().token_calls <= bound, "{} calls", emulator.counters().token_calls);
}
