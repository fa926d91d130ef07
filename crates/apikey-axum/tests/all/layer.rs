use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use apikey_axum::Policy;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::world::{Names, request};

/// Answers 200. Panics if it is called without being ready.
#[derive(Default)]
struct Careful {
    ready: bool,
}

impl Clone for Careful {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<Body>> for Careful {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        ready(Ok(Response::new(Body::empty())))
    }
}

const KEYS: [(Option<&str>, u16); 6] = [
    (Some("admin-1"), 200), // pending
    (Some("admin-1"), 200), // a hit
    (None, 401),
    (Some("user-1"), 403),
    (Some("nobody"), 401),
    (Some("admin-2"), 200),
];

#[tokio::test]
async fn the_ready_service_is_the_one_called() {
    let mut service =
        Names::default().authenticator(60).require(Policy::scope("admin")).layer(Careful::default());
    for (key, status) in KEYS {
        let response = service.ready().await.unwrap().call(request("/", key)).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{key:?}");
    }
}

#[tokio::test]
async fn a_denied_request_gives_its_place_back() {
    let limited = ConcurrencyLimit::new(Careful::default(), 1);
    let mut service = Names::default().authenticator(60).require(Policy::scope("admin")).layer(limited);
    for (key, status) in KEYS.into_iter().cycle().take(60) {
        let answer = async { service.ready().await.unwrap().call(request("/", key)).await.unwrap() };
        let response = tokio::time::timeout(Duration::from_secs(10), answer).await.expect("a place was lost");
        assert_eq!(response.status().as_u16(), status, "{key:?}");
    }
}

#[tokio::test]
async fn a_buffer_of_one_serves_everybody() {
    let buffered = Buffer::new(Careful::default(), 1);
    let service = Names::default().authenticator(60).require(Policy::scope("admin")).layer(buffered);
    let mut callers = Vec::new();
    for (key, status) in KEYS.into_iter().cycle().take(60) {
        let service = service.clone();
        callers.push(tokio::spawn(async move {
            let response = service.oneshot(request("/", key)).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{key:?}");
        }));
    }
    for caller in callers {
        tokio::time::timeout(Duration::from_secs(10), caller).await.expect("a place was lost").unwrap();
    }
}

#[tokio::test]
async fn load_shedding_inside_still_works() {
    let shedding = LoadShed::new(ConcurrencyLimit::new(Careful::default(), 1));
    let mut service = Names::default().authenticator(60).require(Policy::scope("admin")).layer(shedding);
    for (key, status) in KEYS {
        let response = service.ready().await.unwrap().call(request("/", key)).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{key:?}");
    }
}
