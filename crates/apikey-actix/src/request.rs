//! How the core reads an actix request, and how a credential is taken out of one.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actix_web::dev::{ResourceDef, ServiceRequest};
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest};
use apikey_core::{Authenticator, Denial, PeerAddress, RequestHead};

/// The parts of a request that the core reads.
pub(crate) struct Head<'a>(pub(crate) &'a HttpRequest);

impl RequestHead for Head<'_> {
    const HOW_TO_KNOW_PEERS: &'static str = "put a PeerAddress into the request's extensions";

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let headers = self.0.headers();
        // The usual header is found by its constant. To look another up, actix would parse its name and allocate it, which
        // costs more than to walk over all headers.
        let usual = (name == "authorization").then(|| headers.get_all(header::AUTHORIZATION));
        let other = usual.is_none().then(|| headers.iter().filter(move |(found, _)| found.as_str() == name));
        let other = other.into_iter().flatten().map(|(_, value)| value);
        usual.into_iter().flatten().chain(other).map(HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&str> {
        self.0.uri().query()
    }

    fn peer(&self) -> Option<IpAddr> {
        let told = self.0.extensions().get().map(|PeerAddress(peer)| *peer);
        told.or_else(|| self.0.peer_addr().map(|peer| peer.ip()))
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        self.0.match_pattern().map(Cow::Owned)
    }

    fn operation(&self) -> Option<(&str, Cow<'_, str>)> {
        let matched = self.0.match_info();
        // A middleware around an app or a scope runs before actix has found the resource. Then `match_pattern` guesses by the path
        // alone, without guards. And of a resource with several patterns it always tells the first.
        let pattern = matched.unprocessed().is_empty().then(|| self.0.match_pattern()).flatten()?;
        let is_certain = ResourceDef::new(pattern.as_str()).is_match(matched.as_str());
        is_certain.then(|| (self.0.method().as_str(), Cow::Owned(pattern)))
    }
}

/// Takes the credential out of the headers and the URI.
///
/// # Errors
/// [`Denial`], if other code holds a clone of the request. actix reports that only by a panic, and the panic must not
/// close the caller's connection.
pub(crate) fn remove_credential(
    request: &mut ServiceRequest,
    authenticator: &Authenticator,
) -> Result<(), Denial> {
    // The panic comes before the first change, so nothing is left half-changed.
    let removal = catch_unwind(AssertUnwindSafe(|| remove_from_unshared(request, authenticator)));
    removal.map_err(|_panic| held())
}

/// The denial of a request that other code holds.
pub(crate) fn held() -> Denial {
    Denial::wiring_mistake(
        "remove_credential is set, or web_socket_protocol() implies it, but another middleware keeps a clone of the \
         HttpRequest, so that it can't be changed: put that middleware inside of the one that removes the credential",
    )
}

fn remove_from_unshared(request: &mut ServiceRequest, authenticator: &Authenticator) {
    let changed = authenticator.headers_without_credential(&Head(request.request()));
    let head = request.head_mut();
    for (name, rest) in changed {
        head.headers.remove(name);
        let rest = rest.and_then(|rest| HeaderValue::from_bytes(&rest).ok());
        if let Some((name, rest)) = name.parse::<HeaderName>().ok().zip(rest) {
            head.headers.insert(name, rest);
        }
    }
    if let Some(target) = authenticator.target_without_credential(head.uri.path(), head.uri.query()) {
        let mut parts = std::mem::take(&mut head.uri).into_parts();
        parts.path_and_query = target.parse().ok();
        let uri = Uri::from_parts(parts).unwrap_or_default();
        head.uri = uri.clone();
        // The router keeps a copy of its own.
        request.match_info_mut().get_mut().update(&uri);
    }
}
