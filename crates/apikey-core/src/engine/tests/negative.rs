//! The memory of refusals.

use super::*;

#[test]
fn refusals_are_remembered_for_their_own_time() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
    world.land_at_once(world.start("k1").0, REVOKED);
    assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
    world.clock.advance(NEGATIVE - SECOND);
    assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
    world.clock.advance(SECOND);
    assert_eq!(world.kind("k1"), Kind::Verify);
}

#[test]
fn errors_are_never_remembered_as_refusals() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
    for class in ALL_FAILURES {
        world.land_at_once(world.start("k1").0, Said::Failed(class));
        world.clock.advance(SECOND);
        assert_eq!(world.kind("k1"), Kind::Verify);
    }
}

#[test]
fn a_purge_forgets_refusals() {
    for which in 0..5 {
        let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
        for _ in 0..100 {
            world.land_at_once(world.start("k1").0, REVOKED);
            assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
            world.engine.purge(purges(&world).swap_remove(which));
            assert_eq!(world.kind("k1"), Kind::Verify, "{which}: also what was stored at the same moment");
        }
    }
}

#[test]
fn a_key_that_is_active_again_is_let_in_once_its_id_was_purged() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
    for with_others in [false, true] {
        world.land_at_once(world.start("k1").0, REVOKED);
        assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
        if with_others {
            world.engine.purge_all(&["other", "id1"].map(|id| Purge::KeyId(id.into())));
        } else {
            world.engine.purge(Purge::KeyId("id1".into()));
        }
        let (flight, waiter) = world.start("k1");
        world.land_at_once(flight, accepted("id1"));
        assert_eq!(heard(waiter), let_in("id1"));
        world.engine.purge(Purge::KeyId("id1".into()));
    }
}

#[test]
fn a_purge_of_one_key_or_of_no_ids_leaves_other_refusals() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
    world.land_at_once(world.start("k1").0, REVOKED);
    world.engine.purge(Purge::Key(world.engine.fingerprint("k2")));
    world.engine.purge_all(&[]);
    assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
}

#[test]
fn junk_never_evicts_good() {
    let world = World::new(EngineSettings { negative_time_to_live: TTL, ..plain() });
    for key in 0..50 {
        world.cache(&format!("good{key}"));
    }
    for key in 0..30_000 {
        world.land_at_once(world.start(&format!("junk{key}")).0, Said::Refused(Refusal::Invalid));
    }
    assert!((0..50).all(|key| world.is_cached(&format!("good{key}"))));
}
