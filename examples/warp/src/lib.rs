//! The reference API on warp: every route of the contract, and only code that needs warp.

use std::pin::pin;

use apikey_warp::{
    AnyOf, ApiKey, Authenticator, ConfigError, MaybeApiKey, OrganizationKey, Policy, Scoped, answer_refusals,
    api_key, guarded, open, openapi, optional_api_key, scoped, scopes,
};
use bytes::Buf;
use example_shared::answers::{
    ChatAnswer, DataAnswer, HealthAnswer, MeAnswer, OptionalAnswer, OrganizationAnswer, ResultAnswer,
    WorkflowAnswer,
};
use example_shared::documentation::Api;
use example_shared::documentation::requests::{Job, NewRecord, Question};
use example_shared::{
    BadRequest, CONTENT_TYPE, Documentation, LONGEST_WEBHOOK, MAX_BODY_BYTES, Reply, Store, Webhooks,
    assistant, data, workflow,
};
use futures_util::{Stream, StreamExt as _};
use utoipa::OpenApi as _;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE as CONTENT_TYPE_HEADER, HeaderValue};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

scopes! {
    Admin = "admin";
    ReadUsers = "read:users";
    WriteUsers = "write:users";
    ReadTickets = "read:tickets";
    WriteWorkflows = "write:workflows";
}

/// The whole API over one authenticator and one store, and the route for Kinde's webhooks if they are taken.
///
/// # Errors
/// [`ConfigError`], if the document can't say what guards a route.
pub fn app(
    keys: Authenticator,
    store: Store,
    webhooks: Option<Webhooks>,
) -> Result<
    impl Filter<Extract = (impl warp::Reply,), Error = Rejection> + Clone + Send + Sync + 'static,
    ConfigError,
> {
    // A policy by value, for the filter and for the document.
    let organization_only = Policy::organization_key();
    let documented = [
        open!(check_health),
        guarded!(list_data),
        guarded!(create_record),
        guarded!(list_any_data),
        guarded!(describe_key),
        guarded!(describe_caller),
        guarded!(describe_organization, &organization_only),
        guarded!(ask_assistant),
        guarded!(run_workflow),
    ];
    let document = openapi::document(Api::openapi(), &documented, &keys)?;
    let documentation = Documentation::new(&document)?;

    let store = warp::any().map(move || store.clone());
    let get = warp::get().or(warp::head()).unify();

    // Path and method come before the key, so that a request's key is verified only for its own route.
    let health = warp::path!("health").and(get).then(check_health);
    let list = warp::path!("api" / "data").and(get).and(scoped(&keys)).and(store.clone()).then(list_data);
    let create = warp::path!("api" / "data")
        .and(warp::post())
        .and(scoped(&keys))
        .and(store.clone())
        .and(body(MAX_BODY_BYTES));
    let create = create.then(create_record);
    let any = warp::path!("api" / "any").and(get).and(scoped(&keys)).and(store.clone()).then(list_any_data);
    let me = warp::path!("api" / "me").and(get).and(api_key(&keys, Policy::any_key())).then(describe_key);
    let optional =
        warp::path!("api" / "optional").and(get).and(optional_api_key(&keys)).then(describe_caller);
    let organization = warp::path!("api" / "org").and(get).and(api_key(&keys, organization_only));
    let organization = organization.then(describe_organization);
    let chat = warp::path!("ai" / "chat")
        .and(warp::post())
        .and(scoped(&keys))
        .and(store.clone())
        .and(body(MAX_BODY_BYTES));
    let chat = chat.then(ask_assistant);
    let automate = warp::path!("workflow" / "automate")
        .and(warp::post())
        .and(scoped(&keys))
        .and(store)
        .and(body(MAX_BODY_BYTES));
    let automate = automate.then(run_workflow);

    let if_taken = warp::any().and_then(move || {
        let webhooks = webhooks.clone().ok_or_else(warp::reject::not_found);
        async { webhooks }
    });
    let webhook = warp::path!("kinde" / "webhook").and(if_taken).and(warp::post());
    let webhook = webhook.and(body(LONGEST_WEBHOOK)).then(self::webhook);

    let page = warp::path("openapi.json").and(warp::path::end()).or(warp::path("docs")).unify();
    let page = page.and(get).and(warp::path::full());
    let page = page.map(move |path: FullPath| documentation.page(path.as_str()));

    let reading = health.or(list).or(any).or(me).or(optional).or(organization);
    Ok(answer_refusals(&keys, reading.or(create).or(chat).or(automate).or(webhook).or(page)))
}

