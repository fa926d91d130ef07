//! An adapter over plain hyper: what the core needs from any adapter, without a framework.
//!
//! It has no layers and no extractors, so a [`Visit`] stands for both. A visit may ask any number of times; its memo
//! makes sure that the core is asked once.

use std::{
    borrow::Cow,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    task::{Poll, ready},
};

use apikey_conformance::{
    Adapter, RunningServer,
    routes::{self, Admin, AnyScope, ReadUsers, Scoped, SureReader},
};
use apikey_core::{
    Attempt, Authenticator, Denial, KindeOperation, Memo, Policy, RequestHead, TypedPolicy as _, VerifiedKey,
    is_preflight,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, Uri,
    body::{Body as _, Incoming},
    header::{HeaderName, HeaderValue},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

pub(crate) struct Reference;

impl Adapter for Reference {
    async fn start(authenticator: Authenticator) -> RunningServer {
        serve(authenticator, Flaws::default()).await
    }
}

pub(crate) type Answer = Response<Full<Bytes>>;

/// Flaws that the suite must notice.
#[derive(Clone, Copy)]
pub(crate) struct Flaws {
    /// Changes the answer to a request with this `Authorization`.
    pub(crate) spoil: fn(Option<&[u8]>, &mut Answer),
    /// Forgets the attempt, so each look asks again.
    pub(crate) forgets: bool,
    /// Treats a key that cannot be verified as no key.
    pub(crate) optional_swallows_refusals: bool,
    /// Reads only the first of several values.
    pub(crate) sees_one_value_alone: bool,
    /// Lets every pre-flight pass.
    pub(crate) passes_every_preflight: bool,
    /// The address that it takes for the peer. `claimed` is the value of `X-Forwarded-For`.
    pub(crate) peer: fn(peer: IpAddr, claimed: Option<&str>) -> Option<IpAddr>,
    /// Accepts stale answers on every route.
    pub(crate) forgets_freshness: bool,
    /// Takes the stale answer that it gets first, without waiting.
    pub(crate) is_impatient: bool,
    /// Treats a sub-request like the request that made it.
    pub(crate) takes_sub_requests_for_the_outer: bool,
    /// Leaves the rest of refused uploads unread.
    pub(crate) reads_no_upload: bool,
    /// Reads a whole upload before it refuses it.
    pub(crate) answers_late: bool,
    /// Takes whole headers out of a request, whatever they hold.
    pub(crate) removes_whole_headers: bool,
    /// The template of the route for this path.
    pub(crate) route: fn(path: &str) -> Option<&str>,
}

impl Default for Flaws {
    fn default() -> Self {
        Self {
            spoil: |_, _| {},
            forgets: false,
            optional_swallows_refusals: false,
            sees_one_value_alone: false,
            passes_every_preflight: false,
            peer: |peer, _| Some(peer),
            forgets_freshness: false,
            is_impatient: false,
            takes_sub_requests_for_the_outer: false,
            reads_no_upload: false,
            answers_late: false,
            removes_whole_headers: false,
            route: |path| match path.split_at_checked("/operations/".len()) {
                Some(("/operations/", _)) => Some("/operations/{name}"),
                _ => Some(if path.starts_with("/items/") { "/items/{name}" } else { path }),
            },
        }
    }
}

pub(crate) async fn serve(authenticator: Authenticator, flaws: Flaws) -> RunningServer {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, peer)) = listener.accept().await {
            let authenticator = authenticator.clone();
            connections.spawn(async move {
                let service =
                    service_fn(move |request| handle(authenticator.clone(), flaws, peer.ip(), request));
                // An error means that the client closed the connection or sent no HTTP.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    RunningServer::new(address, move || server.abort())
}

async fn handle(
    authenticator: Authenticator,
    flaws: Flaws,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    let authorization = parts.headers.get("authorization").map(|value| value.as_bytes().to_vec());
    let visit = Visit { authenticator, parts, memo: Memo::default(), flaws, peer };
    let upload = visit.authenticator.refused_upload(&visit.head()).filter(|_| !flaws.reads_no_upload);
    let mut body = Some(body);
    if let Some(whole) = body.as_mut().filter(|_| flaws.answers_late) {
        let _ = whole.collect().await;
    }
    let mut answer = route(visit, &mut body).await.unwrap_or_else(|denial| {
        if let Some((upload, body)) = upload.zip(body.take()) {
            let mut body = Box::pin(body);
            upload.read(move |context| {
                let frame = ready!(body.as_mut().poll_frame(context));
                Poll::Ready(frame.and_then(Result::ok).map(|frame| frame.data_ref().map_or(0, Bytes::len)))
            });
        }
        refusal(&denial)
    });
    (flaws.spoil)(authorization.as_deref(), &mut answer);
    Ok(answer)
}

/// One request without its body.
struct Visit {
    authenticator: Authenticator,
    parts: Parts,
    memo: Memo,
    flaws: Flaws,
    peer: IpAddr,
}

/// The parts of a request that the core reads.
struct Head<'a> {
    parts: &'a Parts,
    limit: usize,
    peer: Option<IpAddr>,
    route: Option<&'a str>,
}

impl RequestHead for Head<'_> {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.parts.headers.get_all(name).iter().map(|value| value.as_bytes()).take(self.limit)
    }

    fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        self.route.map(Cow::Borrowed)
    }

    fn operation(&self) -> Option<(&str, Cow<'_, str>)> {
        Some((self.parts.method.as_str(), self.route()?))
    }
}

