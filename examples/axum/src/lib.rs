//! The reference API on axum: every route of the contract, and only code that needs axum.

use apikey_axum::{AnyOf, ApiKey, Authenticator, MaybeApiKey, OrganizationKey, Policy, Scoped, scopes};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use example_shared::answers::{HealthAnswer, MeAnswer, OptionalAnswer, OrganizationAnswer};
use example_shared::{
    BadRequest, CONTENT_TYPE, LONGEST_WEBHOOK, MAX_BODY_BYTES, Reply, Store, Webhooks, assistant, data,
    workflow,
};

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
pub fn app(keys: Authenticator, store: Store, webhooks: Option<Webhooks>) -> Router {
    let router = match webhooks {
        None => Router::new(),
        Some(webhooks) => {
            let receive = move |body: Body| webhook(webhooks.clone(), body);
            Router::new().route("/kinde/webhook", post(receive).layer(DefaultBodyLimit::max(LONGEST_WEBHOOK)))
        }
    };
    router
        .route("/health", get(health))
        .route("/api/data", get(list).post(create))
        .route("/api/any", get(list_for_any))
        .route("/api/me", get(me))
        .route("/api/optional", get(optional))
        // A policy by value, as a layer. The extractor in the handler uses what the layer has learned.
        .route("/api/org", get(organization).route_layer(keys.require(Policy::organization_key())))
        .route("/ai/chat", post(chat))
        .route("/workflow/automate", post(automate))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(AppState { keys, store })
}

type Body = Result<Bytes, BytesRejection>;

async fn health() -> Response {
    send(Reply::ok(&HealthAnswer::OK))
}

async fn list(key: Scoped<ReadUsers>, State(store): State<Store>) -> Response {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

async fn list_for_any(key: Scoped<AnyOf<(Admin, ReadUsers)>>, State(store): State<Store>) -> Response {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

async fn create(key: Scoped<(ReadUsers, WriteUsers)>, State(store): State<Store>, body: Body) -> Response {
    with_body(body, |body| data::create(&store, body, key.key_id()).into())
}

async fn me(key: ApiKey) -> Response {
    send(Reply::ok(&MeAnswer::from(&*key)))
}

async fn optional(key: MaybeApiKey) -> Response {
    send(Reply::ok(&OptionalAnswer::new(key.key().map(|key| key.key_id()))))
}

async fn organization(key: ApiKey) -> Response {
    let org_code = key.organization_code().unwrap_or_default();
    send(Reply::ok(&OrganizationAnswer { org_code, key_id: key.key_id() }))
}

async fn chat(
    key: Scoped<(OrganizationKey, ReadTickets)>,
    State(store): State<Store>,
    body: Body,
) -> Response {
    let organization = key.organization_code().unwrap_or_default();
    with_body(body, |body| assistant::answer(&store, body, organization, key.key_id()).into())
}

async fn automate(
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
