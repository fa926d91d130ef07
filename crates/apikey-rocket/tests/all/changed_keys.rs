//! Requests whose credential changes on their way. Rocket has no sub-requests: the nearest things are a fairing that changes
//! a header after a guard has looked at it, and clones of a local request, which share what was learned.

use std::time::Duration;

use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Fresh, MaybeApiKey, Policy, Scoped, denial};
use rocket::fairing::AdHoc;
use rocket::http::Header;
use rocket::local::asynchronous::Client;
use rocket::request::FromRequest as _;
use rocket::{Build, Request, Rocket, catch, catchers, get, routes};

use crate::world::{INVALID, ask, client, quiet, verifier};

#[get("/")]
fn who(key: MaybeApiKey, again: MaybeApiKey) -> String {
    assert_eq!(key, again);
    key.key().map_or("nobody".to_owned(), |key| key.key_id().to_owned())
}

#[get("/")]
fn fresh(key: Scoped<Fresh>, again: ApiKey) -> String {
    assert_eq!(*key, *again);
    key.key_id().to_owned()
}

fn keys(cache_seconds: u64) -> Authenticator {
    let builder = Authenticator::builder(verifier()).cache_time_to_live(Duration::from_secs(cache_seconds));
    builder.build().unwrap()
}

fn mounted(keys: Authenticator) -> Rocket<Build> {
    quiet()
        .attach(ApiKeys::fairing(keys))
        .mount("/", routes![who])
        .mount("/fresh", routes![fresh])
        .mount("/required", ApiKeys::require(Policy::any_key(), routes![who]))
}

async fn look(request: &Request<'_>) -> Option<String> {
    ApiKey::from_request(request).await.succeeded().map(|key| key.key_id().to_owned())
}

fn present(request: &mut Request<'_>, key: &str) {
    request.replace_header(Header::new("Authorization", format!("Bearer {key}")));
}

#[rocket::async_test]
async fn a_fairing_that_changes_the_key_changes_the_caller() {
    for cache_seconds in [0, 60] {
        let change = AdHoc::on_request("change", |request, _| {
            Box::pin(async move {
                look(request).await;
                match request.headers().get_one("x-then").map(str::to_owned) {
                    Some(key) => present(request, &key),
                    None => request.replace_header(Header::new("Authorization", "")),
                }
            })
        });
        let client = client(mounted(keys(cache_seconds)).attach(change)).await;
        let ask = async |path: &'static str, then: Option<&str>| {
            let mut request = client.get(path).header(Header::new("Authorization", "Bearer user"));
            if let Some(then) = then {
                request.add_header(Header::new("x-then", then.to_owned()));
            }
            request.dispatch().await.into_string().await.unwrap()
        };
        for path in ["/", "/fresh", "/required"] {
            for _ in ["cold", "warm"] {
                assert_eq!(ask(path, Some("user")).await, "key_user");
                assert_eq!(ask(path, Some("admin")).await, "key_admin");
                assert_eq!(ask(path, Some("nobody")).await, INVALID);
                assert!(ask(path, Some("two words")).await.contains("INVALID_FORMAT"));
                assert!(ask(path, Some("odd")).await.contains("VERIFICATION_UNAVAILABLE"));
                let nobody = ask(path, None).await;
                assert!(if path == "/" { nobody == "nobody" } else { nobody.contains("MISSING_KEY") });
            }
        }
    }
}

#[rocket::async_test]
async fn a_key_is_verified_once_while_it_is_presented() {
    let verifier = verifier();
    let keys = Authenticator::builder(verifier.clone()).cache_time_to_live(Duration::ZERO).build().unwrap();
    let change = AdHoc::on_request("change", |request, _| {
        Box::pin(async move {
            for (key, id) in [
                ("user", Some("key_user")),
                ("nobody", None),
                ("two words", None),
                ("admin", Some("key_admin")),
            ] {
                present(request, key);
                for _ in 0..2 {
                    assert_eq!(look(request).await.as_deref(), id);
                }
            }
        })
    });
    let client = client(mounted(keys).attach(change)).await;
    assert_eq!(ask(&client, "/", Some("user")).await, (200, "key_admin".to_owned()));
    assert_eq!(verifier.calls(), 3);
}

#[rocket::async_test]
async fn clones_of_a_local_request_are_judged_by_their_own_key() {
    #[catch(401)]
    fn unauthorized(request: &Request<'_>) -> String {
        denial(request).map(|denial| denial.code().as_str().to_owned()).unwrap_or_default()
    }
    for cache_seconds in [0, 60] {
        let client: Client =
            client(mounted(keys(cache_seconds)).register("/", catchers![unauthorized])).await;
        let first = client.get("/");
        let ask = async |key: Option<&str>| {
            let mut request = first.clone();
            if let Some(key) = key {
                request.add_header(Header::new("Authorization", format!("Bearer {key}")));
            }
            request.dispatch().await.into_string().await.unwrap()
        };
        for _ in ["cold", "warm"] {
            assert_eq!(ask(Some("user")).await, "key_user");
            assert_eq!(ask(Some("admin")).await, "key_admin");
            assert_eq!(ask(Some("nobody")).await, "INVALID_KEY");
            assert_eq!(ask(None).await, "nobody");
            assert_eq!(ask(Some("two words")).await, "INVALID_FORMAT");
        }
    }
}
