//! What the adapter does to the program around it.

use apikey_rocket::{ApiKey, ApiKeys, Authenticator, DenialBody, Policy, Rejection, denial, verified_key};
use rocket::error::ErrorKind;
use rocket::fairing::{AdHoc, Fairing};
use rocket::http::{ContentType, Header, Method, Status};
use rocket::local::asynchronous::{Client, LocalRequest};
use rocket::{Build, Request, Rocket, State, catch, catchers, get, options, routes};

use crate::world::{client, keys, protected, quiet, verifier};

#[get("/guard")]
fn guard(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[get("/group")]
fn group() {}

#[get("/returned")]
fn returned(key: Result<ApiKey, Rejection>) -> Result<(), Rejection> {
    key.map(drop)
}

#[get("/organizations/<code>")]
fn organization(code: String, key: ApiKey, keys: &State<Authenticator>) -> Result<(), Rejection> {
    Ok(keys.authorize(&key, &Policy::organization(code))?)
}

/// Writes what it learns into the response.
fn access_log() -> impl Fairing {
    AdHoc::on_response("access log", |request, response| {
        let key = verified_key(request).map_or("-".to_owned(), |key| key.key_id().to_owned());
        let code = denial(request).map_or("-", |denial| denial.code().as_str());
        response.set_header(Header::new("x-log", format!("{key} {code}")));
        Box::pin(async {})
    })
}

fn app(keys: Authenticator) -> Rocket<Build> {
    quiet()
        .manage(keys.clone())
        .attach(ApiKeys::fairing(keys))
        .attach(access_log())
        .mount("/", routes![guard, returned, organization])
        .mount("/", ApiKeys::require(Policy::any_key(), routes![group]))
}

fn bearer(key: &str) -> Header<'static> {
    Header::new("Authorization", format!("Bearer {key}"))
}

/// Status, content type, body and log of an answer. Each refusal must keep its headers.
async fn answer(request: LocalRequest<'_>) -> (u16, String, String, String) {
    let response = request.dispatch().await;
    let header = |name: &str| response.headers().get_one(name).unwrap_or_default().to_owned();
    let (status, content_type, log) = (response.status().code, header("content-type"), header("x-log"));
    if status == 401 {
        assert_eq!(header("cache-control"), "no-store");
        assert!(header("www-authenticate").starts_with("Bearer realm="));
    }
    (status, content_type, response.into_string().await.unwrap_or_default(), log)
}

#[rocket::async_test]
async fn a_response_fairing_learns_why_a_request_was_refused() {
    let client = client(app(keys(&verifier()))).await;
    for path in ["/guard", "/group", "/returned"] {
        assert_eq!(answer(client.get(path)).await.3, "- MISSING_KEY", "{path}");
        assert_eq!(answer(client.get(path).header(bearer("nobody"))).await.3, "- INVALID_KEY", "{path}");
        assert_eq!(answer(client.get(path).header(bearer("user"))).await.3, "key_user -", "{path}");
    }
    let path = "/organizations/org_acme";
    assert_eq!(answer(client.get(path).header(bearer("user"))).await.3, "- ORGANIZATION_KEY_REQUIRED");
}

#[rocket::async_test]
async fn one_function_words_what_guards_groups_and_handlers_refuse() {
    let keys = Authenticator::builder(verifier()).denial_renderer(|denial, audience| {
        DenialBody::new("text/html", format!("{}, {:?}", denial.code(), audience.accept()))
    });
    let client = client(app(keys.build().unwrap())).await;
    for path in ["/guard", "/group", "/returned"] {
        let (status, content_type, body, _) = answer(client.get(path)).await;
        assert_eq!((status, &*content_type, &*body), (401, "text/html", "MISSING_KEY, None"), "{path}");
    }
    let request = client.get("/organizations/org_acme").header(bearer("user"));
    let (status, content_type, body, _) = answer(request.header(Header::new("accept", "text/html"))).await;
    let worded = r#"ORGANIZATION_KEY_REQUIRED, Some("text/html")"#;
    assert_eq!((status, &*content_type, &*body), (403, "text/html", worded));
}

#[rocket::async_test]
async fn a_rejection_that_a_handler_returns_asks_no_catcher() {
    #[catch(401)]
    fn unauthorized() -> &'static str {
        "caught"
    }
    #[catch(default)]
    fn anything(_: Status, _: &Request<'_>) -> &'static str {
        "caught"
    }
    let client = client(app(keys(&verifier())).register("/", catchers![unauthorized, anything])).await;
    assert_eq!(client.get("/guard").dispatch().await.into_string().await.as_deref(), Some("caught"));
    let (status, content_type, body, _) = answer(client.get("/returned")).await;
    assert_eq!((status, &*content_type, &*body), (401, "application/json", crate::world::MISSING));
}

#[rocket::async_test]
async fn a_grpc_request_is_refused_in_its_protocol_by_a_handler() {
    let client = client(app(keys(&verifier()))).await;
    let request = client.get("/organizations/org_acme").header(bearer("user"));
    let response = request.header(Header::new("content-type", "application/grpc")).dispatch().await;
    assert_eq!(response.status(), Status::Ok);
    assert_eq!(response.headers().get_one("grpc-status"), Some("7"));
}

#[rocket::async_test]
async fn a_handler_without_a_managed_authenticator_stops_the_launch() {
    let rocket = protected().mount("/", routes![organization]);
    let error = rocket.ignite().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::SentinelAborts(_)), "{error}");
}

fn preflight<'c>(client: &'c Client, method: Method, path: &'static str) -> LocalRequest<'c> {
    let request = client.req(method, path).header(Header::new("Origin", "https://a.example"));
    request.header(Header::new("Access-Control-Request-Method", "GET"))
}

/// The warning at `pass_preflight` says so.
#[rocket::async_test]
async fn a_passed_pre_flight_runs_an_options_handler_and_no_other() {
    #[options("/open")]
    fn open() -> &'static str {
        "secret"
    }
    #[options("/closed")]
    fn closed(_key: ApiKey) -> &'static str {
        "secret"
    }
    let group = ApiKeys::require(Policy::any_key(), routes![open, closed, group]).pass_preflight();
    let client = client(protected().mount("/", group)).await;
    let options = |path| preflight(&client, Method::Options, path);
    assert_eq!(answer(options("/open")).await.2, "secret");
    assert_eq!(answer(options("/closed")).await.0, 401);
    assert_eq!(answer(options("/group")).await.0, 404);
    assert_eq!(answer(preflight(&client, Method::Get, "/group")).await.0, 401);
    // A form can choose the method, and gets no farther.
    let form = preflight(&client, Method::Post, "/group").header(ContentType::Form).body("_method=OPTIONS");
    assert_eq!(answer(form).await.0, 404);
}

/// The first page says so.
#[rocket::async_test]
async fn a_group_leaves_paths_without_a_route_of_its_own_open() {
    #[get("/<_..>", rank = 20)]
    fn fallback() -> &'static str {
        "fallback"
    }
    let require = |routes| ApiKeys::require(Policy::any_key(), routes);
    let open = protected().mount("/", require(routes![group])).mount("/", routes![fallback]);
    let safe = protected().mount("/", require(routes![group, fallback]));
    assert_eq!(answer(client(open).await.get("/elsewhere")).await.0, 200);
    assert_eq!(answer(client(safe).await.get("/elsewhere")).await.0, 401);
}
