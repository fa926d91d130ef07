//! The server that the conformance suite asks for.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, Resource, Result, Route, web};
use apikey_actix::{
    ApiKey, Authenticator, KindeOperation, MaybeApiKey, PeerAddress, Policy, Rejection, RequireKey, Scoped,
};
use apikey_conformance::{Adapter, Differences, RunningServer, routes};

use crate::server;

struct Actix;

impl Adapter for Actix {
    const DIFFERENCES: Differences = Differences { reads_refused_uploads_itself: true, ..Differences::NONE };

    async fn start(authenticator: apikey_core::Authenticator) -> RunningServer {
        let keys = Authenticator::from(authenticator);
        server::start(move || {
            // Without the setting this middleware does nothing; with it, extractors without a layer need it.
            App::new()
                .configure(|config| wire(&keys, config))
                .wrap(keys.remove_credentials())
                .wrap(from_fn(supply_peer))
        })
    }
}

apikey_conformance::conformance_tests!(Actix);

fn wire(keys: &Authenticator, config: &mut web::ServiceConfig) {
    config.route("/unwired", web::get().to(me));
    config.service(web::scope("").app_data(keys.clone()).configure(|config| {
        for (path, policy) in routes::layered() {
            config.service(layered(path, keys.require(policy)));
        }
        config
            .route("/open", read().to(open))
            .route("/block", web::get().to(block))
            .route("/me", read().to(me))
            .route("/items/{name}", web::get().to(me))
            .route("/operations/{name:[0-9]{1,3}}", web::get().to(operation))
            .route("/scoped", read().to(scoped))
            .route("/any", read().to(any))
            .route("/optional", read().to(optional))
            .route("/twice", read().to(twice))
            .route("/sure", read().to(sure))
            .route("/branches", read().to(branches))
            .route("/echo", web::post().to(echo))
            .service(layered("/preflight", keys.require(Policy::any_key()).pass_preflight()))
            .service(
                web::resource("/layered-twice").wrap(keys.require(Policy::any_key())).route(read().to(twice)),
            )
            .service(
                web::resource("/sub-request")
                    .wrap(keys.remove_credentials())
                    .wrap(from_fn(present_anew))
                    .wrap(keys.require(Policy::any_key()))
                    .route(read().to(optional)),
            )
            .service(web::resource("/seen").wrap(keys.require(Policy::any_key())).route(read().to(seen)));
    }));
}

/// `GET`, and `HEAD` answered as `GET`, which actix leaves to the user.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn layered(path: &str, layer: RequireKey) -> impl actix_web::dev::HttpServiceFactory + use<> {
    let options = || async { HttpResponse::NoContent().insert_header((ALLOW, "GET")).finish() };
    let resource: Resource = web::resource(path).route(read().to(me));
    resource.route(web::method(actix_web::http::Method::OPTIONS).to(options)).wrap(layer)
}

fn json(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(body)
}

async fn open() -> HttpResponse {
    json(routes::open_body())
}

async fn block() -> HttpResponse {
    routes::block();
    open().await
}

async fn me(key: ApiKey) -> HttpResponse {
    json(routes::me_body(&key))
}

async fn scoped(key: Scoped<routes::Scoped>) -> HttpResponse {
    json(routes::me_body(&key))
}

async fn any(key: Scoped<routes::AnyScope>) -> HttpResponse {
    json(routes::me_body(&key))
}

async fn optional(key: MaybeApiKey) -> HttpResponse {
    json(routes::optional_body(key.key()))
}

/// actix has no extensions that could be cloned: the nearest thing is to change the request.
async fn present_anew(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>> {
    let headers = request.headers_mut();
    for (from, to) in routes::SUB_REQUEST_HEADERS {
        match headers.get(from).cloned() {
            Some(value) => drop(headers.insert(HeaderName::from_static(to), value)),
            None => drop(headers.remove(to)),
        }
    }
    next.call(request).await
}

async fn supply_peer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>> {
    let supplied = request.headers().get(routes::PEER_HEADER).map(HeaderValue::as_bytes);
    if let Some(peer) = routes::supplied_peer(supplied) {
        request.extensions_mut().insert(PeerAddress(peer));
    }
    next.call(request).await
}

async fn twice(one: ApiKey, two: ApiKey, scoped: Scoped<routes::ReadUsers>) -> HttpResponse {
    json(routes::twice_body(&one, &two, &scoped))
}

async fn operation(key: Scoped<KindeOperation>) -> HttpResponse {
    json(routes::me_body(&key))
}

async fn sure(_any: ApiKey, sure: Scoped<routes::SureReader>) -> HttpResponse {
    json(routes::me_body(&sure))
}

async fn branches(admin: Result<Scoped<routes::Admin>, Rejection>, any: ApiKey) -> HttpResponse {
    json(match admin {
        Ok(admin) => routes::branches_body(true, &admin),
        Err(_) => routes::branches_body(false, &any),
    })
}

/// As a `Result`, a body that is too long is not answered before the key is judged.
async fn echo(_key: Scoped<routes::ReadUsers>, body: Result<web::Bytes>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/octet-stream")).body(body?))
}

async fn seen(request: HttpRequest) -> HttpResponse {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    json(routes::seen_body(headers, request.uri().query()))
}
