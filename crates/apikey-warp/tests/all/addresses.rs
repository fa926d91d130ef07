//! Where the client's address comes from: the application, or a proxy at a Unix socket.

use std::net::IpAddr;
use std::time::Duration;

use apikey_warp::{
    ApiKey, AttemptLimit, Authenticator, PeerAddress, Policy, TrustedProxies, api_key, per_request, recover,
};
use tower_service::Service;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::Request;
use warp::reply::{Reply, Response};

use crate::world::verifier;

/// Each client may present one unknown key.
fn keys(proxies: &str) -> Authenticator {
    Authenticator::builder(verifier())
        .attempt_limit(AttemptLimit::new(1, Duration::from_secs(900)))
        .trusted_proxies(TrustedProxies::parse(proxies).unwrap())
        .build()
        .unwrap()
}

fn routes(keys: &Authenticator) -> BoxedFilter<(Response,)> {
    let me = api_key(keys, Policy::any_key()).map(|key: ApiKey| key.key_id().to_owned());
    me.recover(recover).map(Reply::into_response).boxed()
}

/// The status that an unknown key gets from this peer.
async fn attempt<S>(mut service: S, peer: u8) -> u16
where
    S: Service<Request<String>, Response = Response, Error = std::convert::Infallible>,
{
    let mut request =
        Request::builder().header("authorization", "Bearer nobody").body(String::new()).unwrap();
    request.extensions_mut().insert(PeerAddress(IpAddr::from([192, 0, 2, peer])));
    service.call(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn filters_without_per_request_find_a_supplied_address() {
    let service = warp::service(routes(&keys("")));
    for (peer, status) in [(1, 401), (1, 429), (2, 401), (2, 429)] {
        assert_eq!(attempt(service.clone(), peer).await, status);
    }
}

#[tokio::test]
async fn a_supplied_address_comes_before_the_connections() {
    let keys = keys("");
    let service = per_request(&keys, warp::service(routes(&keys))).with_peer(IpAddr::from([192, 0, 2, 1]));
    for (peer, status) in [(2, 401), (2, 429), (1, 401), (1, 429)] {
        assert_eq!(attempt(service.clone(), peer).await, status);
    }
}

#[tokio::test]
async fn a_supplied_address_comes_before_the_recorded_one() {
    let routes = routes(&keys(""));
    for (recorded, supplied, status) in [(1, Some(2), 401), (1, Some(2), 429), (1, None, 401), (2, None, 429)]
    {
        let mut request = warp::test::request().header("authorization", "Bearer nobody");
        request = request.remote_addr(([192, 0, 2, recorded], 4711).into());
        if let Some(supplied) = supplied {
            request = request.extension(PeerAddress(IpAddr::from([192, 0, 2, supplied])));
        }
        assert_eq!(request.reply(&routes).await.status(), status);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn clients_behind_a_proxy_at_a_unix_socket_are_limited_apart() {
    use apikey_testkit::raw::{self, Connection};
    use tokio::net::{UnixListener, UnixStream};

    let path = std::env::temp_dir().join(format!("apikey-warp-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(warp::serve(routes(&keys("unix"))).incoming(listener).run());
    let attempt = async |header: &[(&str, &str)]| {
        let headers = [&[("Authorization", "Bearer nobody")], header].concat();
        let mut connection = Connection::over(UnixStream::connect(&path).await.unwrap());
        connection.send(&raw::get("/", &headers)).await.unwrap();
        connection.read_response(false).await.unwrap().status
    };
    for client in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(attempt(&[("X-Forwarded-For", client)]).await, 401);
        assert_eq!(attempt(&[("X-Forwarded-For", &format!("203.0.113.9, {client}"))]).await, 429);
    }
    // All whom nobody names count as one client.
    assert_eq!(attempt(&[]).await, 401);
    for unnamed in [&[][..], &[("X-Forwarded-For", "unknown")], &[("Forwarded", "for=198.51.100.3")]] {
        assert_eq!(attempt(unnamed).await, 429);
    }
    server.abort();
    std::fs::remove_file(path).unwrap();
}
