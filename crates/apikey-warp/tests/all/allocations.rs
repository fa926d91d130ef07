//! What a filter adds to the allocations of a cached request.

use allocation_counter::measure;
use apikey_warp::{
    Authenticator, CredentialSource, Policy, Scoped, answer_refusals, require, scoped, scopes,
};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service as _;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Request};
use warp::{Filter, Reply};

use crate::world::{READER, verifier};

scopes! { ReadUsers = "read:users"; }

/// The allocations of one request, the cache being warm.
fn allocations(runtime: &Runtime, routes: BoxedFilter<(warp::reply::Response,)>) -> u64 {
    let mut service = warp::service(routes);
    let request = || {
        let request = Request::builder().uri("/?page=2").header("authorization", format!("Bearer {READER}"));
        request.body(String::new()).unwrap()
    };
    let mut ask = |request: Request<String>| {
        let response = runtime.block_on(service.call(request)).unwrap();
        assert_eq!(response.status(), 200);
    };
    (0..3).for_each(|_| ask(request()));
    let again = request();
    measure(|| ask(again)).count_total
}

fn hello() -> warp::reply::Response {
    "hello".into_response()
}

#[test]
fn a_filter_adds_what_warp_asks_for_a_look_at_all_header_lines() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let keys = Authenticator::builder(verifier()).build().unwrap();
    let path = || warp::path::end().and(warp::get());
    let bare = allocations(&runtime, path().map(hello).boxed());
    let headers = warp::header::headers_cloned().map(|_: HeaderMap| hello());
    let headers = allocations(&runtime, path().and(headers).boxed());
    assert!(headers > bare, "the counter counts");
    let scoped = path().and(scoped(&keys)).map(|_: Scoped<ReadUsers>| hello());
    assert_eq!(allocations(&runtime, scoped.boxed()), headers);
    let required = path().and(require(&keys, Policy::scope("read:users"))).map(hello);
    assert_eq!(allocations(&runtime, required.clone().boxed()), headers);
    assert_eq!(allocations(&runtime, answer_refusals(&keys, required).boxed()), headers);
}

#[test]
fn a_filter_copies_the_query_only_if_a_key_may_stand_in_it() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let cost = |sources: &[CredentialSource]| {
        let keys = Authenticator::builder(verifier()).credential_sources(sources.to_vec()).build().unwrap();
        allocations(&runtime, require(&keys, Policy::any_key()).map(hello).boxed())
    };
    let bearer = CredentialSource::bearer;
    let with_header = cost(&[bearer(), CredentialSource::header("x-api-key")]);
    assert_eq!(cost(&[bearer()]), with_header);
    assert_eq!(cost(&[bearer(), CredentialSource::insecure_query_parameter("key")]), with_header + 1);
}
