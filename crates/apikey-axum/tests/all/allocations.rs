//! How many allocations a guard adds to a cached request.

use std::convert::Infallible;
use std::task::{Context, Poll};

use allocation_counter::measure;
use apikey_axum::{Authenticator, Policy, Scoped, Verification, VerifiedKey, scopes};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt as _};

use crate::world::{Names, request};

scopes! { User = "user"; }

const KEY: Option<&str> = Some("user-1");

/// The allocations of one request whose key is cached.
fn allocations(runtime: &Runtime, app: Router) -> u64 {
    // A server does the same. Otherwise axum makes the routes anew for each request.
    let app = app.with_state(());
    let ask = |request: axum::http::Request<Body>| {
        let response = runtime.block_on(app.clone().oneshot(request)).unwrap();
        assert_eq!(response.status(), 200);
    };
    (0..3).for_each(|_| ask(request("/", KEY)));
    let again = request("/", KEY);
    measure(|| ask(again)).count_total
}

/// A layer that attaches a key to each request and makes no call. It shows how much axum itself allocates for that.
#[derive(Clone)]
struct Attach(VerifiedKey);

#[derive(Clone)]
struct Attached<S>(S, VerifiedKey);

impl<S> Layer<S> for Attach {
    type Service = Attached<S>;

    fn layer(&self, inner: S) -> Attached<S> {
        Attached(inner, self.0.clone())
    }
}

impl<S: Service<Request, Response = Response, Error = Infallible>> Service<Request> for Attached<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        request.extensions_mut().insert(self.1.clone());
        self.0.call(request)
    }
}

#[test]
fn an_extractor_adds_none_and_a_layer_what_attaching_a_key_does() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let keys: Authenticator = Names::default().authenticator(60);
    let key = VerifiedKey::assume_verified(Verification::active("user-1"));
    let bare = || Router::new().route("/", get(async || "hello"));
    let bare_with_state = Router::new().route("/", get(async || "hello")).with_state(keys.clone());
    let scoped = Router::new().route("/", get(async |_: Scoped<User>| "hello")).with_state(keys.clone());
    let required = bare().route_layer(keys.require(Policy::scope("user")));
    // axum and the runtime keep some values for each thread. The first requests make them.
    allocations(&runtime, scoped.clone());
    let alone = allocations(&runtime, bare_with_state);
    assert!(alone > 0, "the counter counts");
    assert_eq!(allocations(&runtime, scoped.clone()), alone);
    assert_eq!(allocations(&runtime, required), allocations(&runtime, bare().route_layer(Attach(key))));
}
