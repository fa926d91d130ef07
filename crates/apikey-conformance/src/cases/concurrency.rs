//! Many requests at once.

use crate::steps::hold;
use crate::{
    adapter::Subject,
    client::{Session, get},
    expected::*,
    key::Key,
    world::World,
};
use apikey_testkit::emulator::{Endpoint, Fault, Gate, KeySpecification};

const CROWD: usize = 50;

async fn crowd<'a>(world: &'a World, keys: &[&Key]) -> Vec<Session<'a>> {
    let mut sessions = Vec::new();
    for key in keys {
        let mut session = world.session().await;
        session.write(&get("/me").key(key).bytes()).await;
        sessions.push(session);
    }
    sessions
}

pub async fn a_crowd_with_one_new_key_asks_once(subject: Subject) {
    let world = World::new(subject).await;
    let gate = hold(&world);
    let mut sessions = crowd(&world, &[&world.reader; CROWD]).await;
    world.emulator.wait_until(|counters| counters.verify_calls >= 1).await;
    world.settle().await;
    gate.open();
    for session in &mut sessions {
        session.read(&get("/me").key(&world.reader)).await.is_me(&world.reader);
    }
    assert_eq!(world.calls_and_tokens(), (1, 1));
}

pub async fn a_crowd_with_one_refused_key_is_refused_alike(subject: Subject) {
    let world = World::new(subject).await;
    let gate = hold(&world);
    let mut sessions = crowd(&world, &[&world.revoked; 20]).await;
    world.emulator.wait_until(|counters| counters.verify_calls >= 1).await;
    world.settle().await;
    gate.open();
    for session in &mut sessions {
        session.read(&get("/me").key(&world.revoked)).await.is_denied(&key_revoked());
    }
}

pub async fn many_new_keys_at_once_each_get_their_own_identity(subject: Subject) {
    let world = World::new(subject).await;
    let keys: Vec<Key> = (0..CROWD)
        .map(|number| {
            let specification = KeySpecification::new(format!("key_{number}"));
            world.create(
                specification.scopes([format!("scope:{number}")]).organization(format!("org_{number}")),
            )
        })
        .collect();
    let keys: Vec<&Key> = keys.iter().collect();
    let gate = hold(&world);
    let mut sessions = crowd(&world, &keys).await;
    world.emulator.wait_until(|counters| counters.verifications_in_flight == CROWD as u64).await;
    gate.open();
    for (session, key) in sessions.iter_mut().zip(&keys) {
        session.read(&get("/me").key(key)).await.is_me(key);
    }
    assert_eq!(world.calls_and_tokens(), (CROWD as u64, 1));
    // Again from the cache, with a different key on each connection.
    for (session, key) in sessions.iter_mut().rev().zip(&keys) {
        session.write(&get("/me").key(key).bytes()).await;
    }
    for (session, key) in sessions.iter_mut().rev().zip(&keys) {
        session.read(&get("/me").key(key)).await.is_me(key);
    }
    assert_eq!(world.calls(), 0);
}

pub async fn good_and_bad_keys_at_once_are_not_mixed_up(subject: Subject) {
    let world = World::new(subject).await;
    let gate = hold(&world);
    let three = [&world.reader, &world.revoked, &world.inactive];
    let keys: Vec<&Key> = (0..30).map(|number| three[number % 3]).collect();
    let mut sessions = crowd(&world, &keys).await;
    world.emulator.wait_until(|counters| counters.verifications_in_flight >= 3).await;
    world.settle().await;
    gate.open();
    for (number, session) in sessions.iter_mut().enumerate() {
        let answer = session.read(&get("/me").key(keys[number])).await;
        match number % 3 {
            0 => answer.is_me(&world.reader),
            1 => answer.is_denied(&key_revoked()),
            _ => answer.is_denied(&key_inactive()),
        }
    }
}

pub async fn a_client_that_hangs_up_cancels_nobody_elses_verification(subject: Subject) {
    let world = World::new(subject).await;
    let gate = hold(&world);
    let first = crowd(&world, &[&world.reader]).await;
    world.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    let mut others = crowd(&world, &[&world.reader; 5]).await;
    world.settle().await;
    drop(first);
    world.settle().await;
    gate.open();
    for session in &mut others {
        session.read(&get("/me").key(&world.reader)).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
}

pub async fn a_verification_is_finished_though_its_only_client_hung_up(subject: Subject) {
    let world = World::new(subject).await;
    let gate = hold(&world);
    let only = crowd(&world, &[&world.reader]).await;
    world.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    drop(only);
    world.settle().await;
    assert_eq!(world.emulator.counters().verifications_in_flight, 1, "the verification was cancelled");
    gate.open();
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
}

pub async fn a_slow_key_keeps_no_other_key_waiting(subject: Subject) {
    let world = World::new(subject).await;
    let gate = Gate::new();
    world.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    let mut slow = crowd(&world, &[&world.reader]).await;
    world.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    world.send(get("/me")).await.is_denied(&missing_key());
    gate.open();
    slow[0].read(&get("/me").key(&world.reader)).await.is_me(&world.reader);
}
