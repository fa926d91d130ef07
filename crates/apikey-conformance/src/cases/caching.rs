//! What is cached, and what never is.

use std::{sync::Arc, time::Duration};

use apikey_core::ManualClock;

use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{Endpoint, Fault};

pub async fn a_good_key_is_asked_about_once(subject: Subject) {
    let world = World::new(subject).await;
    for path in ["/me", "/me", "/any", "/twice", "/optional", "/layered-twice"] {
        assert_eq!(world.ask(path, &world.reader).await.response.status, 200, "{path}");
    }
    assert_eq!(world.calls_and_tokens(), (1, 1));
}

pub async fn each_key_is_asked_about_for_itself(subject: Subject) {
    let world = World::new(subject).await;
    for _ in 0..2 {
        for key in [&world.reader, &world.writer, &world.acme] {
            world.ask("/me", key).await.is_me(key);
        }
    }
    assert_eq!(world.calls(), 3);
}

pub async fn every_request_asks_without_a_cache(subject: Subject) {
    let world = World::uncached(subject).await;
    for _ in 0..4 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls(), 1);
    }
    world.emulator.revoke(&world.reader.id);
    world.ask("/me", &world.reader).await.is_denied(&key_revoked());
}

pub async fn an_answer_is_forgotten_when_its_time_is_up(subject: Subject) {
    let clock = Arc::new(ManualClock::new());
    let world = World::with(subject, |builder| {
        builder.clock(clock.clone()).cache_time_to_live(Duration::from_secs(300))
    })
    .await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.revoke(&world.reader.id);
    clock.advance(Duration::from_secs(269));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
    clock.advance(Duration::from_secs(31));
    world.ask("/me", &world.reader).await.is_denied(&key_revoked());
    assert_eq!(world.calls(), 1);
}

pub async fn scopes_are_checked_again_on_a_hit(subject: Subject) {
    let world = World::new(subject).await;
    let denied = insufficient_scope("write:users", &["read:users", "write:users"], &["read:users"]);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/scoped", &world.reader).await.is_denied(&denied);
    world.ask("/any", &world.reader).await.is_me(&world.reader);
    world.ask("/scoped", &world.reader).await.is_denied(&denied);
    assert_eq!(world.calls(), 1);
}

pub async fn the_owner_is_checked_again_on_a_hit(subject: Subject) {
    let world = World::new(subject).await;
    world.ask("/organization", &world.globex).await.is_me(&world.globex);
    world.ask("/bound", &world.globex).await.is_denied(&organization_mismatch());
    world.ask("/user", &world.globex).await.is_denied(&user_key_required());
    assert_eq!(world.calls(), 1);
}

pub async fn a_denial_for_scopes_leaves_the_identity_cached(subject: Subject) {
    let world = World::new(subject).await;
    let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.ask("/layered", &world.reader).await.is_denied(&denied);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
}

pub async fn a_refused_key_is_asked_about_again(subject: Subject) {
    let world = World::new(subject).await;
    for _ in 0..2 {
        world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
        world.ask("/me", &world.inactive).await.is_denied(&key_inactive());
        world.send(get("/me").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
    }
    assert_eq!(world.calls(), 6);
}

pub async fn a_key_that_becomes_active_is_let_in_at_once(subject: Subject) {
    let world = World::new(subject).await;
    for key in [&world.inactive, &world.revoked] {
        assert_eq!(world.ask("/me", key).await.response.status, 401);
        world.emulator.set_status(&key.id, "active");
        world.ask("/me", key).await.is_me(key);
    }
    assert_eq!(world.calls(), 4);
}

pub async fn an_outage_is_not_remembered(subject: Subject) {
    let world = World::new(subject).await;
    world.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(503)), Some(Fault::status(404))]);
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    world.ask("/me", &world.reader).await.is_denied(&internal_error());
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 3);
}

pub async fn a_cached_key_outlasts_an_outage(subject: Subject) {
    let world = World::new(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Reset));
    world.emulator.set_fault(Endpoint::Token, Some(Fault::Reset));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
}

pub async fn a_purged_key_is_asked_about_again(subject: Subject) {
    let world = World::new(subject).await;
    for key in [&world.reader, &world.writer] {
        world.ask("/me", key).await.is_me(key);
        world.emulator.revoke(&key.id);
        world.ask("/me", key).await.is_me(key);
    }
    world.authenticator.remove(&world.reader.secret).expect("it is a key");
    world.ask("/me", &world.reader).await.is_denied(&key_revoked());
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    world.authenticator.clear();
    world.ask("/me", &world.writer).await.is_denied(&key_revoked());
    assert_eq!(world.calls(), 4);
}
