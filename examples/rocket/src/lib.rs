//! The reference API on Rocket: every route of the contract, and only code that needs Rocket.

use std::convert::Infallible;

use apikey_rocket::{
    AnyOf, ApiKey, ApiKeys, Authenticator, MaybeApiKey, OrganizationKey, Policy, Scoped, scopes,
};
use example_shared::answers::{HealthAnswer, MeAnswer, OptionalAnswer, OrganizationAnswer};
use example_shared::{
    BadRequest, LONGEST_WEBHOOK, MAX_BODY_BYTES, Reply, Store, Webhooks, assistant, data, workflow,
};
use rocket::data::{Data, FromData, ToByteUnit as _};
use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{ContentType, Method, Status};
use rocket::outcome::Outcome;
use rocket::{Build, Request, Rocket, State, get, post, routes};

scopes! {
    Admin = "admin";
    ReadUsers = "read:users";
    WriteUsers = "write:users";
    ReadTickets = "read:tickets";
    WriteWorkflows = "write:workflows";
}

/// The whole API over one authenticator and one store, and the route for Kinde's webhooks if they are taken, added to a
/// configured Rocket.
pub fn app(
    rocket: Rocket<Build>,
    keys: Authenticator,
    store: Store,
    webhooks: Option<Webhooks>,
) -> Rocket<Build> {
    let rocket = match webhooks {
        None => rocket,
        Some(webhooks) => rocket.manage(webhooks).mount("/", routes![webhook]),
    };
    rocket
        .attach(ApiKeys::fairing(keys))
        .attach(MethodsAsSent)
        .manage(store)
        .mount("/", routes![health, list, list_for_any, me, optional])
        // A policy by value, for a group of routes. The guard in the handler uses what the group has learned.
        .mount("/", ApiKeys::require(Policy::organization_key(), routes![organization]))
        // A group reads what a refused upload still sends, so that its client gets the answer. A guard can't.
        .mount("/", ApiKeys::require(Policy::all(["read:users", "write:users"]), routes![create]))
        .mount("/", ApiKeys::require(Policy::organization_key().and("read:tickets"), routes![chat]))
        .mount("/", ApiKeys::require(Policy::all(["read:users", "write:workflows"]), routes![automate]))
}

/// Keeps the method that was sent. Rocket lets a form in the body of a POST choose another method, because browsers'
/// forms need that. This API has no forms, and a proxy in front of it may have rules by method.
struct MethodsAsSent;

#[rocket::async_trait]
impl Fairing for MethodsAsSent {
    fn info(&self) -> Info {
        Info { name: "methods as they were sent", kind: Kind::Request }
    }

    async fn on_request(&self, request: &mut Request<'_>, data: &mut Data<'_>) {
        let is_form = request.content_type().is_some_and(|content_type| content_type.is_form());
        if is_form && request.method() != Method::Post {
            let begin = data.peek(b"_method=delete".len()).await;
            let first = begin.split(|byte| *byte == b'&').find(|field| !field.is_empty());
            let value = first.and_then(|field| std::str::from_utf8(field.strip_prefix(b"_method=")?).ok());
            // Rocket has changed the method, or this is the method that was sent.
            if value.and_then(|value| value.parse().ok()) == Some(request.method()) {
                request.set_method(Method::Post);
            }
        }
    }
}

/// A body that was read to its end, of at most `LONGEST` bytes.
struct Body<const LONGEST: usize = MAX_BODY_BYTES>(Result<Vec<u8>, BadRequest>);

#[rocket::async_trait]
impl<'r, const LONGEST: usize> FromData<'r> for Body<LONGEST> {
    type Error = Infallible;

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        let Ok(body) = data.open(LONGEST.bytes()).into_bytes().await else {
            return Outcome::Success(Self(Err(BadRequest::unreadable())));
        };
        // If a body is cut off within its first bytes, Rocket takes it for a whole one.
        let claimed = request.headers().get_one("content-length").and_then(|length| length.parse().ok());
        Outcome::Success(Self(match body.is_complete() {
            false => Err(BadRequest::too_large()),
            true if claimed.is_some_and(|claimed: usize| claimed != body.len()) => {
                Err(BadRequest::unreadable())
            }
            true => Ok(body.into_inner()),
        }))
    }
}

impl Body {
    fn answer(self, answer: impl FnOnce(&[u8]) -> Reply) -> Response {
        send(self.0.map_or_else(Reply::from, |body| answer(&body)))
    }
}

type Response = (Status, (ContentType, Vec<u8>));

#[get("/health")]
fn health() -> Response {
    send(Reply::ok(&HealthAnswer::OK))
}

#[get("/api/data")]
fn list(key: Scoped<ReadUsers>, store: &State<Store>) -> Response {
    send(Reply::ok(&data::list(store, key.key_id())))
}

#[get("/api/any")]
fn list_for_any(key: Scoped<AnyOf<(Admin, ReadUsers)>>, store: &State<Store>) -> Response {
    send(Reply::ok(&data::list(store, key.key_id())))
}

#[post("/api/data", data = "<body>")]
fn create(key: Scoped<(ReadUsers, WriteUsers)>, store: &State<Store>, body: Body) -> Response {
    body.answer(|body| data::create(store, body, key.key_id()).into())
}

#[get("/api/me")]
fn me(key: ApiKey) -> Response {
    send(Reply::ok(&MeAnswer::from(&*key)))
}

#[get("/api/optional")]
fn optional(key: MaybeApiKey) -> Response {
    send(Reply::ok(&OptionalAnswer::new(key.key().map(|key| key.key_id()))))
}

#[get("/api/org")]
fn organization(key: ApiKey) -> Response {
    let org_code = key.organization_code().unwrap_or_default();
    send(Reply::ok(&OrganizationAnswer { org_code, key_id: key.key_id() }))
}

#[post("/ai/chat", data = "<body>")]
fn chat(key: Scoped<(OrganizationKey, ReadTickets)>, store: &State<Store>, body: Body) -> Response {
    let organization = key.organization_code().unwrap_or_default();
    body.answer(|body| assistant::answer(store, body, organization, key.key_id()).into())
}

#[post("/workflow/automate", data = "<body>")]
fn automate(key: Scoped<(ReadUsers, WriteWorkflows)>, store: &State<Store>, body: Body) -> Response {
    body.answer(|body| workflow::automate(store, body, key.organization_code(), key.key_id()).into())
}

#[post("/kinde/webhook", data = "<body>")]
async fn webhook(webhooks: &State<Webhooks>, body: Body<{ LONGEST_WEBHOOK }>) -> Response {
    send(webhooks.receive(body.0).await)
}

fn send(reply: Reply) -> Response {
    (Status::new(reply.status), (ContentType::JSON, reply.body))
}
