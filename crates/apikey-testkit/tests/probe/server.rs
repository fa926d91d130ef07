//! A server whose guards can be wrong.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use apikey_testkit::{emulator::Emulator, raw};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, body::Incoming, header::HeaderValue, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// Where a guard looks for the key.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Bearer,
    Basic,
    Header,
    /// A header with a scheme of its own.
    SchemeInHeader,
    Query,
    Cookie,
}

/// A route with its guard. The default asks for any key, as a bearer token.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) places: Vec<Place>,
    /// Whether the route has a guard.
    pub(crate) guarded: bool,
    /// Whether the guard lets requests without a key in.
    pub(crate) optional: bool,
    /// Whether the guard verifies keys.
    pub(crate) verifies: bool,
    pub(crate) scopes: Vec<Vec<&'static str>>,
    /// Whether two scopes are the same: the one of the key, and the one that is needed.
    pub(crate) matches: fn(&str, &str) -> bool,
    pub(crate) organization: bool,
    pub(crate) user: bool,
    /// Whether the route is closed to every key, whoever owns it.
    pub(crate) closed: bool,
    /// The body of a 403 for the lack of scopes.
    pub(crate) refusal: Refusal,
    /// What every request gets before its key is looked at.
    pub(crate) first: Option<u16>,
    /// What a request without a key gets.
    pub(crate) missing: u16,
    /// What a request with an unknown key gets.
    pub(crate) unknown: u16,
    /// What a key with too few scopes gets.
    pub(crate) insufficient: u16,
    /// What a request that is let in gets.
    pub(crate) answer: u16,
}

#[derive(Clone)]
pub(crate) enum Refusal {
    Json,
    Problem,
    /// As FastAPI sends it.
    Detail,
    Names(&'static [&'static str]),
    Text,
    /// Sends back the key.
    Echo,
    Endless,
}

impl Route {
    pub(crate) fn new(method: &'static str, path: &'static str, scopes: &[&[&'static str]]) -> Route {
        Route {
            method,
            path,
            places: vec![Place::Bearer],
            guarded: true,
            optional: false,
            verifies: true,
            scopes: scopes.iter().map(|scopes| scopes.to_vec()).collect(),
            matches: |held, needed| held == needed,
            organization: false,
            user: false,
            closed: false,
            refusal: Refusal::Json,
            first: None,
            missing: 401,
            unknown: 401,
            insufficient: 403,
            answer: 200,
        }
    }

    /// The same route with a change.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Route)) -> Route {
        change(&mut self);
        self
    }

    fn serves(&self, method: &str, path: &str) -> bool {
        let (own, other): (Vec<&str>, Vec<&str>) =
            (self.path.split('/').collect(), path.split('/').collect());
        method == self.method
            && own.len() == other.len()
            && own.iter().zip(&other).all(|(own, other)| own.starts_with('{') || own == other)
    }
}

/// A running server. It stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Reply = Response<Full<Bytes>>;

impl Server {
    /// Starts a server that verifies its keys at this emulator, which must take calls without a token.
    pub(crate) async fn start(emulator: &Emulator, routes: Vec<Route>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (routes, kinde) = (Arc::new(routes), emulator.address());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let routes = routes.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let routes = routes.clone();
                        async move { Ok::<_, std::io::Error>(answer(&routes, kinde, &request).await) }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Server { address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(routes: &[Route], kinde: SocketAddr, request: &Request<Incoming>) -> Reply {
    let path = request.uri().path();
    let Some(route) = routes.iter().find(|route| route.serves(request.method().as_str(), path)) else {
        let other_method = routes.iter().any(|route| route.serves(route.method, path));
        return reply(if other_method { 405 } else { 404 }, Value::Null);
    };
    if let Some(status) = route.first {
        return reply(status, Value::Null);
    }
    if !route.guarded {
        return reply(route.answer, Value::Null);
    }
    let Some(key) = route.places.iter().find_map(|place| presented(*place, request)) else {
        return reply(if route.optional { route.answer } else { route.missing }, Value::Null);
    };
    if !route.verifies {
        return reply(route.answer, Value::Null);
    }
    let key = verified(kinde, &key).await.map(|verified| (key, verified));
    let Some((key, verified)) = key else { return reply(route.unknown, Value::Null) };
    if route.closed
        || (route.organization && verified["org_code"].is_null())
        || (route.user && verified["user_id"].is_null())
    {
        return reply(403, json!({"code": "WRONG_OWNER"}));
    }
    let held: Vec<&str> =
        verified["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let has = |needed: &&str| held.iter().any(|held| (route.matches)(held, needed));
    if route.scopes.iter().any(|scopes| scopes.iter().all(has)) {
        return reply(route.answer, Value::Null);
    }
    refusal(route, &key)
}

fn refusal(route: &Route, key: &str) -> Reply {
    let scopes: BTreeSet<&str> = route.scopes.iter().flatten().copied().collect();
    let body = json!({"error": "no", "code": "INSUFFICIENT_SCOPE", "required_scopes": scopes});
    let mut reply = match &route.refusal {
        Refusal::Json | Refusal::Problem => reply(route.insufficient, body),
        Refusal::Detail => reply(route.insufficient, json!({ "detail": body })),
        Refusal::Names(names) => reply(route.insufficient, json!({ "required_scopes": names })),
        Refusal::Text => Response::new(Full::new(Bytes::from_static(b"forbidden"))),
        Refusal::Echo => reply(route.insufficient, json!({"code": key, "required_scopes": [key]})),
        Refusal::Endless => {
            let body = format!("{{\"required_scopes\": [], \"padding\": \"{}\"}}", "x".repeat(1024 * 1024));
            Response::new(Full::new(body.into()))
        }
    };
    *reply.status_mut() = route.insufficient.try_into().unwrap();
    if matches!(route.refusal, Refusal::Problem) {
        reply.headers_mut().insert("content-type", HeaderValue::from_static("application/problem+json"));
    }
    reply
}

fn presented(place: Place, request: &Request<Incoming>) -> Option<String> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let key = match place {
        Place::Bearer => header("authorization")?.strip_prefix("Bearer ")?.to_owned(),
        Place::Basic => {
            let credentials = STANDARD.decode(header("authorization")?.strip_prefix("Basic ")?).ok()?;
            String::from_utf8(credentials).ok()?.strip_suffix(':')?.to_owned()
        }
        Place::Header => header("x-api-key")?.to_owned(),
        Place::SchemeInHeader => header("x-api-key")?.strip_prefix("ApiKey ")?.to_owned(),
        Place::Query => {
            request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("key="))?.to_owned()
        }
        Place::Cookie => header("cookie")?.split("; ").find_map(|pair| pair.strip_prefix("key="))?.to_owned(),
    };
    Some(key)
}

/// What the emulator says about a key, if it is valid.
async fn verified(kinde: SocketAddr, key: &str) -> Option<Value> {
    let body = json!({ "api_key": key }).to_string();
    let headers = [("Content-Type", "application/json")];
    let request = raw::request("POST", "/api/v1/api_keys/verify", &headers, body.as_bytes());
    let verified = raw::exchange(kinde, &request).await.unwrap().json();
    (verified["is_valid"] == true).then_some(verified)
}

fn reply(status: u16, body: Value) -> Reply {
    let mut reply = Response::new(Full::new(body.to_string().into()));
    *reply.status_mut() = status.try_into().unwrap();
    reply.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    reply
}