impl Visit {
    fn head(&self) -> Head<'_> {
        let limit = if self.flaws.sees_one_value_alone { 1 } else { usize::MAX };
        let claimed = self.parts.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        let supplied = self.parts.headers.get(routes::PEER_HEADER).map(|value| value.as_bytes());
        let peer = routes::supplied_peer(supplied).unwrap_or(self.peer);
        let route = (self.flaws.route)(self.parts.uri.path());
        Head { parts: &self.parts, limit, peer: (self.flaws.peer)(peer, claimed), route }
    }

    fn attempt(&mut self) -> Attempt {
        match self.memo.recall(&self.authenticator, &self.head()) {
            Some(attempt) if !self.flaws.forgets => attempt,
            _ => {
                let attempt = self.authenticator.begin(&self.head());
                self.memo.note(&self.authenticator, &attempt);
                self.remove_credential();
                attempt
            }
        }
    }

    /// The key, if one is presented.
    async fn optional_key(&mut self) -> Result<Option<VerifiedKey>, Denial> {
        let attempt = self.attempt();
        self.authenticator
            .gate(&Policy::any_key())
            .decide_optional(attempt, &self.head(), |key| key)
            .wait()
            .await
    }

    async fn key(&mut self) -> Result<VerifiedKey, Denial> {
        self.key_for(&Policy::any_key()).await
    }

    async fn key_for(&mut self, policy: &Policy) -> Result<VerifiedKey, Denial> {
        let (attempt, any_key) = (self.attempt(), Policy::any_key());
        let forgets = self.flaws.forgets_freshness && *policy == Policy::fresh();
        let asked = if forgets || self.flaws.is_impatient { &any_key } else { policy };
        let key = self.authenticator.gate(asked).decide(attempt, &self.head(), |key| key).wait().await?;
        if self.flaws.is_impatient {
            self.authenticator.authorize(&key, policy)?;
        }
        Ok(key)
    }

    /// Another visit with the same memo.
    fn sub_request(mut self) -> Self {
        for (from, to) in routes::SUB_REQUEST_HEADERS {
            if self.flaws.takes_sub_requests_for_the_outer {
                break;
            }
            match self.parts.headers.get(from).cloned() {
                Some(value) => drop(self.parts.headers.insert(to, value)),
                None => drop(self.parts.headers.remove(to)),
            }
        }
        self
    }

    fn remove_credential(&mut self) {
        if self.flaws.removes_whole_headers {
            drop(self.parts.headers.remove("authorization"));
            drop(self.parts.headers.remove("sec-websocket-protocol"));
        }
        for (name, rest) in self.authenticator.headers_without_credential(&self.head()) {
            self.parts.headers.remove(name);
            let rest = rest.and_then(|rest| HeaderValue::from_bytes(&rest).ok());
            self.parts.headers.extend(name.parse::<HeaderName>().ok().zip(rest));
        }
        let (path, query) = (self.parts.uri.path(), self.parts.uri.query());
        if let Some(target) = self.authenticator.target_without_credential(path, query) {
            self.parts.uri = target.parse::<Uri>().unwrap();
        }
    }

    fn is_preflight(&self) -> bool {
        let is_options = self.parts.method == Method::OPTIONS;
        is_preflight(self.parts.method.as_str(), &self.head())
            || (is_options && self.flaws.passes_every_preflight)
    }
}

