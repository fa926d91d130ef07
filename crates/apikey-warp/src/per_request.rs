//! What one request knows, for all filters that look at it: warp gives filters nothing that they could write to, so it
//! is put into the request's extensions before warp sees it.

use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use apikey_core::{Attempt, Authenticator, Denial, Memo, PlainRequest, PresentedKey, RequestHead as _};
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
/// A request whose extensions are a clone of another's is a request of its own: it is judged by what it presents itself.
/// With `remove_credential`, let such requests pass through a `per_request` of their own, which takes their credential out.
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

/// Gives the request a place to keep attempts in, and takes its credential out where that is asked for. Asks nobody yet.
fn prepare<B>(keys: &Authenticator, request: &mut Request<B>, peer: Option<IpAddr>) {
    let known = request.extensions().get::<Knowledge>();
    let peer = peer.or_else(|| known.and_then(|known| known.entry.peer));
    let others = known.filter(|known| known.copies == 0).map(|known| Arc::clone(&known.entry));
    let is_known = others.as_ref().is_some_and(|others| others.of(keys).is_some());
    let mut state = State::default();
    if keys.removes_credential() {
        let head = Head { headers: request.headers(), query: request.uri().query(), peer };
        match keys.extract(&head) {
            // It was taken out before.
            Ok(None) if is_known => return,
            Ok(None) => state.attempts.note(keys, Attempt::Anonymous),
            Ok(Some(key)) => state.taken = Some((key, sender(&head))),
            Err(denial) => state.attempts.note(keys, Attempt::Decided(Err(denial))),
        }
        for name in keys.removed_headers() {
            request.headers_mut().remove(name);
        }
        remove_from_query(request.uri_mut(), keys);
    } else if is_known {
        return;
    }
    let entry = Arc::new(Entry { keys: keys.clone(), peer, state: Mutex::new(state), others });
    request.extensions_mut().insert(Knowledge { entry, copies: 0 });
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

/// What each authenticator knows of a request, under a type that nobody else can name.
///
/// warp hands filters a copy of what is in a request's extensions. A copy of a copy comes from extensions that were cloned,
/// and so belong to another request: of that one nothing is known.
pub(crate) struct Knowledge {
    entry: Arc<Entry>,
    /// How many times it was copied since it was made.
    copies: u8,
}

struct Entry {
    keys: Authenticator,
    /// The address at the other end of the connection, where the service was told.
    peer: Option<IpAddr>,
    state: Mutex<State>,
    /// What the authenticators of services further outside know.
    others: Option<Arc<Entry>>,
}

#[derive(Default)]
struct State {
    /// What was taken out of the request and nobody has asked about yet, and what tells whose attempt that is.
    taken: Option<(PresentedKey, PlainRequest)>,
    attempts: Memo,
}

impl Knowledge {
    /// This authenticator's attempt at what the request presents, which begins with the first filter that asks; `None`
    /// where it knows nothing. Tells the head its peer.
    pub(crate) fn attempt(&self, keys: &Authenticator, head: &mut Head<'_>) -> Option<Attempt> {
        let entry = self.entry.of(keys);
        head.peer = entry.unwrap_or(&self.entry).peer.or(head.peer);
        let is_the_filters_copy = self.copies <= 1;
        entry.filter(|_| is_the_filters_copy).map(|entry| entry.attempt(head))
    }
}

impl Clone for Knowledge {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), copies: self.copies.saturating_add(1) }
    }
}

impl Entry {
    fn of(&self, keys: &Authenticator) -> Option<&Self> {
        if self.keys.is_same_as(keys) { Some(self) } else { self.others.as_ref()?.of(keys) }
    }

    fn attempt(&self, head: &Head<'_>) -> Attempt {
        let Self { keys, state, .. } = self;
        if keys.removes_credential() && !matches!(keys.extract(head), Ok(None)) {
            // To judge the older credential would be wrong, and to leave the newer one in would break a promise.
            let mistake = "remove_credential(true) needs apikey_warp::per_request(&keys, ..) inside of every service that \
                           changes credentials";
            return Attempt::Decided(Err(Denial::wiring_mistake(mistake)));
        }
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = match state.taken.take() {
            Some((key, sender)) => keys.begin_verification(key, &sender),
            None => match state.attempts.recall(keys, head) {
                Some(attempt) => return attempt,
                None => keys.begin(head),
            },
        };
        if keys.must_remember(&attempt) {
            state.attempts.note(keys, attempt.clone());
        }
        attempt
    }
}
