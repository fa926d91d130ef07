//! The reference API on axum: every route of the contract, and only code that needs axum.

use apikey_axum::{
    AnyOf, ApiKey, Authenticator, ConfigError, MaybeApiKey, OrganizationKey, Policy, Scoped, guarded,
    openapi, scopes,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
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
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

scopes! {
    Admin = "admin";
    ReadUsers = "read:users";
    WriteUsers = "write:users";
    ReadTickets = "read:tickets";
    WriteWorkflows = "write:workflows";
}

#[derive(Clone, FromRef)]
struct AppState {
    keys: Authenticator,
    store: Store,
}

/// The whole API over one authenticator and one store, and the route for Kinde's webhooks if they are taken.
///
/// # Errors
/// [`ConfigError`], if the document can't say what guards a route.
pub fn app(keys: Authenticator, store: Store, webhooks: Option<Webhooks>) -> Result<Router, ConfigError> {
    let (api, mut document) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(check_health))
        .routes(guarded!(list_data))
        .routes(guarded!(create_record))
        .routes(guarded!(list_any_data))
        .routes(guarded!(describe_key))
        .routes(guarded!(describe_caller))
        // A policy by value, as a layer. The extractor in the handler uses what the layer has learned.
        .routes(guarded!(describe_organization, keys.require(Policy::organization_key())))
        .routes(guarded!(ask_assistant))
        .routes(guarded!(run_workflow))
        .split_for_parts();
    openapi::complete(&mut document, &keys)?;
    let documentation = Documentation::new(&document)?;
    let router = match webhooks {
        None => api,
        Some(webhooks) => {
            let receive = move |body: Body| webhook(webhooks.clone(), body);
            api.route("/kinde/webhook", post(receive).layer(DefaultBodyLimit::max(LONGEST_WEBHOOK)))
        }
    };
    let page = get(async move |uri: Uri| documentation.page(uri.path()).map(axum::body::Body::from));
    Ok(router
        .route("/openapi.json", page.clone())
        .route("/docs", page.clone())
        .route("/docs/", page.clone())
        .route("/docs/{*file}", page)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(AppState { keys, store }))
}

type Body = Result<Bytes, BytesRejection>;

/// Says whether the server is up.
#[utoipa::path(get, path = "/health", security(), responses(HealthAnswer))]
async fn check_health() -> Response {
    send(Reply::ok(&HealthAnswer::OK))
}

/// Lists all records.
#[utoipa::path(get, path = "/api/data", responses(DataAnswer))]
async fn list_data(key: Scoped<ReadUsers>, State(store): State<Store>) -> Response {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

/// Lists all records, also for administrators.
#[utoipa::path(get, path = "/api/any", responses(DataAnswer))]
async fn list_any_data(key: Scoped<AnyOf<(Admin, ReadUsers)>>, State(store): State<Store>) -> Response {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

/// Creates a record.
#[utoipa::path(post, path = "/api/data", request_body = NewRecord, responses(ResultAnswer, BadRequest))]
async fn create_record(
    key: Scoped<(ReadUsers, WriteUsers)>,
    State(store): State<Store>,
    body: Body,
) -> Response {
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
async fn ask_assistant(
    key: Scoped<(OrganizationKey, ReadTickets)>,
    State(store): State<Store>,
    body: Body,
) -> Response {
    let organization = key.organization_code().unwrap_or_default();
    with_body(body, |body| assistant::answer(&store, body, organization, key.key_id()).into())
}

/// Runs a workflow.
#[utoipa::path(post, path = "/workflow/automate", request_body = Job, responses(WorkflowAnswer, BadRequest))]
async fn run_workflow(
    key: Scoped<(ReadUsers, WriteWorkflows)>,
    State(store): State<Store>,
    body: Body,
) -> Response {
    with_body(body, |body| workflow::automate(&store, body, key.organization_code(), key.key_id()).into())
}

async fn webhook(webhooks: Webhooks, body: Body) -> Response {
    send(webhooks.receive(body.map_err(refused)).await)
}

fn with_body(body: Body, answer: impl FnOnce(&[u8]) -> Reply) -> Response {
    send(body.map_or_else(|rejection| refused(rejection).into(), |body| answer(&body)))
}

fn refused(rejection: BytesRejection) -> BadRequest {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => BadRequest::too_large(),
        _ => BadRequest::unreadable(),
    }
}

fn send(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], reply.body).into_response()
}
