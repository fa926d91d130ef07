//! The server that the conformance suite asks, with every route that it wants.

use std::net::SocketAddr;

use apikey_conformance::{Adapter, Differences, RunningServer, routes};
use apikey_rocket::{
    ApiKey, ApiKeys, Authenticator, DenialCode, KindeOperation, MaybeApiKey, Policy, Rejection, Scoped,
};
use rocket::config::Shutdown;
use rocket::data::{Data, ToByteUnit as _};
use rocket::fairing::AdHoc;
use rocket::http::{ContentType, Header, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::{Build, Config, Request, Responder, Rocket, get, options, post, routes, uri};

use crate::world::quiet_with;

pub(crate) struct RocketAdapter;

impl Adapter for RocketAdapter {
    const DIFFERENCES: Differences = Differences {
        drops_values_that_are_not_utf8: true,
        refuses_unwired_earlier: true,
        cannot_remove_credential: true,
        waits_for_the_start_of_a_body: true,
        extractors_read_no_refused_upload: true,
        ..Differences::NONE
    };

    async fn start(authenticator: Authenticator) -> RunningServer {
        launch(app(authenticator)).await
    }
}

/// Launches a Rocket that [`served`] began.
pub(crate) async fn launch(rocket: Rocket<Build>) -> RunningServer {
    let (lifted_off, address) = tokio::sync::oneshot::channel();
    let lifted_off = std::sync::Mutex::new(Some(lifted_off));
    // The socket is bound by then, and the configuration holds the port that it got.
    let announce = AdHoc::on_liftoff("address", move |rocket| {
        let address = SocketAddr::new(rocket.config().address, rocket.config().port);
        if let Some(lifted_off) = lifted_off.lock().unwrap().take() {
            lifted_off.send(address).unwrap();
        }
        Box::pin(async {})
    });
    let rocket = rocket.attach(announce).ignite().await.unwrap();
    let shutdown = rocket.shutdown();
    tokio::spawn(rocket.launch());
    RunningServer::new(address.await.unwrap(), move || shutdown.notify())
}

/// A Rocket for [`launch`], on a free port.
pub(crate) fn served(keys: Authenticator) -> Rocket<Build> {
    let config = Config {
        port: 0,
        // Signals are the test runner's, and there is nothing to wait for at the end.
        shutdown: Shutdown {
            ctrlc: false,
            #[cfg(unix)]
            signals: Default::default(),
            grace: 0,
            mercy: 0,
            force: false,
            ..Shutdown::default()
        },
        ..Config::default()
    };
    quiet_with(config).attach(ApiKeys::fairing(keys))
}

fn app(keys: Authenticator) -> Rocket<Build> {
    let any_key = Policy::any_key;
    let single =
        routes![open, block, me, item, operation, scoped, any, optional, sub_request, twice, sure, echo];
    let mut rocket = served(keys)
        .attach(AdHoc::on_request("peers", |request, _| Box::pin(supply_peer(request))))
        .attach(AdHoc::on_request("sub-requests", |request, _| Box::pin(present_anew(request))))
        .mount("/", single)
        .mount("/", routes![branches_admin, branches_any])
        .mount("/layered-twice", ApiKeys::require(any_key(), routes![layered_twice]))
        .mount("/seen", ApiKeys::require(any_key(), routes![seen]))
        .mount("/preflight", ApiKeys::require(any_key(), routes![layered, layered_options]).pass_preflight());
    for (path, policy) in routes::layered() {
        let mut here = routes![layered];
        if path == "/layered" {
            here.extend(routes![layered_options]);
        }
        rocket = rocket.mount(path, ApiKeys::require(policy, here));
    }
    rocket
}

type Json = (ContentType, Vec<u8>);

fn json(body: Vec<u8>) -> Json {
    (ContentType::JSON, body)
}

#[get("/open")]
fn open() -> Json {
    json(routes::open_body())
}

#[get("/block")]
async fn block() -> Json {
    routes::block();
    open()
}

#[get("/me")]
fn me(key: ApiKey) -> Json {
    json(routes::me_body(&key))
}

#[get("/items/<_>")]
fn item(key: ApiKey) -> Json {
    json(routes::me_body(&key))
}

#[get("/operations/<name>?<page>")]
fn operation(key: Scoped<KindeOperation>, name: &str, page: Option<&str>) -> Json {
    let _ = (name, page);
    json(routes::me_body(&key))
}

#[get("/scoped")]
fn scoped(key: Scoped<routes::Scoped>) -> Json {
    json(routes::me_body(&key))
}

#[get("/any")]
fn any(key: Scoped<routes::AnyScope>) -> Json {
    json(routes::me_body(&key))
}

#[get("/optional")]
fn optional(key: MaybeApiKey) -> Json {
    json(routes::optional_body(key.key()))
}

#[get("/sub-request")]
fn sub_request(key: MaybeApiKey) -> Json {
    optional(key)
}

/// Rocket has no sub-requests: the nearest thing is a fairing that looks at the key, and then changes it.
async fn supply_peer(request: &mut Request<'_>) {
    let supplied = request.headers().get_one(routes::PEER_HEADER).map(str::as_bytes);
    if let Some(peer) = routes::supplied_peer(supplied) {
        request.set_remote(SocketAddr::new(peer, 0));
    }
}

async fn present_anew(request: &mut Request<'_>) {
    if request.uri().path() != "/sub-request" {
        return;
    }
    if !ApiKey::from_request(request).await.is_success() {
        request.set_uri(uri!("/me")); // which refuses it
        return;
    }
    for (from, to) in routes::SUB_REQUEST_HEADERS {
        // Rocket can't take a header out, and an empty one presents nothing.
        let value = request.headers().get_one(from).unwrap_or_default().to_owned();
        request.replace_header(Header::new(to, value));
    }
}

#[get("/twice")]
fn twice(first: ApiKey, second: ApiKey, scoped: Scoped<routes::ReadUsers>) -> Json {
    json(routes::twice_body(&first, &second, &scoped))
}

#[get("/sure")]
fn sure(_any: ApiKey, sure: Scoped<routes::SureReader>) -> Json {
    json(routes::me_body(&sure))
}

#[get("/")]
fn layered_twice(first: ApiKey, second: ApiKey, scoped: Scoped<routes::ReadUsers>) -> Json {
    json(routes::twice_body(&first, &second, &scoped))
}

#[get("/")]
fn layered(key: ApiKey) -> Json {
    json(routes::me_body(&key))
}

#[derive(Responder)]
#[response(status = 204)]
struct Allowed((), Header<'static>);

#[options("/")]
fn layered_options() -> Allowed {
    Allowed((), Header::new("allow", "GET"))
}

/// Steps aside for keys that are good and lack the scope, and for no others.
struct Admin(Scoped<routes::Admin>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Admin {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        match request.guard::<Scoped<routes::Admin>>().await {
            Outcome::Error((_, rejection)) if rejection.denial().code() == DenialCode::InsufficientScope => {
                Outcome::Forward(Status::NotFound)
            }
            outcome => outcome.map(Self),
        }
    }
}

#[get("/branches")]
fn branches_admin(admin: Admin) -> Json {
    json(routes::branches_body(true, &admin.0))
}

#[get("/branches", rank = 2)]
fn branches_any(key: ApiKey) -> Json {
    json(routes::branches_body(false, &key))
}

#[post("/echo", data = "<body>")]
async fn echo(_key: Scoped<routes::ReadUsers>, body: Data<'_>) -> std::io::Result<Json> {
    let body = body.open(1.mebibytes()).into_bytes().await?;
    Ok((ContentType::Binary, body.into_inner()))
}

/// What a handler sees of the request.
struct Seen(Vec<u8>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Seen {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        let (headers, query) = (request.headers().iter(), request.uri().query());
        let headers: Vec<_> =
            headers.map(|header| (header.name.as_str().to_lowercase(), header.value)).collect();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Outcome::Success(Self(routes::seen_body(headers, query.map(|query| query.as_str()))))
    }
}

#[get("/")]
fn seen(seen: Seen) -> Json {
    json(seen.0)
}
