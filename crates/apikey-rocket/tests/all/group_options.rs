//! A group of routes with an authenticator of its own.

use apikey_rocket::{ApiKey, ApiKeys, Authenticator, CredentialSource, Policy};
use rocket::http::{Header, Status};
use rocket::local::asynchronous::Client;
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, get, routes};

use crate::world::{ask, client, keys, quiet, verifier};

#[get("/")]
fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

fn partners(keys: &Authenticator) -> Authenticator {
    keys.with_options()
        .realm("partners")
        .credential_sources([CredentialSource::header("X-Partner-Key")])
        .build()
        .unwrap()
}

async fn ask_as_partner(client: &Client, path: &str, key: &str) -> (u16, String) {
    let header = Header::new("X-Partner-Key", key.to_owned());
    let response = client.get(path.to_owned()).header(header).dispatch().await;
    (response.status().code, response.into_string().await.unwrap_or_default())
}

#[rocket::async_test]
async fn a_group_and_its_guards_follow_the_groups_options() {
    let verifier = verifier();
    let keys = keys(&verifier);
    let group = ApiKeys::require("admin", routes![me]).authenticator(partners(&keys));
    let rocket = quiet().attach(ApiKeys::fairing(keys)).mount("/partners", group).mount("/", routes![me]);
    let client = client(rocket).await;
    assert_eq!(ask_as_partner(&client, "/partners", "admin").await, (200, "key_admin".to_owned()));
    assert_eq!(verifier.calls(), 1, "the group and the guard ask once");
    assert_eq!(ask_as_partner(&client, "/partners", "user").await.0, 403);
    assert_eq!(ask(&client, "/", Some("user")).await, (200, "key_user".to_owned()));
    assert_eq!(ask_as_partner(&client, "/", "user").await.0, 401);
    let response = client.get("/partners").dispatch().await;
    assert_eq!(response.headers().get_one("www-authenticate"), Some(r#"Bearer realm="partners""#));
}

#[rocket::async_test]
async fn a_route_outside_of_the_group_does_not_follow_its_options() {
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
    #[get("/", rank = 2)]
    fn outside(key: ApiKey) -> String {
        format!("outside {}", key.key_id())
    }
    let keys = keys(&verifier());
    let group = ApiKeys::require(Policy::any_key(), routes![steps_aside]).authenticator(partners(&keys));
    let rocket = quiet().attach(ApiKeys::fairing(keys)).mount("/", group).mount("/", routes![outside]);
    let client = client(rocket).await;
    assert_eq!(ask_as_partner(&client, "/", "user").await.0, 401);
    let both = client.get("/").header(Header::new("X-Partner-Key", "user"));
    let both = both.header(Header::new("Authorization", "Bearer admin")).dispatch().await;
    assert_eq!(both.into_string().await.as_deref(), Some("outside key_admin"));
}

#[rocket::async_test]
async fn a_group_that_should_remove_credentials_answers_500() {
    let keys = keys(&verifier());
    let removing = Authenticator::builder(verifier()).remove_credential(true).build().unwrap();
    let group = ApiKeys::require(Policy::any_key(), routes![me]).authenticator(removing);
    let client = client(quiet().attach(ApiKeys::fairing(keys)).mount("/", group)).await;
    assert_eq!(ask(&client, "/", Some("user")).await.0, 500);
}
