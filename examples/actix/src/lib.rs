//! The reference API on actix-web: every route of the contract, and only code that needs actix-web.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, PayloadConfig, ServiceConfig, post, resource};
use actix_web::{Error, HttpRequest, HttpResponse, Route, guard};
use apikey_actix::openapi::Routes;
use apikey_actix::{
    AnyOf, ApiKey, Authenticator, ConfigError, MaybeApiKey, OrganizationKey, Policy, Scoped, guarded, open,
    openapi, scopes,
};
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

scopes! {
    Admin = "admin";
    ReadUsers = "read:users";
    WriteUsers = "write:users";
    ReadTickets = "read:tickets";
    WriteWorkflows = "write:workflows";
}

/// For how long the server reads what a refused upload still sends: `HttpServer::client_disconnect_timeout`.
pub const REFUSED_UPLOADS: Duration = Duration::from_secs(2);

/// The whole API over one authenticator and one store, and the route for Kinde's webhooks if they are taken. Every worker adds
/// it: `App::new().configure(app.clone())`.
///
/// # Errors
/// [`ConfigError`], if the document can't say what guards a route.
pub fn app(
    keys: Authenticator,
    store: Store,
    webhooks: Option<Webhooks>,
) -> Result<impl Fn(&mut ServiceConfig) + Clone + Send + 'static, ConfigError> {
    let mut document = Api::openapi();
    routes(&keys).documented().for_each(|route| route.add_to(&mut document));
    openapi::complete(&mut document, &keys)?;
    let documentation = Documentation::new(&document)?;
    Ok(move |config: &mut ServiceConfig| {
        if let Some(webhooks) = &webhooks {
            config.service(
                resource("/kinde/webhook")
                    .app_data(PayloadConfig::new(LONGEST_WEBHOOK))
                    .app_data(Data::new(webhooks.clone()))
                    .route(post().to(webhook)),
            );
        }
        config
            .app_data(keys.clone())
            .app_data(Data::new(store.clone()))
            .app_data(Data::new(documentation.clone()))
            .app_data(PayloadConfig::new(MAX_BODY_BYTES))
            .service(routes(&keys))
            .service(resource(["/openapi.json", "/docs", "/docs/{file:.*}"]).route(get().to(page)));
    })
}

/// The routes that are in the document.
fn routes(keys: &Authenticator) -> Routes {
    open!(check_health)
        .and(guarded!(list_data))
        .and(guarded!(create_record))
        .and(guarded!(list_any_data))
        .and(guarded!(describe_key))
        .and(guarded!(describe_caller))
        // A policy by value, as a middleware. The extractor in the handler uses what it has learned.
        .and(guarded!(describe_organization, keys.require(Policy::organization_key())))
        .and(guarded!(ask_assistant))
        .and(guarded!(run_workflow))
}

/// `GET`, and `HEAD` like `GET`, which actix-web does not do by itself.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A body that can't be read must not be answered before the key is judged. So the body is a `Result`.
type Body = Result<Bytes, Error>;

/// Says whether the server is up.
#[utoipa::path(get, path = "/health", security(), responses(HealthAnswer))]
async fn check_health() -> HttpResponse {
    send(Reply::ok(&HealthAnswer::OK))
}

/// Lists all records.
#[utoipa::path(get, path = "/api/data", responses(DataAnswer))]
async fn list_data(key: Scoped<ReadUsers>, store: Data<Store>) -> HttpResponse {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

/// Lists all records, also for administrators.
#[utoipa::path(get, path = "/api/any", responses(DataAnswer))]
async fn list_any_data(key: Scoped<AnyOf<(Admin, ReadUsers)>>, store: Data<Store>) -> HttpResponse {
    send(Reply::ok(&data::list(&store, key.key_id())))
}

/// Creates a record.
#[utoipa::path(post, path = "/api/data", request_body = NewRecord, responses(ResultAnswer, BadRequest))]
async fn create_record(key: Scoped<(ReadUsers, WriteUsers)>, store: Data<Store>, body: Body) -> HttpResponse {
    with_body(body, |body| data::create(&store, body, key.key_id()).into())
}

/// Says what Kinde knows about the key.
#[utoipa::path(get, path = "/api/me", responses(MeAnswer))]
async fn describe_key(key: ApiKey) -> HttpResponse {
    send(Reply::ok(&MeAnswer::from(&*key)))
}

/// Says whether the caller presented a key.
#[utoipa::path(get, path = "/api/optional", responses(OptionalAnswer))]
async fn describe_caller(key: MaybeApiKey) -> HttpResponse {
    send(Reply::ok(&OptionalAnswer::new(key.key().map(|key| key.key_id()))))
}

/// Names the organization that owns the key.
#[utoipa::path(get, path = "/api/org", responses(OrganizationAnswer))]
async fn describe_organization(key: ApiKey) -> HttpResponse {
    let org_code = key.organization_code().unwrap_or_default();
    send(Reply::ok(&OrganizationAnswer { org_code, key_id: key.key_id() }))
}

/// Answers a question about the organization's tickets.
#[utoipa::path(post, path = "/ai/chat", request_body = Question, responses(ChatAnswer, BadRequest))]
async fn ask_assistant(
    key: Scoped<(OrganizationKey, ReadTickets)>,
    store: Data<Store>,
    body: Body,
) -> HttpResponse {
    let organization = key.organization_code().unwrap_or_default();
    with_body(body, |body| assistant::answer(&store, body, organization, key.key_id()).into())
}

/// Runs a workflow.
#[utoipa::path(post, path = "/workflow/automate", request_body = Job, responses(WorkflowAnswer, BadRequest))]
async fn run_workflow(
    key: Scoped<(ReadUsers, WriteWorkflows)>,
    store: Data<Store>,
    body: Body,
) -> HttpResponse {
    with_body(body, |body| workflow::automate(&store, body, key.organization_code(), key.key_id()).into())
}

async fn page(documentation: Data<Documentation>, request: HttpRequest) -> HttpResponse {
    let page = documentation.page(request.path());
    let status = StatusCode::from_u16(page.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in page.headers() {
        response.insert_header((name.as_str(), value.as_bytes()));
    }
    response.body(page.into_body())
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
