//! A request asks Kinde at most once, however many layers, extractors and alternatives look at its key.

use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{Endpoint, Fault};

pub async fn two_extractors_of_one_handler_verify_once(subject: Subject) {
    let world = World::uncached(subject).await;
    world.ask("/twice", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
    let denied = insufficient_scope("read:users", &["read:users"], &["admin"]);
    world.ask("/twice", &world.admin).await.is_denied(&denied);
    assert_eq!(world.calls(), 1);
}

pub async fn a_layer_and_extractors_verify_once(subject: Subject) {
    let world = World::uncached(subject).await;
    world.ask("/layered-twice", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
    let denied = insufficient_scope("read:users", &["read:users"], &["admin"]);
    world.ask("/layered-twice", &world.admin).await.is_denied(&denied);
    assert_eq!(world.calls(), 1);
    for (path, key) in
        [("/layered", &world.admin), ("/organization", &world.acme), ("/preflight", &world.user)]
    {
        world.ask(path, key).await.is_me(key);
        assert_eq!(world.calls(), 1, "{path}");
    }
}

pub async fn a_layer_and_extractors_verify_once_with_the_cache_on(subject: Subject) {
    let world = World::new(subject).await;
    for _ in 0..2 {
        world.ask("/layered-twice", &world.reader).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
}

pub async fn alternatives_for_one_path_verify_once(subject: Subject) {
    let world = World::uncached(subject).await;
    let branch = |branch: &str, key: &str| format!(r#"{{"branch":"{branch}","key_id":"api_key_{key}"}}"#);
    world.ask("/branches", &world.admin).await.is_json(&branch("admin", "admin"));
    assert_eq!(world.calls(), 1);
    world.ask("/branches", &world.reader).await.is_json(&branch("any", "reader"));
    assert_eq!(world.calls(), 1);
    world.ask("/branches", &world.unscoped).await.is_json(&branch("any", "unscoped"));
    assert_eq!(world.calls(), 1);
}

pub async fn a_refusal_is_asked_for_once(subject: Subject) {
    let world = World::uncached(subject).await;
    for path in ["/twice", "/layered-twice", "/branches", "/optional"] {
        world.ask(path, &world.revoked).await.is_denied(&key_revoked());
        assert_eq!(world.calls(), 1, "{path}");
        world.send(get(path).bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
        assert_eq!(world.calls(), 1, "{path}");
    }
}

pub async fn an_outage_is_met_once(subject: Subject) {
    let world = World::uncached(subject).await;
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    for path in ["/twice", "/layered-twice", "/branches", "/optional"] {
        world.ask(path, &world.reader).await.is_denied(&unavailable());
        assert_eq!(world.calls(), 1, "{path}");
    }
}

pub async fn one_request_remembers_nothing_for_the_next(subject: Subject) {
    let world = World::uncached(subject).await;
    let mut session = world.session().await;
    session.send(get("/me").key(&world.reader)).await.is_me(&world.reader);
    session.send(get("/me")).await.is_denied(&missing_key());
    session.send(get("/layered-twice").key(&world.writer)).await.is_me(&world.writer);
    session.send(get("/layered-twice")).await.is_denied(&missing_key());
    session.send(get("/optional")).await.is_json(r#"{"authenticated":false,"key_id":null}"#);
    assert_eq!(world.calls(), 2);
}
