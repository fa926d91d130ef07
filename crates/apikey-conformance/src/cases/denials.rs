//! Each row of the table of denials.

use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{Endpoint, Fault};

/// Every protected route that accepts any key.
pub(super) const ANY_KEY: [&str; 7] =
    ["/me", "/twice", "/layered-twice", "/branches", "/seen", "/preflight", "/fresh"];
/// Every protected route that asks for more.
pub(super) const MORE: [&str; 8] =
    ["/scoped", "/any", "/nested", "/layered", "/organization", "/user", "/bound", "/owner-and-scope"];

pub async fn an_open_route_asks_for_nothing(subject: Subject) {
    let world = World::new(subject).await;
    world.send(get("/open")).await.is_open();
    world.send(get("/open").authorization("nonsense, that nobody reads")).await.is_open();
    world.ask("/open", &world.revoked).await.is_open();
    assert_eq!(world.calls_and_tokens(), (0, 0));
}

pub async fn a_good_key_is_let_in_and_tells_who_it_is(subject: Subject) {
    let world = World::new(subject).await;
    for key in [&world.reader, &world.writer, &world.unscoped, &world.acme, &world.user, &world.both_owners] {
        world.ask("/me", key).await.is_me(key);
    }
    assert_eq!(world.calls_and_tokens(), (6, 1));
}

pub async fn nothing_presented_is_missing_key(subject: Subject) {
    let world = World::new(subject).await;
    world.send(get("/me")).await.is_denied(&missing_key());
    assert_eq!(world.calls_and_tokens(), (0, 0));
}

pub async fn another_scheme_is_invalid_format(subject: Subject) {
    let world = World::new(subject).await;
    world.send(get("/me").authorization("Basic azo=")).await.is_denied(&invalid_format());
    assert_eq!(world.calls_and_tokens(), (0, 0));
}

pub async fn a_repeated_header_is_multiple_keys(subject: Subject) {
    let world = World::new(subject).await;
    world.send(get("/me").key(&world.reader).key(&world.reader)).await.is_denied(&multiple_keys());
    assert_eq!(world.calls_and_tokens(), (0, 0));
}

pub async fn a_key_that_nobody_knows_is_invalid_key(subject: Subject) {
    let world = World::new(subject).await;
    world.send(get("/me").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
    assert_eq!(world.calls(), 1);
}

pub async fn a_revoked_key_is_key_revoked(subject: Subject) {
    let world = World::new(subject).await;
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
    assert_eq!(world.calls(), 1);
}

pub async fn an_inactive_key_is_key_inactive(subject: Subject) {
    let world = World::new(subject).await;
    world.ask("/me", &world.inactive).await.is_denied(&key_inactive());
    assert_eq!(world.calls(), 1);
}

pub async fn missing_scopes_are_insufficient_scope(subject: Subject) {
    let world = World::new(subject).await;
    let denied = insufficient_scope("write:users", &["read:users", "write:users"], &["read:users"]);
    world.ask("/scoped", &world.reader).await.is_denied(&denied);
    assert_eq!(world.calls(), 1);
}

pub async fn a_route_for_organizations_is_organization_key_required(subject: Subject) {
    let world = World::new(subject).await;
    world.ask("/organization", &world.user).await.is_denied(&organization_key_required());
    assert_eq!(world.calls(), 1);
}

pub async fn a_route_for_users_is_user_key_required(subject: Subject) {
    let world = World::new(subject).await;
    world.ask("/user", &world.acme).await.is_denied(&user_key_required());
    assert_eq!(world.calls(), 1);
}

pub async fn another_organization_is_a_mismatch_that_names_neither(subject: Subject) {
    let world = World::new(subject).await;
    let answer = world.ask("/bound", &world.globex).await;
    answer.is_denied(&organization_mismatch());
    assert!(!answer.to_string().contains("org_"), "{answer}");
    assert_eq!(world.calls(), 1);
}

pub async fn an_outage_is_verification_unavailable(subject: Subject) {
    let world = World::new(subject).await;
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    assert_eq!(world.calls(), 1);
}

pub async fn a_set_up_that_kinde_refuses_is_internal_error(subject: Subject) {
    let world = World::new(subject).await;
    world.emulator.deny_scope(true);
    world.ask("/me", &world.reader).await.is_denied(&internal_error());
}

pub async fn every_kind_of_protection_refuses_alike(subject: Subject) {
    let world = World::uncached(subject).await;
    for path in ANY_KEY.iter().chain(&MORE) {
        world.send(get(*path)).await.is_denied(&missing_key());
        world.send(get(*path).authorization("Bearer two words")).await.is_denied(&invalid_format());
        world.send(get(*path).key(&world.admin).key(&world.admin)).await.is_denied(&multiple_keys());
        assert_eq!(world.calls(), 0, "{path}");
        world.send(get(*path).bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
        world.ask(path, &world.revoked).await.is_denied(&key_revoked());
        world.ask(path, &world.inactive).await.is_denied(&key_inactive());
        assert_eq!(world.calls(), 3, "{path}");
        world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
        world.ask(path, &world.admin).await.is_denied(&unavailable());
        world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(404)));
        world.ask(path, &world.admin).await.is_denied(&internal_error());
        world.emulator.set_fault(Endpoint::Verify, None);
        assert_eq!(world.calls(), 2, "{path}");
    }
}
