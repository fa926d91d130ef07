//! The reference API on Rocket: every route of the contract, and only code that needs Rocket.

use std::convert::Infallible;
use std::io::Cursor;

use apikey_rocket::{
    AnyOf, ApiKey, ApiKeys, Authenticator, ConfigError, MaybeApiKey, Policy, Scoped, guarded, open, openapi,
    scopes,
};
use bytes::Bytes;
use example_shared::answers::{
    ChatAnswer, DataAnswer, HealthAnswer, MeAnswer, OptionalAnswer, OrganizationAnswer, ResultAnswer,
    WorkflowAnswer,
};
use example_shared::documentation::Api;
use example_shared::documentation::requests::{Job, NewRecord, Question};
use example_shared::{
    BadRequest, Documentation, LONGEST_WEBHOOK, MAX_BODY_BYTES, Reply, Store, Webhooks, assistant, data,
    workflow,
};
use rocket::data::{Data, FromData, ToByteUnit as _};
use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::uri::Origin;
use rocket::http::{ContentType, Method, Status};
use rocket::outcome::Outcome;
use rocket::response::{self, Responder};
use rocket::{Build, Request, Rocket, State, get, post, routes};
use utoipa::OpenApi as _;

scopes! {
    Admin = "admin";
    ReadUsers = "read:users";
}

/// The whole API over one authenticator and one store, and the route for Kinde's webhooks if they are taken, added to a
/// configured Rocket.
///
/// # Errors
/// [`ConfigError`], if the document can't say what guards a route.
pub fn app(
    rocket: Rocket<Build>,
    keys: Authenticator,
    store: Store,
    webhooks: Option<Webhooks>,
) -> Result<Rocket<Build>, ConfigError> {
    let rocket = match webhooks {
        None => rocket,
        Some(webhooks) => rocket.manage(webhooks).mount("/", routes![webhook]),
    };
    let rocket = rocket.attach(ApiKeys::fairing(keys.clone())).attach(MethodsAsSent).manage(store);
    let mut document = Api::openapi();
    let rocket = [
        open![check_health],
        guarded![list_data, list_any_data, describe_key, describe_caller],
        // A policy by value, for a group of routes. The guard in the handler uses what the group has learned.
        guarded![describe_organization].require(Policy::organization_key()),
        // A group reads what a refused upload still sends, so that its client gets the answer. A guard can't.
        guarded![create_record].require(Policy::all(["read:users", "write:users"])),
        guarded![ask_assistant].require(Policy::organization_key().and("read:tickets")),
        guarded![run_workflow].require(Policy::all(["read:users", "write:workflows"])),
    ]
    .into_iter()
    .fold(rocket, |rocket, routes| routes.mount(rocket, "/", &mut document));
    openapi::complete(&mut document, &keys)?;
    Ok(rocket.manage(Documentation::new(&document)?).mount("/", routes![self::document, page]))
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

/// Says whether the server is up.
#[utoipa::path(get, path = "", security(), responses(HealthAnswer))]
#[get("/health")]
fn check_health() -> Response {
    send(Reply::ok(&HealthAnswer::OK))
}

/// Lists all records.
#[utoipa::path(get, path = "", responses(DataAnswer))]
#[get("/api/data")]
fn list_data(key: Scoped<ReadUsers>, store: &State<Store>) -> Response {
    send(Reply::ok(&data::list(store, key.key_id())))
}

/// Lists all records, also for administrators.
#[utoipa::path(get, path = "", responses(DataAnswer))]
#[get("/api/any")]
fn list_any_data(key: Scoped<AnyOf<(Admin, ReadUsers)>>, store: &State<Store>) -> Response {
    send(Reply::ok(&data::list(store, key.key_id())))
}

/// Creates a record.
#[utoipa::path(post, path = "", request_body = NewRecord, responses(ResultAnswer, BadRequest))]
#[post("/api/data", data = "<body>")]
fn create_record(key: ApiKey, store: &State<Store>, body: Body) -> Response {
    body.answer(|body| data::create(store, body, key.key_id()).into())
}

/// Says what Kinde knows about the key.
#[utoipa::path(get, path = "", responses(MeAnswer))]
#[get("/api/me")]
fn describe_key(key: ApiKey) -> Response {
    send(Reply::ok(&MeAnswer::from(&*key)))
}

/// Says whether the caller presented a key.
#[utoipa::path(get, path = "", responses(OptionalAnswer))]
#[get("/api/optional")]
fn describe_caller(key: MaybeApiKey) -> Response {
    send(Reply::ok(&OptionalAnswer::new(key.key().map(|key| key.key_id()))))
}

/// Names the organization that owns the key.
#[utoipa::path(get, path = "", responses(OrganizationAnswer))]
#[get("/api/org")]
fn describe_organization(key: ApiKey) -> Response {
    let org_code = key.organization_code().unwrap_or_default();
    send(Reply::ok(&OrganizationAnswer { org_code, key_id: key.key_id() }))
}

/// Answers a question about the organization's tickets.
#[utoipa::path(post, path = "", request_body = Question, responses(ChatAnswer, BadRequest))]
#[post("/ai/chat", data = "<body>")]
fn ask_assistant(key: ApiKey, store: &State<Store>, body: Body) -> Response {
    let organization = key.organization_code().unwrap_or_default();
    body.answer(|body| assistant::answer(store, body, organization, key.key_id()).into())
}

/// Runs a workflow.
#[utoipa::path(post, path = "", request_body = Job, responses(WorkflowAnswer, BadRequest))]
#[post("/workflow/automate", data = "<body>")]
fn run_workflow(key: ApiKey, store: &State<Store>, body: Body) -> Response {
    body.answer(|body| workflow::automate(store, body, key.organization_code(), key.key_id()).into())
}

#[get("/openapi.json")]
fn document(documentation: &State<Documentation>, uri: &Origin<'_>) -> Page {
    Page(documentation.page(uri.path().as_str()))
}

#[get("/docs/<_..>")]
fn page(documentation: &State<Documentation>, uri: &Origin<'_>) -> Page {
    Page(documentation.page(uri.path().as_str()))
}

/// A page as a response of Rocket's.
struct Page(http::Response<Bytes>);

impl<'r> Responder<'r, 'static> for Page {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let mut response = rocket::Response::new();
        response.set_status(Status::new(self.0.status().as_u16()));
        for (name, value) in self.0.headers() {
            response.set_raw_header(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        response.set_sized_body(self.0.body().len(), Cursor::new(self.0.into_body()));
        Ok(response)
    }
}

#[post("/kinde/webhook", data = "<body>")]
async fn webhook(webhooks: &State<Webhooks>, body: Body<{ LONGEST_WEBHOOK }>) -> Response {
    send(webhooks.receive(body.0).await)
}

fn send(reply: Reply) -> Response {
    (Status::new(reply.status), (ContentType::JSON, reply.body))
}
