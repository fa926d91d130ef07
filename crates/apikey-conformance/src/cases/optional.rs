//! Optional keys: without a key the caller is anonymous, and a presented key must be good.

use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{Endpoint, Fault};

const ANONYMOUS: &str = r#"{"authenticated":false,"key_id":null}"#;

pub async fn nothing_presented_is_anonymous(subject: Subject) {
    let world = World::new(subject).await;
    world.send(get("/optional")).await.is_json(ANONYMOUS);
    world.send(get("/optional").authorization("")).await.is_json(ANONYMOUS);
    world.send(get("/optional").authorization(" \t")).await.is_json(ANONYMOUS);
    assert_eq!(world.calls_and_tokens(), (0, 0));
}

pub async fn a_good_key_is_known(subject: Subject) {
    let world = World::new(subject).await;
    let known = r#"{"authenticated":true,"key_id":"api_key_reader"}"#;
    world.ask("/optional", &world.reader).await.is_json(known);
    assert_eq!(world.calls(), 1);
}

pub async fn a_malformed_key_is_refused(subject: Subject) {
    let world = World::new(subject).await;
    for value in ["Bearer", "Bearer k k", "Basic azo=", "nonsense", "Bearer kl\u{e9}"] {
        world.send(get("/optional").authorization(value)).await.is_denied(&invalid_format());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_repeated_header_is_refused(subject: Subject) {
    let world = World::new(subject).await;
    let twice = get("/optional").key(&world.reader).key(&world.reader);
    world.send(twice).await.is_denied(&multiple_keys());
    let empty = get("/optional").authorization("").authorization("");
    world.send(empty).await.is_denied(&multiple_keys());
    assert_eq!(world.calls(), 0);
}

pub async fn a_key_that_kinde_refuses_is_refused(subject: Subject) {
    let world = World::new(subject).await;
    world.send(get("/optional").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
    world.ask("/optional", &world.revoked).await.is_denied(&key_revoked());
    world.ask("/optional", &world.inactive).await.is_denied(&key_inactive());
    assert_eq!(world.calls(), 3);
}

pub async fn an_outage_makes_nobody_anonymous(subject: Subject) {
    let world = World::new(subject).await;
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    world.ask("/optional", &world.reader).await.is_denied(&unavailable());
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(404)));
    world.ask("/optional", &world.reader).await.is_denied(&internal_error());
    world.send(get("/optional")).await.is_json(ANONYMOUS);
    assert_eq!(world.calls(), 2);
}
