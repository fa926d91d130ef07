//! A good key gets in, and the method sees it.

use example_grpc::generated::{ForgetKeyRequest, ListRequest, User, WhoAmIRequest};

use crate::world::{ADMIN, READER, WRITER, World, with_key};

#[tokio::test]
async fn a_method_sees_the_key_of_its_caller() {
    let mut users = World::new().await.users().await;
    let me = users.who_am_i(with_key(WRITER, WhoAmIRequest {})).await.unwrap().into_inner();
    assert_eq!(me.key_id, "api_key_writer");
    assert_eq!(me.organization.as_deref(), Some("org_acme"));
    assert_eq!(me.scopes, ["read:users", "write:users"]);
}

#[tokio::test]
async fn both_kinds_of_stream_reach_a_good_key() {
    let mut users = World::new().await.users().await;
    let new = ["Hedy Lamarr", "Mary Jackson"].map(|name| User { name: name.to_owned() });
    let imported = users.import(with_key(WRITER, tokio_stream::iter(new))).await.unwrap().into_inner();
    assert_eq!((imported.imported, &*imported.imported_by), (2, "api_key_writer"));

    let mut listed = users.list(with_key(READER, ListRequest {})).await.unwrap().into_inner();
    let mut names = Vec::new();
    while let Some(user) = listed.message().await.unwrap() {
        names.push(user.name);
    }
    assert_eq!(names, ["Ada Lovelace", "Grace Hopper", "Hedy Lamarr", "Mary Jackson"]);
}

#[tokio::test]
async fn a_forgotten_key_is_asked_about_again() {
    let world = World::new().await;
    let mut users = world.users().await;
    for _ in 0..2 {
        users.who_am_i(with_key(READER, WhoAmIRequest {})).await.unwrap();
    }
    assert_eq!(world.verifier.calls(), 1);
    let forget = ForgetKeyRequest { key_id: "api_key_reader".to_owned() };
    let forgotten = world.administration().await.forget_key(with_key(ADMIN, forget)).await.unwrap();
    assert_eq!(forgotten.into_inner().forgotten, 1);
    users.who_am_i(with_key(READER, WhoAmIRequest {})).await.unwrap();
    assert_eq!(world.verifier.calls(), 3);
}