async fn route(mut visit: Visit, body: &mut Option<Incoming>) -> Result<Answer, Denial> {
    let method = match visit.parts.method.clone() {
        Method::HEAD => Method::GET,
        method => method,
    };
    let path = visit.parts.uri.path().to_owned();
    if let Some((_, policy)) = routes::layered().into_iter().find(|(layered, _)| *layered == path) {
        let key = visit.key_for(&policy).await?;
        return match (method, path.as_str()) {
            (Method::GET, _) => Ok(json(routes::me_body(&key))),
            (Method::OPTIONS, "/layered") => Ok(options()),
            _ => Ok(empty(405)),
        };
    }
    let body = match (method, path.as_str()) {
        (Method::GET, "/open") => routes::open_body(),
        (Method::GET, "/block") => {
            routes::block();
            routes::open_body()
        }
        (Method::GET, path) if path.starts_with("/items/") => routes::me_body(&visit.key().await?),
        (Method::GET, path) if path.starts_with("/operations/") => {
            routes::me_body(&visit.key_for(KindeOperation::POLICY).await?)
        }
        (Method::GET, "/me") => routes::me_body(&visit.key().await?),
        (Method::GET, "/scoped") => routes::me_body(&visit.key_for(Scoped::POLICY).await?),
        (Method::GET, "/any") => routes::me_body(&visit.key_for(AnyScope::POLICY).await?),
        (Method::GET, "/optional") => {
            let key = visit.optional_key().await;
            let key = if visit.flaws.optional_swallows_refusals { key.unwrap_or_default() } else { key? };
            routes::optional_body(key.as_ref())
        }
        (Method::GET, "/sub-request") => {
            visit.key().await?;
            let key = visit.sub_request().optional_key().await?;
            routes::optional_body(key.as_ref())
        }
        (Method::GET, "/twice") => {
            let (first, second) = (visit.key().await?, visit.key().await?);
            routes::twice_body(&first, &second, &visit.key_for(ReadUsers::POLICY).await?)
        }
        (Method::GET, "/sure") => {
            visit.key().await?;
            routes::me_body(&visit.key_for(SureReader::POLICY).await?)
        }
        (Method::GET, "/layered-twice") => {
            visit.key_for(&Policy::any_key()).await?;
            let (first, second) = (visit.key().await?, visit.key().await?);
            routes::twice_body(&first, &second, &visit.key_for(ReadUsers::POLICY).await?)
        }
        (Method::GET, "/branches") => match visit.key_for(Admin::POLICY).await {
            Ok(key) => routes::branches_body(true, &key),
            Err(_) => routes::branches_body(false, &visit.key().await?),
        },
        (Method::POST, "/echo") => {
            visit.key_for(ReadUsers::POLICY).await?;
            let Some(body) = body.take() else { return Ok(empty(500)) };
            let Ok(body) = body.collect().await else { return Ok(empty(400)) };
            return Ok(with_type("application/octet-stream", body.to_bytes()));
        }
        (Method::GET, "/seen") => {
            visit.key().await?;
            let headers = visit.parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            routes::seen_body(headers, visit.parts.uri.query())
        }
        (Method::GET, "/preflight") => routes::me_body(&visit.key().await?),
        (Method::OPTIONS, "/preflight") => {
            if !visit.is_preflight() {
                visit.key().await?;
            }
            return Ok(options());
        }
        (Method::GET, "/unwired") => {
            return Err(Denial::wiring_mistake("GET /unwired has no authenticator, on purpose"));
        }
        _ => return Ok(empty(404)),
    };
    Ok(json(body))
}

/// A denial as this server sends it: exactly as the core rendered it.
fn refusal(denial: &Denial) -> Answer {
    let rendered = denial.response();
    let mut answer = Response::new(Full::from(rendered.body));
    *answer.status_mut() = rendered.status.try_into().unwrap();
    for (name, value) in rendered.headers {
        answer.headers_mut().append(HeaderName::from_static(name), value.parse().unwrap());
    }
    answer
}

fn json(body: Vec<u8>) -> Answer {
    with_type("application/json", body.into())
}

fn with_type(content_type: &'static str, body: Bytes) -> Answer {
    Response::builder().header("content-type", content_type).body(Full::new(body)).unwrap()
}

fn options() -> Answer {
    Response::builder().status(204).header("allow", "GET").body(Full::default()).unwrap()
}

fn empty(status: u16) -> Answer {
    Response::builder().status(status).body(Full::default()).unwrap()
}
