//! The parts of a request that the core reads.

use std::borrow::Cow;
use std::net::IpAddr;

/// The parts of a request that the core reads. Each adapter implements it for its framework's own request.
pub trait RequestHead {
    /// What the application can do if [`peer`](Self::peer) is `None`, in the framework's words: a part of a sentence for
    /// the operator's log.
    const HOW_TO_KNOW_PEERS: &'static str = "make it record them, as the adapter's documentation says";

    /// The values of every header line with this name, in order, as the raw bytes that came over the wire. The caller
    /// gives the name in lower case. It matches in any case.
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The query of the request's target, still percent-encoded, without the `?`.
    fn query(&self) -> Option<&str>;

    /// The address at the other end of the connection, never one that the request claims: a [`PeerAddress`] if there
    /// is one, or else the address that the server recorded.
    ///
    /// `None` if the server does not know it, or if the connection is a Unix socket. Then nobody counts this request's
    /// attempts, unless [`TrustedProxies`](crate::TrustedProxies) name `unix`.
    fn peer(&self) -> Option<IpAddr>;

    /// The template of the matched route, such as `/users/{id}`, for an [`Observer`](crate::Observer). `None` if the
    /// framework does not tell it.
    fn route(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// The method, and the template of the route whose handler answers, for
    /// [`Policy::kinde_operation`](crate::Policy::kinde_operation). `None` if it is not certain which route that is: a key for
    /// another operation must not open this one.
    fn operation(&self) -> Option<(&str, Cow<'_, str>)> {
        None
    }
}

/// The address at the other end of the connection, if the application supplies it.
///
/// Most servers record that address themselves. Use this if yours does not, or if it records another machine's address,
/// such as a load balancer's that speaks the PROXY protocol: put it into the request's extensions, in a layer or
/// middleware in front of the authenticator. It takes precedence over what the server recorded.
///
/// It is the address of a connection. So a forwarding header is believed only if it is one of the
/// [`TrustedProxies`](crate::TrustedProxies). Don't read it from a header: callers write headers, too.
///
/// Nothing but the application makes one. If extensions are cloned into another request, that request counts for the same
/// address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddress(pub IpAddr);

/// A request head made by hand, for tests, and for callers that are not a web framework.
///
/// ```
/// use apikey_core::{PlainRequest, RequestHead};
///
/// let request = PlainRequest::new().with_header("Authorization", "Bearer k_live_1");
/// assert_eq!(request.header_values("authorization").count(), 1);
/// ```
#[derive(Clone, Default)]
pub struct PlainRequest {
    headers: Vec<(String, Vec<u8>)>,
    query: Option<String>,
    peer: Option<IpAddr>,
    operation: Option<(String, String)>,
}

impl PlainRequest {
    /// A request without headers or query.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header line.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// Sets the query.
    #[must_use]
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// Sets the address at the other end of the connection.
    #[must_use]
    pub fn with_peer(mut self, peer: IpAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Sets the method and the template of the matched route.
    #[must_use]
    pub fn with_operation(mut self, method: impl Into<String>, route: impl Into<String>) -> Self {
        self.operation = Some((method.into(), route.into()));
        self
    }
}

impl std::fmt::Debug for PlainRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PlainRequest(..)")
    }
}

impl RequestHead for PlainRequest {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        self.operation.as_ref().map(|(_, route)| route.into())
    }

    fn operation(&self) -> Option<(&str, Cow<'_, str>)> {
        self.operation.as_ref().map(|(method, route)| (method.as_str(), route.into()))
    }
}

/// Whether the request is a CORS pre-flight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`.
///
/// Browsers send it without credentials. Middleware lets it pass only if its user asked for that.
#[must_use]
pub fn is_preflight(method: &str, request: &impl RequestHead) -> bool {
    let has = |name| request.header_values(name).next().is_some();
    method == "OPTIONS" && has("origin") && has("access-control-request-method")
}
