//! The suite's routes, served by hyper around `per_request`.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll};

use apikey_conformance::routes::{
    AnyScope, PEER_HEADER, ReadUsers, SUB_REQUEST_HEADERS, Scoped as BothScopes, SureReader, branches_body,
    layered, me_body, open_body, optional_body, seen_body, supplied_peer, twice_body,
};
use apikey_conformance::{Adapter, Differences, RunningServer};
use apikey_warp::{
    ApiKey, Authenticator, KindeOperation, MaybeApiKey, PeerAddress, Policy, Scoped, answer_refusals,
    api_key, optional_api_key, per_request, preflight, require, scoped,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower_service::Service;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::{ALLOW, CONTENT_TYPE};
use warp::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use warp::reply::{Reply, Response, with_header};

apikey_conformance::conformance_tests!(Warp);

struct Warp;

impl Adapter for Warp {
    const DIFFERENCES: Differences =
        Differences { refuses_unwired_earlier: true, tells_no_route: true, ..Differences::NONE };

    async fn start(keys: Authenticator) -> RunningServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let filters = warp::service(answer_refusals(&keys, routes(&keys)).boxed());
        let service = per_request(&keys, SubRequests { filters, keys: keys.clone() });
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, peer)) = listener.accept().await {
                let service = SuppliesPeer(service.clone().with_peer(peer.ip()));
                let service = TowerToHyperService::new(service);
                connections.spawn(async move {
                    // An error is a client that went away, or sent no HTTP.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        RunningServer::new(address, move || server.abort())
    }
}

/// What code in front of `per_request` may do.
#[derive(Clone)]
struct SuppliesPeer<S>(S);

impl<S: Service<Request<B>>, B> Service<Request<B>> for SuppliesPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let supplied = request.headers().get(PEER_HEADER).map(HeaderValue::as_bytes);
        if let Some(peer) = supplied_peer(supplied) {
            request.extensions_mut().insert(PeerAddress(peer));
        }
        self.0.call(request)
    }
}

/// Answers `/sub-request` by a request of its own, once the route of that name has let the outer one pass.
#[derive(Clone)]
struct SubRequests<S> {
    filters: S,
    keys: Authenticator,
}

impl<S, B> Service<Request<B>> for SubRequests<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible, Future: Send + 'static>,
    S: Service<Request<String>, Response = Response, Error = Infallible, Future: Send + 'static>,
    S: Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.uri().path() != "/sub-request" {
            return Box::pin(self.filters.call(request));
        }
        let mut sub_request = Request::builder().uri("/optional").body(String::new()).unwrap();
        for (from, to) in SUB_REQUEST_HEADERS {
            if let Some(value) = request.headers().get(from) {
                sub_request.headers_mut().insert(to, value.clone());
            }
        }
        *sub_request.extensions_mut() = request.extensions().clone();
        let outer = self.filters.call(request);
        let mut inner = per_request(&self.keys, self.filters.clone());
        Box::pin(async move {
            let answer = outer.await?;
            if answer.status() == StatusCode::OK { inner.call(sub_request).await } else { Ok(answer) }
        })
    }
}

