//! How the core reads an `http` request, and how a request keeps what was learned about it.

use std::net::{IpAddr, SocketAddr};

use apikey_core::{Attempt, Authenticator, Memo, RequestHead};
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

/// The attempts at this request, under a type that nobody else can name. In extensions that are cloned it is empty, since
/// they are another request's.
#[derive(Clone, Default)]
struct RequestMemo(Memo);

/// The attempt that an earlier layer or extractor made at what this request presents, or a new one. Takes the credential out
/// where that is asked for.
pub(crate) fn begin(request: &mut impl HttpRequest, authenticator: &Authenticator) -> Attempt {
    let memo = request.extensions().get::<RequestMemo>();
    if let Some(attempt) = memo.and_then(|memo| memo.0.recall(authenticator, &request.head())) {
        return attempt;
    }
    let attempt = authenticator.begin(&request.head());
    if authenticator.must_remember(&attempt) {
        for name in authenticator.removed_headers() {
            request.headers_mut().remove(name);
        }
        remove_from_query(request.uri_mut(), authenticator);
        request
            .extensions_mut()
            .get_or_insert_default::<RequestMemo>()
            .0
            .note(authenticator, attempt.clone());
    }
    attempt
}

fn remove_from_query(uri: &mut Uri, authenticator: &Authenticator) {
    let Some(target) = authenticator.target_without_credential(uri.path(), uri.query()) else { return };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = target.parse().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}
