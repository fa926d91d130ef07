//! How the core reads an axum request.

use std::net::{IpAddr, SocketAddr};

use apikey_core::RequestHead;
use axum::extract::ConnectInfo;
use http::header;
use http::request::Parts;

/// The parts of a request that the core reads.
pub(crate) struct Head<'a>(pub(crate) &'a Parts);

impl RequestHead for Head<'_> {
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
        self.0.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
    }
}
