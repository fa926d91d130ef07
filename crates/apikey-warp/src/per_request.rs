//! The service that gives every request a memo before warp sees it.

use std::mem;
use std::net::IpAddr;
use std::task::{Context, Poll};

use apikey_core::{Authenticator, PeerAddress};
use tower_service::Service;
use warp::http::{HeaderName, HeaderValue, Request, Uri};

use crate::memo::RequestMemo;
use crate::request::Head;

/// Wraps the service that warp makes of all routes, so that every request is verified at most once.
///
/// A filter remembers nothing about the request. So without this service, each `.and` and each branch of `.or` that
/// asks for a key looks it up again. That costs nothing while the cache answers. But if the cache is off or Kinde
/// refuses the key, each look asks Kinde. A route with one key filter doesn't need this service.
///
/// It also makes [`remove_credential`](crate::AuthenticatorBuilder::remove_credential) work. Filters can't change the
/// request, so this service takes the credential out before any filter sees it.
///
/// `warp::serve` takes only filters, so serve a service with hyper:
///
/// ```no_run
/// use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key, per_request};
/// use hyper_util::rt::{TokioExecutor, TokioIo};
/// use hyper_util::server::conn::auto;
/// use hyper_util::service::TowerToHyperService;
/// use warp::Filter;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = Authenticator::kinde_from_env()?;
/// let path = warp::path!("reports").and(warp::get());
/// let admin = path.and(api_key(&keys, Policy::all(["admin"]))).map(|_: ApiKey| "All reports".to_owned());
/// let anybody = path.and(api_key(&keys, Policy::any_key()));
/// let anybody = anybody.map(|key: ApiKey| format!("Reports of {}", key.key_id()));
/// let service = per_request(&keys, warp::service(answer_refusals(&keys, admin.or(anybody))));
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// loop {
///     let (stream, peer) = listener.accept().await?;
///     let service = TowerToHyperService::new(service.clone().with_peer(peer.ip()));
///     tokio::spawn(async move {
///         let connection = auto::Builder::new(TokioExecutor::new());
///         // An error is a client that went away.
///         let _ = connection.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
///     });
/// }
/// # }
/// ```
///
/// One such service is enough for all authenticators. But if several authenticators remove credentials, wrap the
/// service once for each of them.
///
/// Tell it each connection's address with [`with_peer`](PerRequest::with_peer), as above. warp knows an address only if
/// `warp::serve` accepts the connection, and without addresses the authenticator can't limit attempts per client.
///
/// If the extensions of a request are a clone of another request's, the authenticator still judges each request by what
/// it presents itself. With `remove_credential`, send such requests through a `per_request` of their own, which takes
/// their credential out.
pub fn per_request<S>(keys: &Authenticator, service: S) -> PerRequest<S> {
    PerRequest { keys: keys.clone(), inner: service, peer: None }
}

/// The service that [`per_request`] makes. It adds no future of its own.
#[derive(Debug, Clone)]
pub struct PerRequest<S> {
    keys: Authenticator,
    inner: S,
    peer: Option<IpAddr>,
}

impl<S> PerRequest<S> {
    /// The service for one connection. `peer` is the address at the connection's other end. Every request gets it as its
    /// [`PeerAddress`], unless it has one already.
    #[must_use]
    pub fn with_peer(self, peer: IpAddr) -> Self {
        Self { peer: Some(peer), ..self }
    }
}

impl<S, B> Service<Request<B>> for PerRequest<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let Self { keys, inner, peer } = self;
        if let Some(peer) = *peer {
            request.extensions_mut().get_or_insert(PeerAddress(peer));
        }
        let memo = RequestMemo::of_request(request.extensions_mut().remove());
        let peer = request.extensions().get().map(|PeerAddress(peer)| *peer);
        let head = Head { headers: request.headers(), query: request.uri().query(), peer };
        if memo.take(keys, &head) {
            for (name, rest) in keys.headers_without_credential(&head) {
                request.headers_mut().remove(name);
                let rest = rest.and_then(|rest| HeaderValue::from_bytes(&rest).ok());
                request.headers_mut().extend(name.parse::<HeaderName>().ok().zip(rest));
            }
            remove_from_query(request.uri_mut(), keys);
        }
        request.extensions_mut().insert(memo);
        inner.call(request)
    }
}

fn remove_from_query(uri: &mut Uri, keys: &Authenticator) {
    let Some(target) = keys.target_without_credential(uri.path(), uri.query()) else { return };
    let mut parts = mem::take(uri).into_parts();
    parts.path_and_query = target.parse().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}
