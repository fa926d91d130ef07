//! New secrets of a known key id.

use super::*;

#[test]
fn a_new_secret_of_a_key_ends_the_older_one() {
    let world = World::new(plain());
    world.cache_as("old", identity());
    world.cache_as("new", identity());
    assert!(world.is_cached("new"));
    assert!(!world.is_cached("old"));
    assert_eq!(world.engine.cached_keys(), 1);
}

#[test]
fn an_older_secret_that_lands_late_is_asked_about_again() {
    let world = World::new(plain());
    let (old, waiter) = world.start("old");
    world.clock.advance(SECOND);
    world.cache_as("new", identity());
    let again =
        world.land(old, Said::Accepted(identity())).expect("asked before the newer secret was accepted");
    world.land_at_once(again, Said::Refused(Refusal::Invalid));
    assert_eq!(heard(waiter), Some(Heard::Refused(Refusal::Invalid)));
    assert!(world.is_cached("new"));
    assert!(!world.is_cached("old"));
}

#[test]
fn two_secrets_asked_about_at_one_moment_are_both_let_in() {
    let world = World::new(plain());
    let ((one, _), (other, waiter)) = (world.start("one"), world.start("other"));
    world.land_at_once(one, Said::Accepted(identity()));
    world.land_at_once(other, Said::Accepted(identity()));
    assert_eq!(heard(waiter), let_in("id1"));
    assert_eq!(world.engine.cached_keys(), 1, "one secret of a key is kept");
}

#[test]
fn secrets_without_end_let_no_older_one_in() {
    let world = World::new(plain());
    let (mut old, waiter) = world.start("old");
    for number in 0.. {
        assert!(number < 4);
        world.clock.advance(SECOND);
        world.cache_as(&format!("new{number}"), identity());
        match world.land(old, Said::Accepted(identity())) {
            Some(again) => old = again,
            None => {
                assert_eq!(heard(waiter), UNAVAILABLE);
                assert!(world.is_cached(&format!("new{number}")), "the newest secret stays");
                assert!(!world.is_cached("old"));
                return;
            }
        }
    }
}

#[test]
fn secrets_of_one_id_live_side_by_side_if_the_verifier_says_so() {
    let world = World::new(EngineSettings { one_secret_per_key_id: false, ..plain() });
    let (late, waiter) = world.start("late");
    world.clock.advance(SECOND);
    for secret in ["one", "other"] {
        world.cache_as(secret, identity());
    }
    world.land_at_once(late, Said::Accepted(identity()));
    assert_eq!(heard(waiter), let_in("id1"), "a newer secret says nothing about it");
    let secrets = ["one", "other", "late"];
    assert!(secrets.iter().all(|secret| world.is_cached(secret)));
    world.engine.purge(Purge::KeyId("id1".into()));
    assert!(!secrets.iter().any(|secret| world.is_cached(secret)));
}
