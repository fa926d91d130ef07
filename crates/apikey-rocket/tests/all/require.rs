use apikey_rocket::{ApiKey, ApiKeys, Policy};
use rocket::http::{Header, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, get, post, routes};

use crate::world::{MISSING, ask, client, keys, protected, quiet, verifier};

#[get("/")]
fn inside() -> &'static str {
    "inside"
}

#[get("/", rank = 2)]
fn outside() -> &'static str {
    "outside"
}

#[rocket::async_test]
async fn a_refusal_lets_no_route_outside_of_the_group_answer() {
    let group = ApiKeys::require("admin", routes![inside]);
    let client = client(protected().mount("/", group).mount("/", routes![outside])).await;
    assert_eq!(ask(&client, "/", None).await, (401, MISSING.to_owned()));
    assert_eq!(ask(&client, "/", Some("user")).await.0, 403);
    assert_eq!(ask(&client, "/", Some("odd")).await.0, 503);
    assert_eq!(ask(&client, "/", Some("admin")).await, (200, "inside".to_owned()));
}

#[rocket::async_test]
async fn a_route_that_forwards_passes_the_request_on() {
    struct Never;

    #[rocket::async_trait]
    impl<'r> FromRequest<'r> for Never {
        type Error = ();

        async fn from_request(_: &'r Request<'_>) -> Outcome<Self, ()> {
            Outcome::Forward(Status::NotFound)
        }
    }
    #[get("/")]
    fn steps_aside(_never: Never) {}
    let group = ApiKeys::require(Policy::any_key(), routes![steps_aside]);
    let client = client(protected().mount("/", group).mount("/", routes![outside])).await;
    assert_eq!(ask(&client, "/", Some("user")).await, (200, "outside".to_owned()));
    assert_eq!(ask(&client, "/", None).await.0, 401);
}

#[rocket::async_test]
async fn an_unknown_path_asks_nobody() {
    let verifier = verifier();
    let rocket = quiet().attach(ApiKeys::fairing(keys(&verifier)));
    let client = client(rocket.mount("/", ApiKeys::require("admin", routes![inside]))).await;
    assert_eq!(ask(&client, "/elsewhere", Some("admin")).await.0, 404);
    assert_eq!(verifier.calls(), 0);
}

#[rocket::async_test]
async fn groups_nest_and_ask_once() {
    let verifier = verifier();
    verifier.answer(
        "both",
        Ok(apikey_core::Judgement::accepted(
            apikey_rocket::Verification::active("key_both").with_scopes(["admin", "user"]),
        )),
    );
    #[get("/")]
    fn me(key: ApiKey) -> String {
        key.key_id().to_owned()
    }
    let group = ApiKeys::require("admin", ApiKeys::require("user", routes![me]));
    let client = client(quiet().attach(ApiKeys::fairing(keys(&verifier))).mount("/", group)).await;
    assert_eq!(ask(&client, "/", Some("both")).await, (200, "key_both".to_owned()));
    assert_eq!(verifier.calls(), 1);
    assert_eq!(ask(&client, "/", Some("admin")).await.0, 403);
    assert_eq!(ask(&client, "/", Some("user")).await.0, 403);
}

#[rocket::async_test]
async fn the_handler_gets_path_and_body_as_ever() {
    #[post("/<name>", data = "<body>", rank = 7)]
    fn greet(name: &str, body: String) -> String {
        format!("{body} {name}")
    }
    let before = routes![greet];
    let after: Vec<rocket::Route> = ApiKeys::require("user", before.clone()).into();
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    let client = client(protected().mount("/", after)).await;
    for _ in 0..2 {
        let request = client.post("/Ada").header(Header::new("Authorization", "Bearer user")).body("hello");
        assert_eq!(request.dispatch().await.into_string().await.as_deref(), Some("hello Ada"));
    }
}
