//! Where the client's address comes from: axum, a test, another server, the application, or a proxy at a Unix socket.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use apikey_axum::{ApiKey, AttemptLimit, Authenticator, PeerAddress, Policy, TrustedProxies};
use axum::extract::ConnectInfo;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{Extensions, Request};
use axum::{Extension, Router, routing::get};
use tower::ServiceExt as _;
use tower::util::MapRequestLayer;

use crate::world::{Names, request};

/// Each client may present one unknown key.
fn keys(proxies: &str) -> Authenticator {
    Authenticator::builder(Names::default())
        .attempt_limit(AttemptLimit::new(1, Duration::from_secs(900)))
        .trusted_proxies(TrustedProxies::parse(proxies).unwrap())
        .build()
        .unwrap()
}

fn app(keys: Authenticator) -> Router {
    let layered = get(|| async {}).route_layer(keys.require(Policy::any_key()));
    Router::new().route("/", get(|_: ApiKey| async {})).route("/layered", layered).with_state(keys)
}

/// The status that an unknown key gets.
async fn attempt(app: &Router, path: &str, extend: impl FnOnce(&mut Extensions)) -> u16 {
    let mut request = request(path, Some("nobody"));
    extend(request.extensions_mut());
    app.clone().oneshot(request).await.unwrap().status().as_u16()
}

fn socket(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4711))
}

fn peer(host: u8) -> PeerAddress {
    PeerAddress(IpAddr::from([192, 0, 2, host]))
}

#[tokio::test]
async fn the_address_of_a_mocked_connection_is_the_peers() {
    for path in ["/", "/layered"] {
        let keys = keys("");
        let [one, other] = [1, 2].map(|host| app(keys.clone()).layer(MockConnectInfo(socket(host))));
        for (app, status) in [(&one, 401), (&one, 429), (&other, 401), (&other, 429)] {
            assert_eq!(attempt(app, path, |_| {}).await, status, "{path}");
        }
    }
}

#[tokio::test]
async fn a_supplied_address_comes_before_a_recorded_one() {
    let app = app(keys(""));
    let recorded = |extensions: &mut Extensions| {
        extensions.insert(MockConnectInfo(socket(1)));
        extensions.insert(ConnectInfo(socket(2)));
    };
    let supplied = |extensions: &mut Extensions| {
        recorded(extensions);
        extensions.insert(peer(3));
    };
    assert_eq!(attempt(&app, "/", supplied).await, 401);
    assert_eq!(attempt(&app, "/layered", supplied).await, 429);
    assert_eq!(attempt(&app, "/", recorded).await, 401, "the recorded address");
    for (host, status) in [(2, 429), (1, 401)] {
        let supplied = |extensions: &mut Extensions| _ = extensions.insert(peer(host));
        assert_eq!(attempt(&app, "/", supplied).await, status, "not the mocked one");
    }
}

#[tokio::test]
async fn an_address_in_an_extension_layer_is_the_peers() {
    let keys = keys("");
    let [one, other] = [1, 2].map(|host| app(keys.clone()).layer(Extension(peer(host))));
    for (app, status) in [(&one, 401), (&one, 429), (&other, 401)] {
        assert_eq!(attempt(app, "/", |_| {}).await, status);
    }
}

/// What tonic's server puts into the extensions of a request.
#[derive(Clone)]
struct TcpConnectInfo(Option<SocketAddr>);

#[tokio::test]
async fn an_address_that_another_server_recorded_can_be_supplied() {
    fn supply_peer<B>(mut request: Request<B>) -> Request<B> {
        let recorded = request.extensions().get().and_then(|TcpConnectInfo(peer)| *peer);
        if let Some(peer) = recorded {
            request.extensions_mut().insert(PeerAddress(peer.ip()));
        }
        request
    }
    let app = app(keys("")).layer(MapRequestLayer::new(supply_peer));
    for (host, status) in [(1, 401), (1, 429), (2, 401), (2, 429)] {
        let recorded = |extensions: &mut Extensions| {
            extensions.insert(TcpConnectInfo(Some(socket(host))));
        };
        assert_eq!(attempt(&app, "/layered", recorded).await, status);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn clients_behind_a_proxy_at_a_unix_socket_are_limited_apart() {
    use apikey_testkit::raw::{self, Connection};
    use tokio::net::{UnixListener, UnixStream};

    let path = std::env::temp_dir().join(format!("apikey-axum-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app(keys("unix"))).await });
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