type Body = Result<Vec<u8>, BadRequest>;

/// Says whether the server is up.
#[utoipa::path(get, path = "/health", security(), responses(HealthAnswer))]
async fn check_health() -> Response {
    send(Reply::ok(&HealthAnswer::OK))
}

/// Lists all records.
#[utoipa::path(get, path = "/api/data", responses(DataAnswer))]
async fn list_data(key: Scoped<ReadUsers>, store: Store) -> Response {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

/// Lists all records, also for administrators.
#[utoipa::path(get, path = "/api/any", responses(DataAnswer))]
async fn list_any_data(key: Scoped<AnyOf<(Admin, ReadUsers)>>, store: Store) -> Response {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

/// Creates a record.
#[utoipa::path(post, path = "/api/data", request_body = NewRecord, responses(ResultAnswer, BadRequest))]
async fn create_record(key: Scoped<(ReadUsers, WriteUsers)>, store: Store, body: Body) -> Response {
    with_body(body, |body| data::create(&store, body, key.key_id()).into())
}

/// Says what Kinde knows about the key.
#[utoipa::path(get, path = "/api/me", responses(MeAnswer))]
async fn describe_key(key: ApiKey) -> Response {
    send(Reply::ok(&MeAnswer::from(&*key)))
}

/// Says whether the caller presented a key.
#[utoipa::path(get, path = "/api/optional", responses(OptionalAnswer))]
async fn describe_caller(key: MaybeApiKey) -> Response {
    send(Reply::ok(&OptionalAnswer::new(key.key().map(|key| key.key_id()))))
}

/// Names the organization that owns the key.
#[utoipa::path(get, path = "/api/org", responses(OrganizationAnswer))]
async fn describe_organization(key: ApiKey) -> Response {
    let org_code = key.organization_code().unwrap_or_default();
    send(Reply::ok(&OrganizationAnswer { org_code, key_id: key.key_id() }))
}

/// Answers a question about the organization's tickets.
#[utoipa::path(post, path = "/ai/chat", request_body = Question, responses(ChatAnswer, BadRequest))]
async fn ask_assistant(key: Scoped<(OrganizationKey, ReadTickets)>, store: Store, body: Body) -> Response {
    let organization = key.organization_code().unwrap_or_default();
    with_body(body, |body| assistant::answer(&store, body, organization, key.key_id()).into())
}

/// Runs a workflow.
#[utoipa::path(post, path = "/workflow/automate", request_body = Job, responses(WorkflowAnswer, BadRequest))]
async fn run_workflow(key: Scoped<(ReadUsers, WriteWorkflows)>, store: Store, body: Body) -> Response {
    with_body(body, |body| workflow::automate(&store, body, key.organization_code(), key.key_id()).into())
}

async fn webhook(webhooks: Webhooks, body: Body) -> Response {
    send(webhooks.receive(body).await)
}

/// The body, read up to the limit. `warp::body::content_length_limit` would refuse a body of unknown length.
fn body(longest: usize) -> impl Filter<Extract = (Body,), Error = Rejection> + Copy {
    warp::body::stream().then(move |stream| read(stream, longest))
}

async fn read(stream: impl Stream<Item = Result<impl Buf, warp::Error>>, longest: usize) -> Body {
    let mut stream = pin!(stream);
    let mut body = Vec::new();
    while let Some(piece) = stream.next().await {
        let mut piece = piece.map_err(|_| BadRequest::unreadable())?;
        if body.len() + piece.remaining() > longest {
            return Err(BadRequest::too_large());
        }
        body.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
    }
    Ok(body)
}

fn with_body(body: Body, answer: impl FnOnce(&[u8]) -> Reply) -> Response {
    send(body.map_or_else(Reply::from, |body| answer(&body)))
}

fn send(reply: Reply) -> Response {
    let mut response = Response::new(reply.body.into());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE_HEADER, HeaderValue::from_static(CONTENT_TYPE));
    response
}
