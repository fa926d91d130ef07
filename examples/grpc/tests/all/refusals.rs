//! Every denial arrives as a status of gRPC.

use std::collections::HashSet;

use apikey_axum::{DenialCode, Policy};
use example_grpc::generated::{ForgetKeyRequest, WhoAmIRequest};
use http_body::Body as _;
use tonic::{Code, Request, Status};
use tower::{Service as _, ServiceExt as _};

use crate::world::{
    ADMIN, INACTIVE, LIMIT, OTHER_API, OUTAGE, READER, REVOKED, SET_UP, UNKNOWN, WRITER, World,
    with_authorization, with_key,
};

/// The status of a refused call without a stream.
async fn refusal(world: &World, request: Request<WhoAmIRequest>) -> Status {
    world.users().await.who_am_i(request).await.unwrap_err()
}

/// The same behind a layer with this policy.
async fn refusal_by(policy: Policy, key: &str) -> Status {
    let world = World::with(|keys, app| app.layer(keys.require(policy))).await;
    refusal(&world, with_key(key, WhoAmIRequest {})).await
}

fn metadata<'a>(status: &'a Status, name: &str) -> Option<&'a str> {
    status.metadata().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_denial_arrives_as_its_status_and_message() {
    let world = World::new().await;
    let me = WhoAmIRequest {};
    let forget = ForgetKeyRequest { key_id: "api_key_reader".to_owned() };
    let scope = world.administration().await.forget_key(with_key(READER, forget)).await.unwrap_err();
    let twice = with_authorization(&["Bearer k_live_1", "Bearer k_live_2"], me);
    let mut seen = vec![
        (DenialCode::MissingKey, refusal(&world, Request::new(me)).await),
        (DenialCode::InvalidFormat, refusal(&world, with_authorization(&["Digest x"], me)).await),
        (DenialCode::MultipleKeys, refusal(&world, twice).await),
        (DenialCode::InvalidKey, refusal(&world, with_key(UNKNOWN, me)).await),
        (DenialCode::KeyRevoked, refusal(&world, with_key(REVOKED, me)).await),
        (DenialCode::KeyInactive, refusal(&world, with_key(INACTIVE, me)).await),
        (DenialCode::InsufficientScope, scope),
        (DenialCode::OrganizationKeyRequired, refusal_by(Policy::organization_key(), READER).await),
        (DenialCode::UserKeyRequired, refusal_by(Policy::user_key(), READER).await),
        (DenialCode::OrganizationMismatch, refusal_by(Policy::organization("org_globex"), WRITER).await),
        (DenialCode::ApiMismatch, refusal(&world, with_key(OTHER_API, me)).await),
        (DenialCode::VerificationUnavailable, refusal(&world, with_key(OUTAGE, me)).await),
        (DenialCode::InternalError, refusal(&world, with_key(SET_UP, me)).await),
    ];
    for junk in 0..LIMIT {
        refusal(&world, with_key(&format!("k_live_junk_{junk}"), me)).await;
    }
    seen.push((DenialCode::RateLimited, refusal(&world, with_key("k_live_one_more", me)).await));

    for (code, status) in &seen {
        let expected = match code.status() {
            400 => Code::InvalidArgument,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            429 => Code::ResourceExhausted,
            503 => Code::Unavailable,
            _ => Code::Internal,
        };
        assert_eq!(status.code(), expected, "{code}: {status:?}");
        let message = code.message().replace('…', "admin");
        assert_eq!(status.message(), message, "{code}");
        assert_eq!(metadata(status, "cache-control"), Some("no-store"), "{code}");
    }
    let seen: HashSet<DenialCode> = seen.into_iter().map(|(code, _)| code).collect();
    assert_eq!(seen, DenialCode::ALL.iter().copied().collect());
}

#[tokio::test]
async fn the_metadata_say_when_and_how_to_try_again() {
    let world = World::new().await;
    let unavailable = refusal(&world, with_key(OUTAGE, WhoAmIRequest {})).await;
    assert!(metadata(&unavailable, "retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    let missing = refusal(&world, Request::new(WhoAmIRequest {})).await;
    assert_eq!(metadata(&missing, "retry-after"), None);
    assert_eq!(metadata(&missing, "www-authenticate"), Some(r#"Bearer realm="api""#));
}

#[tokio::test]
async fn a_message_beyond_ascii_arrives_as_it_was() {
    let status = refusal_by(Policy::scope("größe:100%"), READER).await;
    assert_eq!(status.message(), "Insufficient scope. Required: größe:100%");
}

/// Clients take a refusal for one only if nothing follows its headers.
#[tokio::test]
async fn a_refusal_is_one_frame_that_ends_the_stream() {
    let mut channel = World::new().await.channel().await;
    let request = axum::http::Request::post("/users.v1.Users/WhoAmI")
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers");
    let request = request.body(tonic::body::Body::empty()).unwrap();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc+proto");
    assert_eq!(response.headers()["grpc-status"], "16");
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn a_method_refuses_in_the_words_of_the_layer() {
    let world = World::new().await;
    let by_method = world.users().await.import(with_key(READER, tokio_stream::empty())).await.unwrap_err();
    let by_layer = refusal_by(Policy::all(["read:users", "write:users"]), READER).await;
    for status in [&by_method, &by_layer] {
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(status.message(), "Insufficient scope. Required: write:users");
    }
}

#[tokio::test]
async fn an_unknown_service_is_answered_without_a_call() {
    let world = World::new().await;
    let mut channel = world.channel().await;
    let request = axum::http::Request::post("/users.v1.Nobody/WhoAmI")
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {ADMIN}"));
    let request = request.body(tonic::body::Body::empty()).unwrap();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "12");
    assert_eq!(world.verifier.calls(), 0);
}
