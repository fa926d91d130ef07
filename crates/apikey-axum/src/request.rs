//! How the core reads an axum request.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use apikey_core::{PeerAddress, RequestHead};
use axum::extract::MatchedPath;
use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
use http::header;
use http::request::Parts;

/// The parts of a request that the core reads.
pub(crate) struct Head<'a>(pub(crate) &'a Parts);

impl RequestHead for Head<'_> {
    const HOW_TO_KNOW_PEERS: &'static str = "serve the app with into_make_service_with_connect_info::<SocketAddr>(), or \
         put a PeerAddress into the request's extensions";

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        // The usual header is found by its constant, without parsing its name each time.
        let values = match name {
            "authorization" => self.0.headers.get_all(header::AUTHORIZATION),
            other => self.0.headers.get_all(other),
        };
        values.iter().map(http::HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&str> {
        self.0.uri.query()
    }

    fn peer(&self) -> Option<IpAddr> {
        let known = &self.0.extensions;
        let told = known.get().map(|PeerAddress(peer)| *peer);
        let recorded = || known.get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip());
        let mocked = || known.get().map(|MockConnectInfo::<SocketAddr>(peer)| peer.ip());
        told.or_else(recorded).or_else(mocked)
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        self.0.extensions.get::<MatchedPath>().map(|route| route.as_str().into())
    }

    fn operation(&self) -> Option<(&str, Cow<'_, str>)> {
        Some((self.0.method.as_str(), self.route()?))
    }
}
