//! Refusals that are remembered.

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
    for fault in [ServerFault::Unavailable, ServerFault::Internal] {
        world.land_at_once(world.start("k1").0, Said::Fault(fault));
        assert_eq!(world.kind("k1"), Kind::Verify);
    }
}

#[test]
fn a_purge_forgets_refusals() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
    for which in 0..2 {
        world.land_at_once(world.start("k1").0, REVOKED);
        assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
        world.engine.purge(purges(&world).swap_remove(which));
        assert_eq!(world.kind("k1"), Kind::Verify);
    }
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
