//! What becomes of rejections: ours and others', recovered and not.

use apikey_core::VerifierError;
use apikey_warp::{ApiKey, Denied, Policy, api_key, recover};
use warp::reject::{MethodNotAllowed, Reject};
use warp::{Filter, Rejection};

use crate::world::{ADMIN, READER, REVOKED, get, told, uncached, verifier};

#[tokio::test]
async fn nobody_is_let_in_if_recover_is_forgotten() {
    let verifier = verifier().with_failure("k_live_odd", VerifierError::outage("upstream.example"));
    let keys = uncached(&verifier).build().unwrap();
    let route = api_key(&keys, Policy::all(["admin"])).map(|_: ApiKey| "let in");
    for (key, code) in [
        (Some(READER), "403 INSUFFICIENT_SCOPE"),
        (Some(REVOKED), "401 KEY_REVOKED"),
        (Some("two words"), "401 INVALID_FORMAT"),
        (Some("k_live_odd"), "503 VERIFICATION_UNAVAILABLE"),
        (None, "401 MISSING_KEY"),
    ] {
        let response = get("/", key).reply(&route).await;
        let body = format!("Unhandled rejection: Denied({code})");
        assert_eq!(told(&response), (500, body));
    }
}

#[tokio::test]
async fn rejections_of_others_are_passed_on() {
    #[derive(Debug)]
    struct Foreign;
    impl Reject for Foreign {}

    for foreign in [warp::reject::not_found(), warp::reject::custom(Foreign)] {
        assert!(recover(foreign).await.is_err());
    }
    assert!(recover(warp::reject::custom(Foreign)).await.unwrap_err().find::<Foreign>().is_some());

    let keys = uncached(&verifier()).build().unwrap();
    let body = warp::body::content_length_limit(4).and(warp::body::bytes());
    let route = warp::path!("only").and(warp::post()).and(api_key(&keys, Policy::any_key())).and(body);
    let routes = route.map(|_: ApiKey, _| "taken").recover(recover);
    let post = |path| get(path, Some(READER)).method("POST");
    assert_eq!(get("/elsewhere", Some(READER)).reply(&routes).await.status(), 404);
    assert_eq!(get("/only", Some(READER)).reply(&routes).await.status(), 405);
    assert_eq!(post("/only").body("four").reply(&routes).await.status(), 200);
    assert_eq!(post("/only").header("content-length", 5).body("fives").reply(&routes).await.status(), 413);
}

#[tokio::test]
async fn a_denial_that_a_handler_makes_is_recovered_too() {
    let keys = uncached(&verifier()).build().unwrap();
    let organization = |code: &'static str| {
        let again = keys.clone();
        let route = api_key(&keys, Policy::any_key()).and_then(move |key: ApiKey| {
            let authorized = again.authorize(&key, &Policy::organization(code));
            async move { authorized.map(|()| "yours").map_err(|denial| Rejection::from(Denied::from(denial))) }
        });
        route.recover(recover)
    };
    let asked = |code, key| async move { told(&get("/", Some(key)).reply(&organization(code)).await) };
    assert_eq!(asked("org_acme", ADMIN).await, (200, "yours".to_owned()));
    assert_eq!(asked("org_globex", ADMIN).await, (403, "ORGANIZATION_MISMATCH".to_owned()));
    assert_eq!(asked("org_acme", READER).await, (403, "ORGANIZATION_KEY_REQUIRED".to_owned()));
}

#[tokio::test]
async fn a_recover_of_ones_own_finds_the_denial_among_others() {
    let keys = uncached(&verifier()).build().unwrap();
    let path = warp::path!("users");
    let create = path.and(warp::post()).map(|| "created");
    let list = path.and(warp::get()).and(api_key(&keys, Policy::any_key())).map(|_: ApiKey| "users");
    let routes = create.or(list).recover(|rejection: Rejection| async move {
        assert!(rejection.find::<MethodNotAllowed>().is_some());
        recover(rejection).await.map(|denied| format!("denied: {denied}, {denied:?}"))
    });
    let response = get("/users", None).reply(&routes).await;
    assert_eq!(told(&response).1, "denied: No authorization header, Denied(401 MISSING_KEY)");
}

#[tokio::test]
async fn refusals_have_cross_origin_headers_preflights_need_no_key() {
    let keys = uncached(&verifier()).build().unwrap();
    let route =
        warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key())).map(|_: ApiKey| "you");
    let cors = warp::cors().allow_any_origin().allow_method("GET").allow_header("authorization");
    let routes = route.recover(recover).with(cors);
    let origin = |key| get("/me", key).header("origin", "https://app.example");

    let refused = origin(None).reply(&routes).await;
    assert_eq!(told(&refused), (401, "MISSING_KEY".to_owned()));
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(origin(Some(READER)).reply(&routes).await.status(), 200);
    let preflight = origin(None).method("OPTIONS").header("access-control-request-method", "GET");
    let preflight = preflight.header("access-control-request-headers", "authorization");
    assert_eq!(preflight.reply(&routes).await.status(), 200);
}
