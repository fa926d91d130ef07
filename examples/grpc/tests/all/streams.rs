//! A refusal reaches a client that is still sending, and the connection goes on.

use example_grpc::generated::{ListRequest, User, WhoAmIRequest};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request};

use crate::world::{READER, UNKNOWN, World, with_key};

/// More than HTTP/2 sends before the server reads.
fn many_messages() -> impl tokio_stream::Stream<Item = User> + Send + 'static {
    tokio_stream::iter(0..200).map(|_| User { name: "x".repeat(32 * 1024) })
}

#[tokio::test]
async fn a_refused_upload_of_many_messages_gets_its_status() {
    let mut users = World::new().await.users().await;
    for _ in 0..20 {
        let missing = users.import(Request::new(many_messages())).await.unwrap_err();
        assert_eq!((missing.code(), missing.message()), (Code::Unauthenticated, "No authorization header"));
        // This one is refused after a call, and not at once.
        let unknown = users.import(with_key(UNKNOWN, many_messages())).await.unwrap_err();
        assert_eq!((unknown.code(), unknown.message()), (Code::Unauthenticated, "Invalid API key"));
        // This one is refused by the method.
        let scope = users.import(with_key(READER, many_messages())).await.unwrap_err();
        assert_eq!(scope.code(), Code::PermissionDenied);
        assert_eq!(scope.message(), "Insufficient scope. Required: write:users");
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_stream_gets_its_status() {
    let mut users = World::new().await.users().await;
    let endless = tokio_stream::pending::<User>();
    let missing = users.import(Request::new(endless)).await.unwrap_err();
    assert_eq!((missing.code(), missing.message()), (Code::Unauthenticated, "No authorization header"));
}

#[tokio::test]
async fn a_refused_download_fails_before_its_first_message() {
    let mut users = World::new().await.users().await;
    let unknown = users.list(with_key(UNKNOWN, ListRequest {})).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (Code::Unauthenticated, "Invalid API key"));
}

/// An early answer resets its stream. Servers and clients count resets, because an attacker can flood with them.
#[tokio::test]
async fn refused_streams_do_not_end_the_connection() {
    let world = World::new().await;
    let mut users = world.users().await;
    for _ in 0..1_500 {
        let endless = tokio_stream::pending::<User>();
        assert_eq!(users.import(Request::new(endless)).await.unwrap_err().code(), Code::Unauthenticated);
    }
    users.who_am_i(with_key(READER, WhoAmIRequest {})).await.unwrap();
    assert_eq!(world.connections(), 1);
}
