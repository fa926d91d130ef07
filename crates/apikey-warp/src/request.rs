//! How the core reads a warp request, and the filter that begins an attempt at one.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use apikey_core::{Attempt, Authenticator, Decision, Denial, Gate, PeerAddress, Policy, RequestHead};
use warp::http::{HeaderMap, HeaderValue, header};
use warp::{Filter, Rejection};

use crate::memo::RequestMemo;

/// The parts of a request that the core reads.
pub(crate) struct Head<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
    pub(crate) peer: Option<IpAddr>,
}

impl RequestHead for Head<'_> {
    const HOW_TO_KNOW_PEERS: &'static str = "let warp::serve accept TCP connections, tell PerRequest::with_peer each \
         connection's address, or put a PeerAddress into the request's extensions";

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        // The constant saves parsing the usual header's name on each request.
        let values = match name {
            "authorization" => self.headers.get_all(header::AUTHORIZATION),
            other => self.headers.get_all(other),
        };
        values.iter().map(HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&str> {
        self.query
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

/// What a gate decides about the attempt at a request.
pub(crate) type Decide<K> = fn(Gate<'_>, Attempt, &Head<'_>) -> Decision<K>;

/// Extracts the decision about the request.
pub(crate) fn decision<K: Send + 'static>(
    keys: &Authenticator,
    policy: Policy,
    decide: Decide<K>,
) -> impl Filter<Extract = (Decision<K>,), Error = Infallible> + Clone + Send + Sync + 'static + use<K> {
    let asked = Arc::new((keys.clone(), policy));
    warp::ext::optional()
        .and(query(keys.reads_query()))
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .and(warp::addr::remote())
        .map(move |memo, query: String, headers, told: Option<PeerAddress>, recorded: Option<SocketAddr>| {
            let peer = told.map(|PeerAddress(peer)| peer).or(recorded.map(|peer| peer.ip()));
            let head = Head { headers: &headers, query: Some(&query), peer };
            let (keys, policy) = &*asked;
            decide(keys.gate(policy), begin(keys, memo, &head), &head)
        })
}

/// The attempt that the request's memo knows of, or a new one.
fn begin(keys: &Authenticator, memo: Option<RequestMemo>, head: &Head<'_>) -> Attempt {
    let attempt = match memo {
        Some(memo) => memo.begin(keys, head),
        None => (!keys.removes_credential()).then(|| keys.begin(head)),
    };
    attempt.unwrap_or_else(|| {
        // A filter can't take the credential out of the request, so it must not let the request in.
        let mistake = "remove_credential(true), or web_socket_protocol(), which implies it, needs \
                       apikey_warp::per_request(&keys, warp::service(routes)), inside of every service that changes \
                       credentials";
        Attempt::denied(Denial::wiring_mistake(mistake))
    })
}

/// Extracts the query if the authenticator reads it, and otherwise an empty text, because each query is a copy.
fn query(
    is_read: bool,
) -> impl Filter<Extract = (String,), Error = Infallible> + Clone + Send + Sync + 'static + use<> {
    warp::any()
        .and_then(move || pass_if(is_read))
        .untuple_one()
        .and(warp::query::raw()) // rejects if there is no query
        .or(warp::any().map(String::new))
        .unify()
}

/// Lets a request pass, or leaves it to other branches.
pub(crate) fn pass_if(passes: bool) -> Ready<Result<(), Rejection>> {
    ready(if passes { Ok(()) } else { Err(warp::reject::not_found()) })
}
