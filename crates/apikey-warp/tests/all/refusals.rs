//! What `answer_refusals` makes of refused requests, and what it leaves alone.

use std::collections::HashMap;

use apikey_warp::{
    ApiKey, Authenticator, Denial, DenialBody, DenialCode, Denied, Policy, answer_refusals, api_key,
    preflight, require,
};
use tower_service::Service as _;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{Method, Request};
use warp::reply::Response;

use crate::world::{ADMIN, READER, REVOKED, get, told, uncached, verifier};

fn keys() -> Authenticator {
    uncached(&verifier()).build().unwrap()
}

fn protected(keys: &Authenticator) -> BoxedFilter<(Response,)> {
    let upload = warp::path!("upload").and(warp::post()).and(api_key(keys, Policy::all(["admin"])));
    let upload = upload.and(warp::body::content_length_limit(20)).and(warp::body::json());
    answer_refusals(keys, upload.map(|_: ApiKey, _: HashMap<String, u8>| "taken")).boxed()
}

fn post(path: &str, key: Option<&str>, body: &str) -> warp::test::RequestBuilder {
    get(path, key).method("POST").header("content-length", body.len()).body(body)
}

#[tokio::test]
async fn what_no_key_filter_rejects_keeps_its_own_status() {
    let routes = protected(&keys());
    let good = r#"{"a":1}"#;
    for (path, key, body, status) in [
        ("/upload", Some(ADMIN), good, 200),
        ("/upload", Some(ADMIN), "no JSON", 400), // the route has taken the body
        ("/upload", Some(ADMIN), r#"{"a":1,"b":2,"c":3,"d":4}"#, 413),
        ("/elsewhere", None, good, 404),
        ("/upload", Some(READER), good, 403),
        ("/upload", Some(REVOKED), good, 401),
        ("/upload", None, good, 401),
        ("/upload", None, "", 401),
    ] {
        assert_eq!(post(path, key, body).reply(&routes).await.status(), status, "{path} {body}");
    }
    assert_eq!(get("/upload", None).reply(&routes).await.status(), 405);
}

#[tokio::test]
async fn a_refusal_carries_its_denial_for_services_around() {
    for keys in
        [keys(), uncached(&verifier()).denial_renderer(|_, _| DenialBody::new("a/b", "")).build().unwrap()]
    {
        let mut service = warp::service(protected(&keys));
        let request = Request::post("/upload").header("authorization", format!("Bearer {REVOKED}"));
        let response = service.call(request.body(String::new()).unwrap()).await.unwrap();
        let denial = response.extensions().get::<Denial>().unwrap();
        assert_eq!((response.status().as_u16(), denial.code()), (401, DenialCode::KeyRevoked));
    }
}

/// A rejection lets other branches try, and this one takes every `GET`. So refusals are answered before it.
#[tokio::test]
async fn a_catch_all_answers_a_refused_request_only_outside() {
    let keys = keys();
    let me = || warp::path!("me").and(api_key(&keys, Policy::any_key())).map(|_: ApiKey| "you");
    let rest = || warp::get().map(|| "the rest");
    let wrong = answer_refusals(&keys, me().or(rest()));
    assert_eq!(told(&get("/me", None).reply(&wrong).await), (200, "the rest".to_owned()));
    let right = answer_refusals(&keys, me()).or(rest());
    assert_eq!(told(&get("/me", None).reply(&right).await), (401, "MISSING_KEY".to_owned()));
    assert_eq!(told(&get("/me", Some(READER)).reply(&right).await), (200, "you".to_owned()));
    assert_eq!(told(&get("/elsewhere", None).reply(&right).await), (200, "the rest".to_owned()));
}

#[tokio::test]
async fn a_pre_flight_runs_no_handler_but_its_own() {
    let keys = keys();
    let path = warp::path!("any");
    let guarded = path.and(require(&keys, Policy::any_key())).map(|| "for any method".to_owned());
    let routes = path.and(preflight()).map(|asked: Method| asked.to_string()).or(guarded);
    let routes = answer_refusals(&keys, routes);
    let asks = |method: &'static str| {
        let request = get("/any", None).method("OPTIONS").header("origin", "https://app.example");
        request.header("access-control-request-method", method)
    };
    assert_eq!(told(&asks("PUT").reply(&routes).await), (200, "PUT".to_owned()));
    assert_eq!(told(&asks("no method").reply(&routes).await), (401, "MISSING_KEY".to_owned()));
    assert_eq!(get("/any", None).method("OPTIONS").reply(&routes).await.status(), 401);
    let put = asks("PUT").method("PUT").reply(&routes).await;
    assert_eq!(told(&put), (401, "MISSING_KEY".to_owned()));
}

#[tokio::test]
async fn a_handler_that_returns_denied_answers_as_the_filters_do() {
    let keys = keys();
    let for_organization = |code: &'static str| {
        let again = keys.clone();
        api_key(&keys, Policy::any_key()).map(move |key: ApiKey| -> Result<String, Denied> {
            again.authorize(&key, &Policy::organization(code))?;
            Ok(key.key_id().to_owned())
        })
    };
    let asked = get("/", Some(ADMIN)).reply(&for_organization("org_acme")).await;
    assert_eq!(told(&asked), (200, "administrator".to_owned()));
    let refused = get("/", Some(ADMIN)).reply(&for_organization("org_globex")).await;
    assert_eq!(told(&refused), (403, "ORGANIZATION_MISMATCH".to_owned()));
    assert_eq!(refused.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn a_cors_wrapper_behind_a_path_is_for_that_path_alone() {
    let keys = keys();
    let cors = warp::cors().allow_any_origin().allow_method("GET");
    let guarded = warp::get().and(api_key(&keys, Policy::any_key())).map(|_: ApiKey| "you");
    let one = warp::path!("one").and(answer_refusals(&keys, guarded).with(cors));
    let routes = one.or(warp::path!("two").map(|| "two"));
    let preflight = |path| {
        let request = get(path, None).method("OPTIONS").header("origin", "https://app.example");
        request.header("access-control-request-method", "GET")
    };
    assert_eq!(told(&preflight("/one").reply(&routes).await), (200, String::new()));
    assert_eq!(told(&preflight("/two").reply(&routes).await), (200, "two".to_owned()));
    let refused = get("/one", None).header("origin", "https://app.example").reply(&routes).await;
    assert_eq!(told(&refused), (401, "MISSING_KEY".to_owned()));
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://app.example");
}
