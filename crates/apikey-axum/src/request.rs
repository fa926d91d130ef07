//! How the core reads an `http` request.

use std::net::{IpAddr, SocketAddr};

use apikey_core::RequestHead;
use axum::extract::ConnectInfo;
use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Uri, header};

/// The parts of a request that matter here, wherever they stand.
pub(crate) struct Head<'a> {
    headers: &'a HeaderMap,
    uri: &'a Uri,
    extensions: &'a Extensions,
}

impl RequestHead for Head<'_> {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        // The usual header is found by its constant, without parsing its name each time.
        let values = match name {
            "authorization" => self.headers.get_all(header::AUTHORIZATION),
            other => self.headers.get_all(other),
        };
        values.iter().map(http::HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
    }
}

/// What both a whole request and its parts can show and change.
pub(crate) trait HttpRequest {
    fn head(&self) -> Head<'_>;
    fn headers_mut(&mut self) -> &mut HeaderMap;
    fn uri_mut(&mut self) -> &mut Uri;
    fn extensions(&self) -> &Extensions;
    fn extensions_mut(&mut self) -> &mut Extensions;
}

impl HttpRequest for Parts {
    fn head(&self) -> Head<'_> {
        Head { headers: &self.headers, uri: &self.uri, extensions: &self.extensions }
    }
    fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }
    fn uri_mut(&mut self) -> &mut Uri {
        &mut self.uri
    }
    fn extensions(&self) -> &Extensions {
        &self.extensions
    }
    fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}

impl<B> HttpRequest for Request<B> {
    fn head(&self) -> Head<'_> {
        Head { headers: self.headers(), uri: self.uri(), extensions: self.extensions() }
    }
    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
    fn uri_mut(&mut self) -> &mut Uri {
        self.uri_mut()
    }
    fn extensions(&self) -> &Extensions {
        self.extensions()
    }
    fn extensions_mut(&mut self) -> &mut Extensions {
        self.extensions_mut()
    }
}
