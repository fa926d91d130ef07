//! The handlers of the suite's routes. poem makes a type of each, so they need a module apart from the suite's.

use adapter_poem::{ApiKey, Authenticator, MaybeApiKey, Scoped};
use apikey_conformance::routes;
use apikey_core::KindeOperation;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{EndpointExt as _, Request, Response, Result, get, handler};

fn json(body: Vec<u8>) -> Response {
    Response::builder().content_type("application/json").body(body)
}

#[handler]
pub(crate) fn open() -> Response {
    json(routes::open_body())
}

#[handler]
pub(crate) async fn block() -> Response {
    routes::block();
    json(routes::open_body())
}

#[handler]
pub(crate) fn me(key: ApiKey) -> Response {
    json(routes::me_body(&key))
}

#[handler]
pub(crate) fn scoped(key: Scoped<routes::Scoped>) -> Response {
    json(routes::me_body(&key))
}

#[handler]
pub(crate) fn any(key: Scoped<routes::AnyScope>) -> Response {
    json(routes::me_body(&key))
}

#[handler]
pub(crate) fn optional(key: MaybeApiKey) -> Response {
    json(routes::optional_body(key.key()))
}

#[handler]
pub(crate) fn twice(first: ApiKey, second: ApiKey, third: Scoped<routes::ReadUsers>) -> Response {
    json(routes::twice_body(&first, &second, &third))
}

#[handler]
pub(crate) fn operation(key: Scoped<KindeOperation>) -> Response {
    json(routes::me_body(&key))
}

#[handler]
pub(crate) fn sure(_any: ApiKey, key: Scoped<routes::SureReader>) -> Response {
    json(routes::me_body(&key))
}

#[handler]
pub(crate) fn branches(admin: Result<Scoped<routes::Admin>>, key: ApiKey) -> Response {
    json(routes::branches_body(admin.is_ok(), &key))
}

#[handler]
pub(crate) fn echo(_key: Scoped<routes::ReadUsers>, body: Vec<u8>) -> Response {
    Response::builder().content_type("application/octet-stream").body(body)
}

#[handler]
pub(crate) fn seen(request: &Request) -> Response {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    json(routes::seen_body(headers, request.uri().query()))
}

#[handler]
pub(crate) fn options() -> Response {
    Response::builder().status(StatusCode::NO_CONTENT).header("allow", "GET").finish()
}

#[handler]
pub(crate) async fn sub_request(request: &Request, keys: Data<&Authenticator>) -> Response {
    let mut sub_request = Request::builder().uri_str("/optional").finish();
    *sub_request.extensions_mut() = request.extensions().clone();
    for (from, to) in routes::SUB_REQUEST_HEADERS {
        if let Some(value) = request.headers().get(from) {
            sub_request.headers_mut().insert(to, value.clone());
        }
    }
    get(optional).with(keys.clone()).get_response(sub_request).await
}
