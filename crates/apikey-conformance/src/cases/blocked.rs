//! Handlers that block their threads delay no other key.

use crate::{
    adapter::Subject,
    client::{Session, get},
    routes,
    world::World,
};

pub async fn a_blocked_thread_delays_no_other_requests_key(subject: Subject) {
    let world = World::protected(subject, |builder| builder).await;
    // Now each thread of the server has asked about a key, and may own a connection to Kinde.
    let (warm, cold) = (world.create_many("warm", 16), world.create_many("cold", 16));
    let mut sessions: Vec<Session<'_>> = Vec::new();
    for key in &warm {
        let mut session = world.session().await;
        session.send(get("/me").key(key)).await.is_me(key);
        sessions.push(session);
    }
    let blocked = routes::blocked_threads();
    let blocking = world.start_as(1, get("/block")).await;
    while routes::blocked_threads() == blocked {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    // Requests that belong to the blocked thread wait for it, and no others do.
    for (session, key) in sessions.iter_mut().zip(&cold) {
        session.write(&get("/me").key(key).bytes()).await;
    }
    tokio::time::sleep(routes::BLOCKED / 2).await;
    assert!(!blocking.has_ended(), "the handler does not block any more");
    let asked = cold.iter().filter(|key| world.emulator.verify_calls_for(&key.secret) > 0).count();
    let cached = world.authenticator.cached_keys() - warm.len();
    assert!(
        asked >= cold.len() / 4 && cached == asked,
        "{asked} of {} were asked about, {cached} are in",
        cold.len()
    );
    for (session, key) in sessions.iter_mut().zip(&cold) {
        session.read(&get("/me").key(key)).await.is_me(key);
    }
    blocking.answer().await.is_open();
}
