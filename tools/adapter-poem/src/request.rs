//! How the core reads a poem request.

use std::borrow::Cow;
use std::net::IpAddr;

use apikey_core::{PeerAddress, RequestHead};
use poem::http::HeaderValue;
use poem::{PathPattern, Request};

pub(crate) struct Head<'a>(pub(crate) &'a Request);

impl RequestHead for Head<'_> {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.headers().get_all(name).iter().map(HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&str> {
        self.0.uri().query()
    }

    fn peer(&self) -> Option<IpAddr> {
        let told = self.0.extensions().get().map(|PeerAddress(peer)| *peer);
        told.or_else(|| self.0.remote_addr().as_socket_addr().map(|peer| peer.ip()))
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        self.0.data::<PathPattern>().map(|pattern| Cow::Borrowed(&*pattern.0))
    }

    fn operation(&self) -> Option<(&str, Cow<'_, str>)> {
        Some((self.0.method().as_str(), self.route()?))
    }
}
