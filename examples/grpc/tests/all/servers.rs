//! The layer around tonic's own server, and other protocols beside gRPC.

use std::net::SocketAddr;

use apikey_axum::Policy;
use apikey_testkit::raw;
use axum::extract::ConnectInfo;
use axum::http;
use example_grpc::generated::WhoAmIRequest;
use example_grpc::generated::users_client::UsersClient;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Request};
use tower::util::MapRequestLayer;

use crate::world::{LIMIT, READER, World, authenticator, channel, verifier, with_key};

/// tonic's server tells the address of the client in a type of its own.
fn with_connect_info<B>(mut request: http::Request<B>) -> http::Request<B> {
    let info = request.extensions().get::<TcpConnectInfo>();
    if let Some(peer) = info.and_then(TcpConnectInfo::remote_addr) {
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
    }
    request
}

#[tokio::test]
async fn the_layer_fits_tonics_own_server() {
    let keys = authenticator(verifier());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(MapRequestLayer::new(with_connect_info))
        .layer(keys.require(Policy::any_key()))
        .add_routes(example_grpc::routes(&keys))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);

    let mut users = UsersClient::new(channel(address).await);
    let missing = users.who_am_i(Request::new(WhoAmIRequest {})).await.unwrap_err();
    assert_eq!((missing.code(), missing.message()), (Code::Unauthenticated, "No authorization header"));
    let me = users.who_am_i(with_key(READER, WhoAmIRequest {})).await.unwrap();
    assert_eq!(me.into_inner().key_id, "api_key_reader");
    // The client is counted, so its address is known.
    for junk in 0..LIMIT {
        let junk = with_key(&format!("k_live_junk_{junk}"), WhoAmIRequest {});
        assert_eq!(users.who_am_i(junk).await.unwrap_err().code(), Code::Unauthenticated);
    }
    let limited = users.who_am_i(with_key("k_live_one_more", WhoAmIRequest {})).await.unwrap_err();
    assert_eq!(
        (limited.code(), limited.message()),
        (Code::ResourceExhausted, "Too many verification attempts")
    );
}

#[tokio::test]
async fn a_request_of_another_protocol_gets_json() {
    let world = World::new().await;
    let json = [("content-type", "application/json")];
    let request = raw::request("POST", "/users.v1.Users/WhoAmI", &json, b"{}");
    let response = raw::exchange(world.address, &request).await.unwrap();
    assert_eq!((response.status, response.header("grpc-status")), (401, None));
    assert_eq!(response.body_text(), r#"{"error":"No authorization header","code":"MISSING_KEY"}"#);
}
