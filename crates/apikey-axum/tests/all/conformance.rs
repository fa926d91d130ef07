//! Runs the conformance suite, which every adapter must pass.

use apikey_axum::{
    ApiKey, Authenticator, KindeOperation, MaybeApiKey, PeerAddress, Policy, Rejection, Scoped,
};
use apikey_conformance::{Adapter, Differences, RunningServer, routes};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::map_request,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use tower::ServiceExt as _;

struct Axum;

impl Adapter for Axum {
    const DIFFERENCES: Differences = Differences { refuses_unwired_earlier: true, ..Differences::NONE };
    async fn start(authenticator: apikey_core::Authenticator) -> RunningServer {
        let app = app(Authenticator::from(authenticator));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await
        });
        RunningServer::new(address, move || server.abort())
    }
}

fn json(body: Vec<u8>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], body)
}
async fn options() -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(header::ALLOW, "GET")])
}
async fn me(key: ApiKey) -> impl IntoResponse {
    json(routes::me_body(&key))
}
async fn optional(key: MaybeApiKey) -> impl IntoResponse {
    json(routes::optional_body(key.key()))
}
async fn sub_request(State(keys): State<Authenticator>, request: Request) -> Response {
    let mut sub_request = Request::builder().uri("/optional").body(Body::empty()).unwrap();
    *sub_request.extensions_mut() = request.extensions().clone();
    for (from, to) in routes::SUB_REQUEST_HEADERS {
        if let Some(value) = request.headers().get(from) {
            sub_request.headers_mut().insert(to, value.clone());
        }
    }
    let inner = Router::new().route("/optional", get(optional)).with_state(keys);
    inner.oneshot(sub_request).await.into_response()
}
async fn twice(a: ApiKey, b: ApiKey, c: Scoped<routes::ReadUsers>) -> impl IntoResponse {
    json(routes::twice_body(&a, &b, &c))
}

fn app(keys: Authenticator) -> Router {
    let mut app: Router<Authenticator> = Router::new()
        .route("/open", get(|| async { json(routes::open_body()) }))
        .route(
            "/block",
            get(|| async {
                routes::block();
                json(routes::open_body())
            }),
        )
        .route("/me", get(me))
        .route("/items/{name}", get(me))
        .route(
            "/operations/{name}",
            get(|key: Scoped<KindeOperation>| async move { json(routes::me_body(&key)) }),
        )
        .route("/scoped", get(|key: Scoped<routes::Scoped>| async move { json(routes::me_body(&key)) }))
        .route("/any", get(|key: Scoped<routes::AnyScope>| async move { json(routes::me_body(&key)) }))
        .route("/optional", get(optional))
        .route("/sub-request", get(sub_request).route_layer(keys.require(Policy::any_key())))
        .route("/twice", get(twice))
        .route(
            "/sure",
            get(|_any: ApiKey, sure: Scoped<routes::SureReader>| async move { json(routes::me_body(&sure)) }),
        )
        .route("/layered-twice", get(twice).route_layer(keys.require(Policy::any_key())))
        .route(
            "/branches",
            get(|admin: Result<Scoped<routes::Admin>, Rejection>, any: ApiKey| async move {
                json(routes::branches_body(admin.is_ok(), &any))
            }),
        )
        .route(
            "/echo",
            post(|_key: Scoped<routes::ReadUsers>, body: Bytes| async move {
                ([(header::CONTENT_TYPE, "application/octet-stream")], body)
            }),
        )
        .route(
            "/seen",
            get(|headers: HeaderMap, RawQuery(query): RawQuery| async move {
                let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                json(routes::seen_body(headers, query.as_deref()))
            })
            .route_layer(keys.require(Policy::any_key())),
        )
        .route(
            "/preflight",
            get(me).options(options).route_layer(keys.require(Policy::any_key()).pass_preflight()),
        );
    for (path, policy) in routes::layered() {
        let mut route: MethodRouter<Authenticator> = get(me);
        if path == "/layered" {
            route = route.options(options);
        }
        app = app.route(path, route.route_layer(keys.require(policy)));
    }
    app.layer(keys.read_refused_uploads()).with_state(keys).layer(map_request(supply_peer))
}

async fn supply_peer(mut request: Request) -> Request {
    let supplied = request.headers().get(routes::PEER_HEADER).map(HeaderValue::as_bytes);
    if let Some(peer) = routes::supplied_peer(supplied) {
        request.extensions_mut().insert(PeerAddress(peer));
    }
    request
}

apikey_conformance::conformance_tests!(Axum);
