use apikey_conformance::Adapter as _;
use apikey_rocket::{ApiKey, ApiKeys, DenialCode, MaybeApiKey, Rejection, Scoped, scopes};
use apikey_testkit::raw;
use rocket::http::{Header, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, State, get, routes};

use crate::server::RocketAdapter;
use crate::world::{INVALID, MISSING, ask, client, keys, protected, quiet, verifier};

scopes! { pub Admin = "admin"; pub User = "user"; }

#[rocket::async_test]
async fn a_refusal_lets_no_route_of_lower_rank_answer() {
    #[get("/")]
    fn first(_key: Scoped<Admin>) -> &'static str {
        "first"
    }
    #[get("/", rank = 2)]
    fn second() -> &'static str {
        "second"
    }
    let client = client(protected().mount("/", routes![first, second])).await;
    assert_eq!(ask(&client, "/", None).await, (401, MISSING.to_owned()));
    assert_eq!(ask(&client, "/", Some("nobody")).await, (401, INVALID.to_owned()));
    assert_eq!(ask(&client, "/", Some("user")).await.0, 403);
    assert_eq!(ask(&client, "/", Some("odd")).await.0, 503);
    assert_eq!(ask(&client, "/", Some("admin")).await, (200, "first".to_owned()));
}

/// Runs two guards at once, as a guard of the user's own may.
struct SideBySide(String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SideBySide {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        match tokio::join!(request.guard::<ApiKey>(), request.guard::<Scoped<User>>()) {
            (Outcome::Success(key), Outcome::Success(scoped)) => {
                Outcome::Success(Self(format!("{} {}", key.key_id(), scoped.key_id())))
            }
            (outcome, _) => outcome.map(|key| Self(key.key_id().to_owned())),
        }
    }
}

#[rocket::async_test]
async fn guards_of_one_request_ask_once_with_the_cache_off() {
    #[get("/")]
    fn all(one: SideBySide, two: MaybeApiKey, three: Scoped<User>) -> String {
        format!("{} {} {}", one.0, two.key().is_some(), three.into_key().key_id())
    }
    let verifier = verifier();
    let rocket = quiet().attach(ApiKeys::fairing(keys(&verifier))).mount("/", routes![all]);
    let client = client(rocket).await;
    let good = "key_user key_user true key_user".to_owned();
    assert_eq!(ask(&client, "/", Some("user")).await, (200, good));
    assert_eq!(verifier.calls(), 1);
    assert_eq!(ask(&client, "/", Some("nobody")).await, (401, INVALID.to_owned()));
    assert_eq!(verifier.calls(), 2);
}

#[rocket::async_test]
async fn an_option_of_a_guard_swallows_every_refusal() {
    #[get("/")]
    fn tempting(key: Option<ApiKey>) -> &'static str {
        if key.is_some() { "known" } else { "anonymous" }
    }
    #[get("/safe")]
    fn safe(key: MaybeApiKey) -> &'static str {
        if key.key().is_some() { "known" } else { "anonymous" }
    }
    let client = client(protected().mount("/", routes![tempting, safe])).await;
    for (key, instead) in [(None, 200), (Some("user"), 200), (Some("nobody"), 401), (Some("odd"), 503)] {
        let body = if key == Some("user") { "known" } else { "anonymous" };
        assert_eq!(ask(&client, "/", key).await, (200, body.to_owned()), "{key:?}");
        assert_eq!(ask(&client, "/safe", key).await.0, instead, "{key:?}");
    }
}

#[rocket::async_test]
async fn a_handler_may_word_the_refusal_itself() {
    #[get("/")]
    fn own(key: Result<ApiKey, Rejection>) -> Result<String, (Status, String)> {
        match key {
            Ok(key) => Ok(key.key_id().to_owned()),
            // The denial's own status, so that nothing but the way it came tells it from a denial.
            Err(rejection) => Err((Status::Unauthorized, format!("sorry: {}", rejection.denial().code()))),
        }
    }
    #[get("/as-it-is")]
    fn as_it_is(key: Result<ApiKey, Rejection>) -> Result<String, Rejection> {
        key.map(|key| key.key_id().to_owned())
    }
    let client = client(protected().mount("/", routes![own, as_it_is])).await;
    assert_eq!(ask(&client, "/", None).await, (401, "sorry: MISSING_KEY".to_owned()));
    assert_eq!(ask(&client, "/", Some("nobody")).await, (401, "sorry: INVALID_KEY".to_owned()));
    assert_eq!(ask(&client, "/", Some("user")).await, (200, "key_user".to_owned()));
    assert_eq!(ask(&client, "/as-it-is", Some("nobody")).await, (401, INVALID.to_owned()));
}

#[rocket::async_test]
async fn the_users_own_state_stands_beside_the_authenticator() {
    #[get("/")]
    fn greet(greeting: &State<String>, key: ApiKey) -> String {
        format!("{greeting} {}", key.key_id())
    }
    let keys = keys(&verifier());
    let rocket = quiet().manage("hello".to_owned()).manage(keys.clone()).attach(ApiKeys::fairing(keys));
    let client = client(rocket.mount("/", routes![greet])).await;
    assert_eq!(ask(&client, "/", Some("user")).await, (200, "hello key_user".to_owned()));
}

#[rocket::async_test]
async fn clones_of_a_local_request_share_what_was_learned() {
    #[get("/")]
    fn me(key: ApiKey) -> String {
        key.key_id().to_owned()
    }
    let verifier = verifier();
    let client = client(quiet().attach(ApiKeys::fairing(keys(&verifier))).mount("/", routes![me])).await;
    let request = client.get("/").header(Header::new("Authorization", "Bearer user"));
    for _ in 0..2 {
        assert_eq!(request.clone().dispatch().await.status(), Status::Ok);
    }
    assert_eq!(verifier.calls(), 1, "Rocket clones the local cache, too");
}

/// Rocket itself looks at the first 14 bytes of every body before anybody can refuse, in search of a form's `_method`.
#[rocket::async_test]
async fn a_key_is_refused_before_the_rest_of_the_body_comes() {
    let server = RocketAdapter::start(keys(&verifier())).await;
    for (authorization, status) in
        [("", 401), ("nonsense", 401), ("Bearer nobody", 401), ("Bearer user", 403)]
    {
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\
             Content-Length: 1000\r\n\r\n0123456789abcd"
        );
        let mut connection = raw::Connection::connect(server.address()).await.unwrap();
        connection.send(head.as_bytes()).await.unwrap();
        assert_eq!(connection.read_response(false).await.unwrap().status, status, "{authorization}");
    }
}

#[rocket::async_test]
async fn a_guard_tells_its_reason_to_guards_that_are_built_on_it() {
    struct Strict;

    #[rocket::async_trait]
    impl<'r> FromRequest<'r> for Strict {
        type Error = DenialCode;

        async fn from_request(request: &'r Request<'_>) -> Outcome<Self, DenialCode> {
            let key = request.guard::<ApiKey>().await;
            key.map(|_| Self).map_error(|(status, rejection)| (status, rejection.denial().code()))
        }
    }
    #[get("/")]
    fn handler(_strict: Strict) {}
    let client = client(protected().mount("/", routes![handler])).await;
    assert_eq!(ask(&client, "/", None).await, (401, MISSING.to_owned()));
    assert_eq!(ask(&client, "/", Some("admin")).await.0, 200);
}
