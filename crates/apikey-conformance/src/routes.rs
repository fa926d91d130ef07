//! The routes that an adapter's test server offers.
//!
//! | route | protected by | answers |
//! | --- | --- | --- |
//! | `GET`, `HEAD /open` | nothing | [`open_body`] |
//! | `GET /block` | nothing | [`open_body`], by a handler that first calls [`block`] on a thread that serves requests |
//! | `GET`, `HEAD /me` | an extractor for any key | [`me_body`] |
//! | `GET`, `HEAD /scoped` | an extractor for the typed policy [`Scoped`] | [`me_body`] |
//! | `GET /any` | an extractor for the typed policy [`AnyScope`] | [`me_body`] |
//! | `GET`, `HEAD` and the path of each of [`layered`] | a layer (middleware, filter) with that policy | [`me_body`] |
//! | `OPTIONS /layered` | the same layer as its `GET` | 204, header `allow: GET`, no body |
//! | `GET /optional` | an extractor for an optional key | [`optional_body`] |
//! | `GET /twice` | in one handler two extractors for any key, and one for [`ReadUsers`] | [`twice_body`] |
//! | `GET /sure` | in one handler an extractor for any key, then one for [`SureReader`] | [`me_body`] of the latter |
//! | `GET /layered-twice` | a layer for any key, then in one handler as `/twice` | [`twice_body`] |
//! | `GET /branches` | a handler (rank, alternative) for keys with [`Admin`], else one for any key | [`branches_body`] |
//! | `GET /operations/{name}`, for any name | an extractor for the typed policy [`KindeOperation`](apikey_core::KindeOperation) | [`me_body`] |
//! | `GET /items/{name}`, for any name | an extractor for any key | [`me_body`] |
//! | `POST /echo` | an extractor for [`ReadUsers`] | the request's body, `application/octet-stream` |
//! | `GET /seen` | a layer for any key | [`seen_body`], of the request as the handler sees it |
//! | `GET /preflight` | a layer for any key that lets pre-flights pass | [`me_body`] |
//! | `OPTIONS /preflight` | the same layer | 204, header `allow: GET`, no body |
//! | `GET /sub-request` | a layer for any key, then an extractor for an optional key of a sub-request: see [`SUB_REQUEST_HEADERS`] | [`optional_body`] |
//! | `GET /unwired` | an extractor for any key, without an authenticator | [`me_body`], which no request may get |
//!
//! All bodies are `application/json` except for the echo's. Statuses are 200 unless the table says otherwise. If a
//! framework has no layers, it protects the whole route in its own way. If it has no alternatives for one path,
//! `/branches` is one handler that decides with an optional extractor or a `Result`. The handlers add no headers.
//!
//! Every route takes [`PEER_HEADER`].
//!
//! If a framework cannot serve a route as described, declare it in [`Differences`](crate::Differences). Otherwise it
//! is a defect of the adapter.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apikey_core::{AnyOf, Fresh, Policy, VerifiedKey};
use serde::Serialize;

apikey_core::scopes! {
    /// May read users.
    pub ReadUsers = "read:users";
    /// May write users.
    pub WriteUsers = "write:users";
    /// May do everything.
    pub Admin = "admin";
}

/// The handler of `GET /sub-request` makes a request with clones of its own extensions. It sets the second header to
/// the value of the first, or removes the second if there is no first. It returns the answer to that request.
///
/// If a framework cannot clone extensions, the handler changes the headers of its own request between two looks at
/// the key.
pub const SUB_REQUEST_HEADERS: [(&str, &str); 2] =
    [("x-sub-authorization", "authorization"), ("x-sub-api-key", "x-api-key")];

/// If a request to any route has this header, code in front of all layers and extractors supplies its value as the
/// address at the other end of the connection, as an application would do it
/// ([`PeerAddress`](apikey_core::PeerAddress)). [`supplied_peer`] reads the value.
pub const PEER_HEADER: &str = "x-supplied-peer";

/// The address in the value of [`PEER_HEADER`].
///
/// # Panics
///
/// If the value is no address.
#[must_use]
pub fn supplied_peer(value: Option<&[u8]>) -> Option<IpAddr> {
    let value = String::from_utf8_lossy(value?);
    Some(value.parse().expect("the suite supplies addresses"))
}

/// The policy of `GET /scoped`.
pub type Scoped = (ReadUsers, WriteUsers);

/// The policy of `GET /sure`.
pub type SureReader = (ReadUsers, Fresh);