fn routes(keys: &Authenticator) -> BoxedFilter<(Response,)> {
    let any_key = || api_key(keys, Policy::any_key());
    let guard = || require(keys, Policy::any_key());

    let open = path("open").and(read()).map(|| json(open_body()));
    let block = path("block").and(warp::get()).map(|| {
        apikey_conformance::routes::block();
        json(open_body())
    });
    let me = path("me").and(read()).and(any_key()).map(|key: ApiKey| json(me_body(&key)));
    let item = warp::path!("items" / String).and(warp::get()).and(any_key());
    let item = item.map(|_: String, key: ApiKey| json(me_body(&key)));
    let both = path("scoped").and(read()).and(scoped::<BothScopes>(keys));
    let both = both.map(|key: Scoped<BothScopes>| json(me_body(&key)));
    let any = path("any").and(warp::get()).and(scoped::<AnyScope>(keys));
    let any = any.map(|key: Scoped<AnyScope>| json(me_body(&key)));
    let optional = path("optional").and(warp::get()).and(optional_api_key(keys));
    let optional = optional.map(|key: MaybeApiKey| json(optional_body(key.key())));

    let outer = path("sub-request").and(warp::get()).and(guard()).map(|| json(open_body()));

    let twice = || {
        let keys = any_key().and(any_key()).and(scoped::<ReadUsers>(keys));
        keys.map(|first: ApiKey, second: ApiKey, third: Scoped<ReadUsers>| {
            json(twice_body(&first, &second, &third))
        })
    };
    let layered_twice = path("layered-twice").and(warp::get()).and(guard()).and(twice());
    let twice = path("twice").and(warp::get()).and(twice());

    let operation = warp::path!("operations" / String).and(warp::get()).and(scoped::<KindeOperation>(keys));
    let operation = operation.map(|_, key: Scoped<KindeOperation>| json(me_body(&key)));
    let sure = path("sure").and(warp::get()).and(any_key()).and(scoped::<SureReader>(keys));
    let sure = sure.map(|_: ApiKey, sure: Scoped<SureReader>| json(me_body(&sure)));

    let branches = path("branches").and(warp::get());
    let admin = branches.clone().and(api_key(keys, Policy::all(["admin"])));
    let admin = admin.map(|key: ApiKey| json(branches_body(true, &key)));
    let branches = branches.and(any_key()).map(|key: ApiKey| json(branches_body(false, &key)));

    let echo = path("echo").and(warp::post()).and(scoped::<ReadUsers>(keys)).and(warp::body::bytes());
    let echo = echo.map(|_: Scoped<ReadUsers>, body: warp::hyper::body::Bytes| body.to_vec().into_response());
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let seen = path("seen").and(warp::get()).and(guard()).and(warp::header::headers_cloned()).and(query);
    let seen = seen.map(|headers: HeaderMap, query: String| {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        json(seen_body(headers, Some(&query)))
    });

    let answers = read().and(any_key()).map(|key: ApiKey| json(me_body(&key)));
    let answers = answers.or(guard().and(warp::options()).map(allowed)).unify();
    let passing = path("preflight").and(preflight().map(|_: Method| allowed()).or(answers).unify()).boxed();

    let layered = layered()
        .into_iter()
        .fold(passing, |others, (path, policy)| others.or(layer(keys, path, policy)).unify().boxed());
    let single = open
        .or(block)
        .unify()
        .or(me)
        .unify()
        .or(item)
        .unify()
        .or(both)
        .unify()
        .or(any)
        .unify()
        .or(optional)
        .unify();
    let several = twice
        .or(operation)
        .unify()
        .or(sure)
        .unify()
        .or(layered_twice)
        .unify()
        .or(admin)
        .unify()
        .or(branches)
        .unify();
    single.or(outer).unify().or(several).unify().or(echo).unify().or(seen).unify().or(layered).unify().boxed()
}

/// One guard before the methods of the path, of which the handler for `OPTIONS` is `/layered`'s alone.
fn layer(keys: &Authenticator, name: &'static str, policy: Policy) -> BoxedFilter<(Response,)> {
    let guarded = path(name.trim_start_matches('/')).and(api_key(keys, policy));
    let answers = guarded.clone().and(read()).map(|key: ApiKey| json(me_body(&key)));
    if name != "/layered" {
        return answers.boxed();
    }
    answers.or(guarded.and(warp::options()).map(|_: ApiKey| allowed())).unify().boxed()
}

fn path(name: &'static str) -> BoxedFilter<()> {
    warp::path(name).and(warp::path::end()).boxed()
}

fn read() -> BoxedFilter<()> {
    warp::get().or(warp::head()).unify().boxed()
}

fn json(body: Vec<u8>) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

fn allowed() -> Response {
    with_header(StatusCode::NO_CONTENT, ALLOW, "GET").into_response()
}
