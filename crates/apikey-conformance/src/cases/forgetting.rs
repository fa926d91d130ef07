//! Removal and rotation take effect at once, also for callers who wait.

use std::time::Duration;

use apikey_core::{Authenticator, Removal};

use crate::steps::{STALE, TTL, fail, hold, hold_next, in_flight, recover, start, timed};
use crate::{adapter::Subject, expected::*, key::Key, world::World};
use apikey_testkit::emulator::{Endpoint, Fault, Gate};

type Purge = fn(&Authenticator, &Key) -> Removal;

/// Every way to purge the key `both_owners`.
const PURGES: [(&str, Purge); 6] = [
    ("remove", |keys, key| keys.remove(&key.secret).expect("it is a key")),
    ("remove_key_id", |keys, key| keys.remove_key_id(&key.id)),
    ("remove_key_ids", |keys, key| keys.remove_key_ids(["nobody's", &key.id])),
    ("remove_user", |keys, _| keys.remove_user("kp_user")),
    ("remove_organization", |keys, _| keys.remove_organization("org_acme")),
    ("clear", |keys, _| keys.clear()),
];

pub async fn a_purged_key_is_refused_on_its_next_request(subject: Subject) {
    for stale in [Duration::ZERO, STALE] {
        let (world, clock) = timed(subject, |builder| builder.stale_if_error(stale)).await;
        let key = &world.both_owners;
        for (name, purge) in PURGES {
            println!("{name}");
            world.emulator.set_status(&key.id, "active");
            world.ask("/me", key).await.is_me(key);
            world.ask("/me", &world.globex).await.is_me(&world.globex);
            world.emulator.revoke(&key.id);
            world.ask("/me", key).await.is_me(key);
            world.calls();
            purge(&world.authenticator, key);
            world.ask("/me", key).await.is_denied(&key_revoked());
            if name != "clear" {
                world.ask("/me", &world.globex).await.is_me(&world.globex);
            }
            assert_eq!(world.calls(), 1, "{name}");
            // A purged answer is never served stale, either.
            world.emulator.set_status(&key.id, "active");
            world.ask("/me", key).await.is_me(key);
            clock.advance(TTL);
            purge(&world.authenticator, key);
            fail(&world, Fault::status(503));
            world.ask("/me", key).await.is_denied(&unavailable());
            recover(&world);
        }
    }
}

pub async fn an_answer_from_before_a_purge_lets_nobody_in_after_it(subject: Subject) {
    for stale in [Duration::ZERO, STALE] {
        let world = World::with(subject, |builder| builder.stale_if_error(stale)).await;
        let key = &world.both_owners;
        for (name, purge) in PURGES {
            println!("{name}");
            let gate = hold_next(&world);
            // Kinde has decided its answer already: the key is good.
            let mut waiting = vec![start(&world, key).await, start(&world, key).await];
            in_flight(&world, 1).await;
            world.settle().await;
            world.emulator.revoke(&key.id);
            purge(&world.authenticator, key);
            gate.open();
            for (session, request) in &mut waiting {
                session.read(request).await.is_denied(&key_revoked());
            }
            world.ask("/me", key).await.is_denied(&key_revoked());
            // An outage that follows does not bring it back.
            world.emulator.set_status(&key.id, "active");
            let gate = Gate::new();
            let script = vec![Some(Fault::Hold(gate.clone())), Some(Fault::status(503))];
            world.emulator.script_faults(Endpoint::Verify, script);
            let (mut session, request) = start(&world, key).await;
            in_flight(&world, 1).await;
            purge(&world.authenticator, key);
            gate.open();
            session.read(&request).await.is_denied(&unavailable());
            world.calls();
            world.ask("/me", key).await.is_me(key);
            assert_eq!(world.calls(), 1, "{name}: nothing was cached");
            world.authenticator.clear();
        }
    }
}

pub async fn a_purge_concerns_nobody_else(subject: Subject) {
    let world = World::new(subject).await;
    let others = [&world.unscoped, &world.reader, &world.globex];
    let purge = || {
        let keys = &world.authenticator;
        keys.remove(&world.acme.secret).expect("it is a key");
        keys.remove("null").expect("it has the form of a key");
        for nobodys in ["", "null", "org_acme", "kp_user", "api_key_", "reader"] {
            keys.remove_user(nobodys);
            keys.remove_organization(nobodys);
            keys.remove_key_id(nobodys);
            keys.remove_key_ids([nobodys]);
        }
    };
    // First while their answers are in flight, then when they are cached.
    let gate = hold(&world);
    let mut waiting = Vec::new();
    for key in others {
        waiting.push((start(&world, key).await, key));
    }
    in_flight(&world, 3).await;
    purge();
    gate.open();
    for ((session, request), key) in &mut waiting {
        session.read(request).await.is_me(key);
    }
    purge();
    for key in others {
        world.ask("/me", key).await.is_me(key);
    }
    assert_eq!(world.calls(), 3);
}

/// The same key with its new secret.
fn rotate(world: &World, key: &Key) -> Key {
    let issued = world.emulator.rotate(&key.id).expect("the key exists");
    let mut rotated = key.clone();
    rotated.secret = issued.secret;
    rotated
}

pub async fn a_new_secret_ends_the_old_one_at_once(subject: Subject) {
    let world = World::with(subject, |builder| builder.stale_if_error(STALE)).await;
    let old = &world.reader;
    world.ask("/me", old).await.is_me(old);
    let new = rotate(&world, old);
    world.ask("/me", &new).await.is_me(&new);
    world.calls();
    fail(&world, Fault::status(503));
    world.ask("/me", old).await.is_denied(&unavailable());
    recover(&world);
    world.ask("/me", old).await.is_denied(&invalid_key());
    assert_eq!(world.calls(), 2);
    world.ask("/me", &new).await.is_me(&new);
    assert_eq!(world.calls(), 0);
    // The key id is still the same.
    world.emulator.revoke(&old.id);
    world.authenticator.remove_key_id(&old.id);
    world.ask("/me", &new).await.is_denied(&key_revoked());
}

pub async fn an_answer_about_a_rotated_secret_is_asked_for_again(subject: Subject) {
    let world = World::new(subject).await;
    let old = &world.reader;
    let gate = hold_next(&world);
    let (mut session, request) = start(&world, old).await;
    in_flight(&world, 1).await;
    let new = rotate(&world, old);
    world.ask("/me", &new).await.is_me(&new);
    gate.open();
    session.read(&request).await.is_denied(&invalid_key());
    world.ask("/me", old).await.is_denied(&invalid_key());
    world.calls();
    world.ask("/me", &new).await.is_me(&new);
    assert_eq!(world.calls(), 0, "the new secret stays cached");
}
