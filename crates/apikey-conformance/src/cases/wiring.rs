//! A protected handler without an authenticator.

use crate::{adapter::Subject, client::get, expected::*, world::World};

pub async fn an_unwired_handler_is_internal_error_and_never_open(subject: Subject) {
    let world = World::new(subject).await;
    if world.differences.refuses_unwired_earlier {
        println!("left out: this framework refuses such a handler before it serves");
        return;
    }
    world.send(get("/unwired")).await.is_denied(&internal_error());
    world.send(get("/unwired").authorization("nonsense")).await.is_denied(&internal_error());
    world.ask("/unwired", &world.reader).await.is_denied(&internal_error());
    world.ask("/unwired", &world.revoked).await.is_denied(&internal_error());
    assert_eq!(world.calls_and_tokens(), (0, 0));
}
