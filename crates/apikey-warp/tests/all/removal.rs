//! Credentials that handlers are not to see.

use apikey_warp::{ApiKey, Authenticator, CredentialSource, Policy, api_key, per_request, recover};
use tower_service::Service as _;
use warp::Filter;
use warp::http::{HeaderMap, Request};

use crate::world::{READER, get, status, told, uncached, verifier};

fn removing() -> Authenticator {
    let sources = [CredentialSource::bearer(), CredentialSource::insecure_query_parameter("key")];
    uncached(&verifier()).credential_sources(sources).remove_credential(true).build().unwrap()
}

#[tokio::test]
async fn nothing_of_the_credential_is_seen_by_any_filter() {
    let keys = removing();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let route = warp::header::headers_cloned().and(query).and(api_key(&keys, Policy::any_key())).map(
        |headers: HeaderMap, query: String, key: ApiKey| {
            assert!(!format!("{headers:?} {query}").contains(READER));
            assert_eq!(key.key_id(), "reader");
            warp::reply::with_header("", "x-query", query)
        },
    );
    let mut service = per_request(&keys, warp::service(route.recover(recover)));
    assert_eq!(status(&mut service, "/", Some(READER)).await, 200);
    for (path, rest) in [("/?key=k_live_reader", ""), ("/?a=1&key=k_live_reader&b=%20", "a=1&b=%20")] {
        let response = service.call(Request::builder().uri(path).body(String::new()).unwrap()).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["x-query"].as_bytes()),
            (200, rest.as_bytes())
        );
    }
}

#[tokio::test]
async fn without_the_service_that_removes_it_nobody_is_let_in() {
    let keys = removing();
    let route =
        warp::path!("me").and(api_key(&keys, Policy::any_key())).map(|_: ApiKey| "you").recover(recover);
    for key in [None, Some(READER)] {
        assert_eq!(told(&get("/me", key).reply(&route).await), (500, "INTERNAL_ERROR".to_owned()));
    }
    let other = uncached(&verifier()).build().unwrap();
    let mut wrong_one = per_request(&other, warp::service(route));
    assert_eq!(status(&mut wrong_one, "/me", Some(READER)).await, 500);
}
