use apikey_rocket::{ApiKey, Rejection, Scoped, denial, scopes};
use rocket::catcher::Catcher;
use rocket::fairing::AdHoc;
use rocket::http::{Accept, Status};
use rocket::{Build, Request, Rocket, catch, catchers, get, routes};

use crate::world::{INVALID, MISSING, ask, ask_for, client, protected, quiet};

scopes! { pub Admin = "admin"; }

#[get("/me")]
fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[get("/error/<status>")]
fn error(status: u16) -> Status {
    Status::new(status)
}

#[get("/panic")]
fn panics(_key: ApiKey) {
    panic!("on purpose");
}

/// After a refusal that it got over, the handler fails for a reason of its own.
#[get("/recovered")]
fn recovered(admin: Result<Scoped<Admin>, Rejection>, _key: ApiKey) -> Status {
    assert!(admin.is_err());
    Status::Forbidden
}

/// The handler makes another error of a refusal.
#[get("/remade")]
fn remade(key: Result<ApiKey, Rejection>) -> Status {
    if key.is_err() { Status::ServiceUnavailable } else { Status::Ok }
}

#[catch(default)]
fn anything(status: Status, _: &Request<'_>) -> String {
    format!("caught {status}")
}

#[catch(401)]
fn unauthorized(request: &Request<'_>) -> String {
    match denial(request) {
        Some(denial) => format!("no entry: {}", denial.code()),
        None => "who are you?".to_owned(),
    }
}

const NO_DENIALS: [&str; 11] = [
    "/error/400",
    "/error/401",
    "/error/403",
    "/error/404",
    "/error/418",
    "/error/429",
    "/error/500",
    "/error/503",
    "/nowhere",
    "/api/nowhere",
    "/api/error/401",
];

fn app(rocket: Rocket<Build>) -> Rocket<Build> {
    let all = || routes![error];
    rocket.mount("/", all()).mount("/api", all())
}

fn with_guards(rocket: Rocket<Build>) -> Rocket<Build> {
    let all = || routes![me, panics, recovered, remade];
    app(rocket).mount("/", all()).mount("/api", all())
}

/// Everything in [`NO_DENIALS`] is answered as a Rocket answers it that never heard of API keys.
async fn leaves_other_errors_alone(register: impl Fn(Rocket<Build>) -> Rocket<Build>) {
    let (ours, plain) = (client(with_guards(register(protected()))), client(app(register(quiet()))));
    let (ours, plain) = (ours.await, plain.await);
    for path in NO_DENIALS {
        for accept in [Accept::HTML, Accept::JSON] {
            assert_eq!(
                ask_for(&ours, path, accept.clone()).await,
                ask_for(&plain, path, accept).await,
                "{path}"
            );
        }
    }
}

#[rocket::async_test]
async fn errors_that_are_no_denials_look_as_rockets_own() {
    leaves_other_errors_alone(|rocket| rocket).await;
}

#[rocket::async_test]
async fn errors_that_are_no_denials_go_to_the_users_catchers() {
    leaves_other_errors_alone(|rocket| rocket.register("/", catchers![anything])).await;
    leaves_other_errors_alone(|rocket| rocket.register("/api", catchers![anything])).await;
    leaves_other_errors_alone(|rocket| rocket.register("/api/", catchers![anything])).await;
    leaves_other_errors_alone(|rocket| rocket.register("/", catchers![unauthorized])).await;
    leaves_other_errors_alone(|rocket| {
        rocket.register("/api", catchers![anything]).register("/", catchers![unauthorized])
    })
    .await;
    leaves_other_errors_alone(|rocket| {
        rocket.register("/api", catchers![unauthorized, anything]).register("/", catchers![anything])
    })
    .await;
    leaves_other_errors_alone(|rocket| rocket.register("/api", vec![Catcher::default()])).await;
}

#[rocket::async_test]
async fn a_catch_all_leaves_denials_alone() {
    for bases in [&["/"][..], &["/api"], &["/", "/api", "/api/me"]] {
        let mut rocket = with_guards(protected());
        for base in bases {
            rocket = rocket.register(*base, catchers![anything]);
        }
        let client = client(rocket).await;
        for path in ["/me", "/api/me"] {
            assert_eq!(ask(&client, path, None).await, (401, MISSING.to_owned()), "{path} {bases:?}");
            assert_eq!(ask(&client, path, Some("nobody")).await, (401, INVALID.to_owned()));
            assert_eq!(ask(&client, path, Some("odd")).await.0, 503);
        }
    }
}

#[rocket::async_test]
async fn a_catcher_for_that_very_status_answers_and_can_tell_why() {
    let client = client(with_guards(protected()).register("/", catchers![unauthorized])).await;
    assert_eq!(ask(&client, "/me", None).await, (401, "no entry: MISSING_KEY".to_owned()));
    assert_eq!(ask(&client, "/api/me", Some("nobody")).await, (401, "no entry: INVALID_KEY".to_owned()));
    assert_eq!(ask(&client, "/error/401", None).await, (401, "who are you?".to_owned()));
    assert!(ask(&client, "/me", Some("odd")).await.1.contains("VERIFICATION_UNAVAILABLE"));
}

#[rocket::async_test]
async fn a_catcher_below_one_base_answers_there_alone() {
    let client = client(with_guards(protected()).register("/api", catchers![unauthorized])).await;
    assert_eq!(ask(&client, "/api/me", None).await, (401, "no entry: MISSING_KEY".to_owned()));
    assert_eq!(ask(&client, "/me", None).await, (401, MISSING.to_owned()));
}

#[rocket::async_test]
async fn catchers_that_a_later_fairing_registers_do_not_collide() {
    let stage = AdHoc::on_ignite("stage", |rocket| async {
        rocket.register("/", catchers![unauthorized, anything]).register("/api", catchers![anything])
    });
    let client = client(with_guards(protected()).attach(stage)).await;
    assert_eq!(ask(&client, "/me", None).await, (401, "no entry: MISSING_KEY".to_owned()));
    assert_eq!(ask(&client, "/api/me", None).await, (401, MISSING.to_owned()));
    assert_eq!(ask(&client, "/error/418", None).await, (418, "caught 418 I'm a teapot".to_owned()));
}

#[rocket::async_test]
async fn an_error_after_a_refusal_was_got_over_is_no_denial() {
    let client = client(with_guards(protected()).register("/", catchers![anything])).await;
    for path in ["/recovered", "/api/recovered"] {
        assert_eq!(ask(&client, path, Some("user")).await, (403, "caught 403 Forbidden".to_owned()));
        assert_eq!(ask(&client, path, None).await, (401, MISSING.to_owned()));
    }
    assert_eq!(ask(&client, "/remade", None).await, (503, "caught 503 Service Unavailable".to_owned()));
    assert_eq!(
        ask(&client, "/panic", Some("user")).await,
        (500, "caught 500 Internal Server Error".to_owned())
    );
}

#[rocket::async_test]
async fn a_denial_carries_its_headers_on_head_as_on_get() {
    let client = client(with_guards(protected())).await;
    let response = client.get("/me").dispatch().await;
    let named = ["content-type", "cache-control", "www-authenticate"];
    let values = named.map(|name| response.headers().get(name).collect::<Vec<_>>());
    assert_eq!(values, [vec!["application/json"], vec!["no-store"], vec![r#"Bearer realm="api""#]]);
    let response = client.head("/me").dispatch().await;
    assert_eq!(response.headers().get_one("www-authenticate"), Some(r#"Bearer realm="api""#));
    assert_eq!(response.into_string().await.unwrap_or_default(), "");
}