/// The policy of `GET /any`.
pub type AnyScope = AnyOf<(Admin, ReadUsers)>;

/// The routes that a layer with a policy protects. All of them answer [`me_body`].
#[must_use]
pub fn layered() -> Vec<(&'static str, Policy)> {
    vec![
        ("/layered", Policy::all(["admin"])),
        ("/nested", Policy::all([Policy::scope("read:users"), Policy::any(["admin", "write:users"])])),
        ("/organization", Policy::organization_key()),
        ("/user", Policy::user_key()),
        ("/bound", Policy::organization("org_acme")),
        // The scope comes first, because the order must not matter.
        ("/owner-and-scope", Policy::all([Policy::scope("read:tickets"), Policy::organization_key()])),
        ("/fresh", Policy::fresh()),
        ("/operation", Policy::all([Policy::any_key(), Policy::kinde_operation()])),
    ]
}

/// The body of `GET /open`.
#[must_use]
pub fn open_body() -> Vec<u8> {
    br#"{"open":true}"#.to_vec()
}

/// How long [`block`] blocks.
pub const BLOCKED: Duration = Duration::from_secs(2);

static BLOCKED_THREADS: AtomicUsize = AtomicUsize::new(0);

/// Blocks this thread for two seconds, like a handler that is not asynchronous.
pub fn block() {
    BLOCKED_THREADS.fetch_add(1, Ordering::SeqCst);
    std::thread::sleep(BLOCKED);
}

/// How many threads have blocked so far.
pub(crate) fn blocked_threads() -> usize {
    BLOCKED_THREADS.load(Ordering::SeqCst)
}

/// Says who owns the key.
#[must_use]
pub fn me_body(key: &VerifiedKey) -> Vec<u8> {
    #[derive(Serialize)]
    struct Me<'a> {
        key_id: &'a str,
        status: &'a str,
        scopes: Vec<&'a str>,
        org_code: Option<&'a str>,
        user_id: Option<&'a str>,
    }
    rendered(&Me {
        key_id: key.key_id(),
        status: key.status(),
        scopes: key.scopes().collect(),
        org_code: key.organization_code(),
        user_id: key.user_id(),
    })
}

/// The body of `GET /optional`.
#[must_use]
pub fn optional_body(key: Option<&VerifiedKey>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Optional<'a> {
        authenticated: bool,
        key_id: Option<&'a str>,
    }
    rendered(&Optional { authenticated: key.is_some(), key_id: key.map(VerifiedKey::key_id) })
}

/// The body of a handler with three extractors: [`me_body`], if they agree.
///
/// # Panics
///
/// If they found different keys.
#[must_use]
pub fn twice_body(first: &VerifiedKey, second: &VerifiedKey, scoped: &VerifiedKey) -> Vec<u8> {
    assert_eq!(first, second, "the extractors of one handler found different keys");
    assert_eq!(first, scoped, "the extractors of one handler found different keys");
    me_body(first)
}

/// The body of `GET /branches`. `admin` says which branch answers.
#[must_use]
pub fn branches_body(admin: bool, key: &VerifiedKey) -> Vec<u8> {
    #[derive(Serialize)]
    struct Branch<'a> {
        branch: &'a str,
        key_id: &'a str,
    }
    rendered(&Branch { branch: if admin { "admin" } else { "any" }, key_id: key.key_id() })
}

/// The headers in which a key may stand.
pub(crate) const PLACES: [&str; 4] =
    ["authorization", "x-api-key", "x-forwarded-authorization", "sec-websocket-protocol"];

/// The body of `GET /seen`: the lines of the headers in which a key may stand, and the query, as the handler sees
/// them. `headers` has all header lines of the request, with names in lower case.
///
/// Each line stands there backwards, because the suite refuses every answer that holds a key.
#[must_use]
pub fn seen_body<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>, query: Option<&str>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Seen<'a> {
        headers: Vec<(&'a str, String)>,
        query: &'a str,
    }
    let backwards = |value| String::from_utf8_lossy(value).chars().rev().collect();
    let headers = headers.into_iter().filter(|(name, _)| PLACES.contains(name));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name, backwards(value))).collect();
    // Frameworks keep the lines of one header in order, but not the headers.
    headers.sort_by_key(|(name, _)| *name);
    rendered(&Seen { headers, query: query.unwrap_or_default() })
}

fn rendered(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("texts and booleans are always JSON")
}
