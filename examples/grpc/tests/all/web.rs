//! gRPC-Web, which browsers speak over HTTP/1.1: `GrpcWebLayer` translates it, inside or outside of our layer.

use apikey_axum::Policy;
use apikey_testkit::raw::{self, RawResponse};
use tonic_web::GrpcWebLayer;

use crate::world::{READER, World};

/// Calls a method that takes an empty message.
async fn call(world: &World, content_type: &str, key: Option<&str>) -> RawResponse {
    let authorization = key.map(|key| format!("Bearer {key}"));
    let headers: Vec<(&str, &str)> = [("content-type", content_type), ("accept", content_type)]
        .into_iter()
        .chain(authorization.as_deref().map(|value| ("authorization", value)))
        .collect();
    let message = if content_type.contains("text") { &b"AAAAAAA="[..] } else { &[0; 5] };
    let request = raw::request("POST", "/users.v1.Users/WhoAmI", &headers, message);
    raw::exchange(world.address, &request).await.unwrap()
}

/// A refusal has its status in its headers, and no message or trailers in its body.
async fn refuses_in_its_headers(world: &World) {
    for content_type in ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"] {
        let refused = call(world, content_type, None).await;
        assert_eq!(refused.status, 200);
        assert_eq!(refused.header("grpc-status"), Some("16"), "{content_type}");
        assert_eq!(refused.header("grpc-message"), Some("No authorization header"), "{content_type}");
        let answered = refused.header("content-type").unwrap();
        assert!(answered.starts_with("application/grpc-web"), "{content_type}: {answered}");
        assert_eq!(answered.contains("-text"), content_type.contains("-text"), "{content_type}: {answered}");
        assert_eq!(refused.body_text(), "", "{content_type}");
    }
    let accepted = call(world, "application/grpc-web+proto", Some(READER)).await;
    let text = accepted.body_text();
    assert!(text.contains("api_key_reader") && text.contains("grpc-status:0"), "{text}");
}

#[tokio::test]
async fn a_translation_outside_of_the_layer_keeps_the_status() {
    refuses_in_its_headers(&World::with(|_, app| app.layer(GrpcWebLayer::new())).await).await;
}

#[tokio::test]
async fn a_translation_inside_of_the_layer_keeps_the_status() {
    let world =
        World::with(|keys, app| app.layer(GrpcWebLayer::new()).layer(keys.require(Policy::any_key())));
    refuses_in_its_headers(&world.await).await;
}
