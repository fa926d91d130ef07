//! A request with clones of another request's extensions is judged by the key that it presents itself.

use apikey_core::CredentialSource;

use crate::{
    adapter::Subject,
    client::{Request, get},
    expected::*,
    key::Key,
    world::World,
};

const ANONYMOUS: &str = r#"{"authenticated":false,"key_id":null}"#;

fn known(key: &Key) -> String {
    format!(r#"{{"authenticated":true,"key_id":"{}"}}"#, key.id)
}

/// A request with the reader's key. Its sub-request has this `Authorization`.
fn reader_with(world: &World, authorization: Option<&str>) -> Request {
    let request = get("/sub-request").key(&world.reader);
    match authorization {
        Some(value) => request.header("X-Sub-Authorization", value),
        None => request,
    }
}

/// Sends requests with the reader's key, whose sub-requests present the same key, others, and none. `prepare` runs
/// before each.
async fn each_is_judged_by_its_own(world: &World, prepare: impl AsyncFn()) {
    let bearer = |secret: &str| format!("Bearer {secret}");
    for key in [&world.reader, &world.writer, &world.unscoped, &world.reader] {
        prepare().await;
        let request = reader_with(world, Some(&bearer(&key.secret)));
        world.send(request).await.is_json(&known(key));
    }
    for (authorization, denial) in [
        (bearer("k_live_nobody_knows_it"), invalid_key()),
        (bearer(&world.revoked.secret), key_revoked()),
        (bearer("two words"), invalid_format()),
        (format!("{}, {}", bearer(&world.reader.secret), world.reader.secret), invalid_format()),
        (format!("Other {}", world.reader.secret), invalid_format()),
    ] {
        prepare().await;
        world.send(reader_with(world, Some(&authorization))).await.is_denied(&denial);
    }
    for nothing in [None, Some("")] {
        prepare().await;
        world.send(reader_with(world, nothing)).await.is_json(ANONYMOUS);
    }
}

pub async fn cold_sub_requests_are_judged_by_what_they_present(subject: Subject) {
    let world = World::new(subject).await;
    each_is_judged_by_its_own(&world, async || {
        world.authenticator.clear();
    })
    .await;
}

pub async fn warm_sub_requests_are_judged_by_what_they_present(subject: Subject) {
    let world = World::new(subject).await;
    for key in [&world.reader, &world.writer, &world.unscoped] {
        world.ask("/me", key).await.is_me(key);
    }
    each_is_judged_by_its_own(&world, async || {}).await;
}

pub async fn one_known_key_does_not_stand_for_an_unknown_one(subject: Subject) {
    let world = World::new(subject).await;
    for known in [&world.reader, &world.writer] {
        each_is_judged_by_its_own(&world, async || {
            world.authenticator.clear();
            world.ask("/me", known).await.is_me(known);
        })
        .await;
    }
}

pub async fn sub_requests_without_a_cache_are_judged_alike(subject: Subject) {
    let world = World::uncached(subject).await;
    each_is_judged_by_its_own(&world, async || {}).await;
}

pub async fn a_sub_request_asks_about_its_own_key_alone(subject: Subject) {
    let world = World::new(subject).await;
    let with = |key: &Key| reader_with(&world, Some(&format!("Bearer {}", key.secret)));
    world.send(with(&world.reader)).await.is_json(&known(&world.reader));
    assert_eq!(world.calls(), 1, "the same key");
    world.send(with(&world.writer)).await.is_json(&known(&world.writer));
    assert_eq!(world.calls(), 1, "another key");
    world.send(reader_with(&world, None)).await.is_json(ANONYMOUS);
    assert_eq!(world.calls(), 0, "none");
}

pub async fn a_refused_request_makes_no_sub_request(subject: Subject) {
    let world = World::new(subject).await;
    let good = format!("Bearer {}", world.writer.secret);
    let request = || get("/sub-request").header("X-Sub-Authorization", &good);
    world.send(request()).await.is_denied(&missing_key());
    world.send(request().authorization("Bearer two words")).await.is_denied(&invalid_format());
    world.send(request().bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
    world.send(request().key(&world.revoked)).await.is_denied(&key_revoked());
    assert_eq!(world.calls(), 2);
}

pub async fn a_sub_request_may_present_its_key_elsewhere(subject: Subject) {
    let sources = [CredentialSource::bearer(), CredentialSource::header("X-Api-Key")];
    let world = World::with(subject, |builder| builder.credential_sources(sources)).await;
    for _ in ["cold", "warm"] {
        let elsewhere = |key: &Key| reader_with(&world, None).header("X-Sub-Api-Key", &key.secret);
        world.send(elsewhere(&world.writer)).await.is_json(&known(&world.writer));
        world.send(elsewhere(&world.reader)).await.is_json(&known(&world.reader));
        world.send(elsewhere(&world.revoked)).await.is_denied(&key_revoked());
        let both = elsewhere(&world.reader);
        let both = both.header("X-Sub-Authorization", format!("Bearer {}", world.reader.secret));
        world.send(both).await.is_denied(&multiple_keys());
    }
}

/// Frameworks differ in what a sub-request without a key is. With extensions of its own it is anonymous.
pub async fn sub_requests_are_judged_though_credentials_are_removed(subject: Subject) {
    if subject.differences().cannot_remove_credential {
        println!("left out: this framework can't take a header out of a request");
        return;
    }
    let world = World::with(subject, |builder| builder.remove_credential(true)).await;
    for _ in ["cold", "warm"] {
        for key in [&world.reader, &world.writer] {
            let request = reader_with(&world, Some(&format!("Bearer {}", key.secret)));
            world.send(request).await.is_json(&known(key));
        }
        let unknown = reader_with(&world, Some("Bearer k_live_nobody_knows_it"));
        world.send(unknown).await.is_denied(&invalid_key());
        let malformed = reader_with(&world, Some("Bearer two words"));
        world.send(malformed).await.is_denied(&invalid_format());
    }
}
