//! How the core reads a warp request, and the filter that begins an attempt at one.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::net::{IpAddr, SocketAddr};

use apikey_core::{Attempt, Authenticator, Denial, RequestHead};
use warp::Filter;
use warp::http::{HeaderMap, HeaderValue, header};

use crate::per_request::Knowledge;

/// The parts of a request that matter here.
pub(crate) struct Head<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
    pub(crate) peer: Option<IpAddr>,
}

impl RequestHead for Head<'_> {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        // The usual header is found by its constant, without parsing its name each time.
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

/// What there is to see of a request.
pub(crate) type Seen = (Option<Knowledge>, String, HeaderMap, Option<SocketAddr>);

/// Takes in what [`attempt`] looks at.
pub(crate) fn seen(
    keys: &Authenticator,
) -> impl Filter<Extract = Seen, Error = Infallible> + Clone + Send + Sync + 'static + use<> {
    warp::ext::optional::<Knowledge>()
        .and(query(reads_query(keys)))
        .and(warp::header::headers_cloned())
        .and(warp::addr::remote())
}

/// The attempt at the request: the one that it knows of where it came through [`per_request`](crate::per_request()), or a
/// new one.
pub(crate) fn attempt(keys: &Authenticator, (knowledge, query, headers, peer): Seen) -> Attempt {
    let mut head = Head { headers: &headers, query: Some(&query), peer: peer.map(|peer| peer.ip()) };
    let known = knowledge.and_then(|knowledge| knowledge.attempt(keys, &mut head));
    known.unwrap_or_else(|| begin(keys, &head))
}

fn begin(keys: &Authenticator, head: &Head<'_>) -> Attempt {
    if keys.removes_credential() {
        // A filter can't change the request, and to leave the credential in it would break a promise.
        let mistake = "remove_credential(true) needs apikey_warp::per_request(&keys, warp::service(routes))";
        return Attempt::Decided(Err(Denial::wiring_mistake(mistake)));
    }
    keys.begin(head)
}

/// The query, which is copied only where the authenticator looks at it; empty otherwise.
fn query(
    is_read: bool,
) -> impl Filter<Extract = (String,), Error = Infallible> + Clone + Send + Sync + 'static + use<> {
    warp::any()
        .and_then(move || ready(if is_read { Err(warp::reject::not_found()) } else { Ok(String::new()) }))
        .or(warp::query::raw()) // rejects where there is no query
        .unify()
        .or(warp::any().map(String::new))
        .unify()
}

/// Whether the authenticator looks at queries. It tells when shown a request with nothing in it.
fn reads_query(keys: &Authenticator) -> bool {
    #[derive(Default)]
    struct Probe(Cell<bool>);

    impl RequestHead for Probe {
        fn header_values<'a>(&'a self, _: &'a str) -> impl Iterator<Item = &'a [u8]> {
            std::iter::empty()
        }

        fn query(&self) -> Option<&str> {
            self.0.set(true);
            None
        }

        fn peer(&self) -> Option<IpAddr> {
            None
        }
    }

    let probe = Probe::default();
    // Nothing is presented, so there is nothing to do with the outcome.
    let _ = keys.extract(&probe);
    probe.0.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apikey_core::CredentialSource;
    use apikey_testkit::FakeVerifier;

    #[test]
    fn the_query_is_read_only_where_a_key_may_stand_in_it() {
        let reads = |sources: &[CredentialSource]| {
            let keys = Authenticator::builder(FakeVerifier::new())
                .credential_sources(sources.to_vec())
                .build()
                .unwrap();
            reads_query(&keys)
        };
        let (header, query) = (CredentialSource::bearer(), CredentialSource::insecure_query_parameter("key"));
        assert!(!reads(&[header.clone(), CredentialSource::header("x-api-key")]));
        assert!(reads(&[header, query.clone()]));
        assert!(reads(&[query]));
    }
}
