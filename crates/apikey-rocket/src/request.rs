//! How the core reads a Rocket request.

use std::borrow::Cow;
use std::net::IpAddr;

use apikey_core::RequestHead;
use rocket::Request;

/// The parts of a request that the core reads.
pub(crate) struct Head<'a, 'r>(pub(crate) &'a Request<'r>);

impl RequestHead for Head<'_, '_> {
    const HOW_TO_KNOW_PEERS: &'static str =
        "call Request::set_remote in a request fairing, or LocalRequest::remote in a test";

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.headers().get(name).map(str::as_bytes)
    }

    fn query(&self) -> Option<&str> {
        self.0.uri().query().map(|query| query.as_str())
    }

    fn peer(&self) -> Option<IpAddr> {
        // Not `client_ip()`, which believes a header.
        self.0.remote().map(|peer| peer.ip())
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        self.0.route().map(|route| route.uri.path().into())
    }

    fn operation(&self) -> Option<(&str, Cow<'_, str>)> {
        Some((self.0.method().as_str(), self.route()?))
    }
}
