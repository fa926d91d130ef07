//! The reference API on actix-web: every route of the contract, and only code that needs actix-web.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, PayloadConfig, ServiceConfig, post, resource};
use actix_web::{Error, HttpResponse, Route, guard, web};
use apikey_actix::{AnyOf, ApiKey, Authenticator, MaybeApiKey, OrganizationKey, Policy, Scoped, scopes};
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

/// For how long the server reads what a refused upload still sends: `HttpServer::client_disconnect_timeout`.
pub const REFUSED_UPLOADS: Duration = Duration::from_secs(2);

/// Adds the whole API over one authenticator and one store, and the route for Kinde's webhooks if they are taken:
/// `App::new().configure(app(keys, store, None))`.
pub fn app(keys: Authenticator, store: Store, webhooks: Option<Webhooks>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        if let Some(webhooks) = webhooks {
            config.service(
                resource("/kinde/webhook")
                    .app_data(PayloadConfig::new(LONGEST_WEBHOOK))
                    .app_data(Data::new(webhooks))
                    .route(post().to(webhook)),
            );
        }
        // A policy by value, as a middleware. The extractor in the handler uses what it has learned.
        let organization_only = keys.require(Policy::organization_key());
        config
            .app_data(keys)
            .app_data(Data::new(store))
            .app_data(PayloadConfig::new(MAX_BODY_BYTES))
            .service(resource("/health").route(get().to(health)))
            .service(resource("/api/data").route(get().to(list)).route(post().to(create)))
            .service(resource("/api/any").route(get().to(list_for_any)))
            .service(resource("/api/me").route(get().to(me)))
            .service(resource("/api/optional").route(get().to(optional)))
            .service(resource("/api/org").route(get().to(organization).wrap(organization_only)))
            .service(resource("/ai/chat").route(post().to(chat)))
            .service(resource("/workflow/automate").route(post().to(automate)));
    }
}

/// `GET`, and `HEAD` like `GET`, which actix-web does not do by itself.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A body that can't be read must not be answered before the key is judged. So the body is a `Result`.
type Body = Result<Bytes, Error>;

async fn health() -> HttpResponse {
    send(Reply::ok(&HealthAnswer::OK))
}

async fn list(key: Scoped<ReadUsers>, store: Data<Store>) -> HttpResponse {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

async fn list_for_any(key: Scoped<AnyOf<(Admin, ReadUsers)>>, store: Data<Store>) -> HttpResponse {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

async fn create(key: Scoped<(ReadUsers, WriteUsers)>, store: Data<Store>, body: Body) -> HttpResponse {
    with_body(body, |body| data::create(&store, body, key.key_id()).into())
}

async fn me(key: ApiKey) -> HttpResponse {
    send(Reply::ok(&MeAnswer::from(&*key)))
}

async fn optional(key: MaybeApiKey) -> HttpResponse {
    send(Reply::ok(&OptionalAnswer::new(key.key().map(|key| key.key_id()))))
}

async fn organization(key: ApiKey) -> HttpResponse {
    let org_code = key.organization_code().unwrap_or_default();
    send(Reply::ok(&OrganizationAnswer { org_code, key_id: key.key_id() }))
}

async fn chat(key: Scoped<(OrganizationKey, ReadTickets)>, store: Data<Store>, body: Body) -> HttpResponse {
    let organization = key.organization_code().unwrap_or_default();
    with_body(body, |body| assistant::answer(&store, body, organization, key.key_id()).into())
}

async fn automate(key: Scoped<(ReadUsers, WriteWorkflows)>, store: Data<Store>, body: Body) -> HttpResponse {
    with_body(body, |body| workflow::automate(&store, body, key.organization_code(), key.key_id()).into())
}

async fn webhook(webhooks: Data<Webhooks>, body: Body) -> HttpResponse {
    send(webhooks.receive(body.map_err(refused)).await)
}

fn with_body(body: Body, answer: impl FnOnce(&[u8]) -> Reply) -> HttpResponse {
    send(body.map_or_else(|error| refused(error).into(), |body| answer(&body)))
}

fn refused(error: Error) -> BadRequest {
    match error.as_error() {
        Some(PayloadError::Overflow) => BadRequest::too_large(),
        _ => BadRequest::unreadable(),
    }
}

fn send(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type(CONTENT_TYPE).body(reply.body)
}
