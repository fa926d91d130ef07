//! What one request knows, for all filters that look at it: warp gives filters nothing that they could write to, so it
//! is put into the request's extensions before warp sees it.

use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use apikey_core::{Attempt, Authenticator, PlainRequest, PresentedKey, RequestHead as _};
use tower_service::Service;
use warp::http::{Request, Uri};

use crate::request::Head;

/// Wraps the service that warp makes of all routes, so that every request is verified once at most.
///
/// Filters have no memory of the request: without this, each `.and` and each branch of `.or` that asks for a key looks
/// anew. That costs nothing while the cache answers, but asks Kinde again with the cache off, and about keys that Kinde
/// refuses. A route with one key filter doesn't need it.
///
/// It also makes [`remove_credential`](crate::AuthenticatorBuilder::remove_credential) work, since filters can't change
/// the request: the credential is taken out before any filter sees it.
///
/// `warp::serve` takes filters alone, so a service is served by hyper:
///
/// ```no_run
/// use apikey_warp::{ApiKey, Authenticator, Policy, api_key, per_request, recover};
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
/// let service = per_request(&keys, warp::service(admin.or(anybody).recover(recover)));
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
/// With several authenticators, wrap once for each. `warp::addr::remote()` knows addresses only where `warp::serve` itself
/// accepts the connections, so it is `None` here: tell the address with [`with_peer`](PerRequest::with_peer), or attempts
/// can't be counted per client.
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
    /// The service for one connection: `peer` is the address at its other end.
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
        prepare(&self.keys, &mut request, self.peer);
        self.inner.call(request)
    }
}

/// Notes what the request presents, which asks nobody yet, and takes it out where that is asked for.
fn prepare<B>(keys: &Authenticator, request: &mut Request<B>, peer: Option<IpAddr>) {
    let others = request.extensions().get::<Knowledge>().cloned();
    if others.as_ref().is_some_and(|others| others.entry(keys).is_some()) {
        return;
    }
    let head = Head { headers: request.headers(), query: request.uri().query(), peer };
    let state = match keys.extract(&head) {
        Ok(Some(key)) => State::Presented(key, sender(&head)),
        Ok(None) => State::Attempted(Attempt::Anonymous),
        Err(denial) => State::Attempted(Attempt::Decided(Err(denial))),
    };
    for name in keys.removed_headers() {
        request.headers_mut().remove(name);
    }
    remove_from_query(request.uri_mut(), keys);
    let entry = Entry { keys: keys.clone(), state: Mutex::new(state), others };
    request.extensions_mut().insert(Knowledge(Arc::new(entry)));
}

/// What tells whose attempt it is; by the time that somebody asks, the request is in warp's hands.
fn sender(head: &Head<'_>) -> PlainRequest {
    let mut sender = PlainRequest::new();
    for name in ["forwarded", "x-forwarded-for"] {
        for value in head.header_values(name) {
            sender = sender.with_header(name, value);
        }
    }
    match head.peer {
        Some(peer) => sender.with_peer(peer),
        None => sender,
    }
}

fn remove_from_query(uri: &mut Uri, keys: &Authenticator) {
    let Some(target) = keys.target_without_credential(uri.path(), uri.query()) else { return };
    let mut parts = mem::take(uri).into_parts();
    parts.path_and_query = target.parse().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// What each authenticator knows of a request, under a type that nobody else can name. Clones share it.
#[derive(Clone)]
pub(crate) struct Knowledge(Arc<Entry>);

struct Entry {
    keys: Authenticator,
    state: Mutex<State>,
    /// What the authenticators of services further outside know.
    others: Option<Knowledge>,
}

enum State {
    Presented(PresentedKey, PlainRequest),
    Attempted(Attempt),
}

impl Knowledge {
    /// This authenticator's attempt, which begins with the first filter that asks; `None` where it knows nothing.
    pub(crate) fn attempt(&self, keys: &Authenticator) -> Option<Attempt> {
        let entry = self.entry(keys)?;
        let mut state = entry.state.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = match mem::replace(&mut *state, State::Attempted(Attempt::Anonymous)) {
            State::Presented(key, sender) => entry.keys.begin_verification(key, &sender),
            State::Attempted(attempt) => attempt,
        };
        *state = State::Attempted(attempt.clone());
        Some(attempt)
    }

    fn entry(&self, keys: &Authenticator) -> Option<&Entry> {
        if self.0.keys.is_same_as(keys) { Some(&self.0) } else { self.0.others.as_ref()?.entry(keys) }
    }
}
