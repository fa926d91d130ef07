//! Remembered refusals, if the settings ask for them.

use std::time::Duration;

use crate::steps::{MINUTE, NOBODYS, SECOND, fail, failures, recover, timed};
use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::KeySpecification;

pub async fn a_refusal_is_remembered_if_asked_for(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder.negative_time_to_live(MINUTE)).await;
    let all_refused = async || {
        world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
        world.ask("/layered", &world.inactive).await.is_denied(&key_inactive());
        world.ask("/optional", &world.inactive).await.is_denied(&key_inactive());
        world.send(get("/twice").bearer(NOBODYS)).await.is_denied(&invalid_key());
        world.calls()
    };
    for _ in 0..2 {
        assert_eq!(all_refused().await, 3);
        clock.advance(MINUTE - SECOND);
        assert_eq!(all_refused().await, 0);
        // Hits do not prolong it.
        clock.advance(SECOND);
    }
}

pub async fn a_remembered_refusal_ends_with_its_time_or_its_removal(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder.negative_time_to_live(MINUTE)).await;
    let three =
        [&world.revoked, &world.inactive, &world.create(KeySpecification::new("c").status("revoked"))];
    for key in three {
        assert_eq!(world.ask("/me", key).await.response.status, 401);
        world.emulator.set_status(&key.id, "active");
        assert_eq!(world.ask("/me", key).await.response.status, 401);
    }
    world.authenticator.remove(&world.revoked.secret).expect("it is a key");
    world.ask("/me", three[0]).await.is_me(three[0]);
    assert_eq!(world.ask("/me", three[1]).await.response.status, 401);
    clock.advance(MINUTE);
    world.ask("/me", three[1]).await.is_me(three[1]);
    world.ask("/me", three[2]).await.is_me(three[2]);
    // The other way round.
    world.emulator.revoke(&three[0].id);
    world.authenticator.clear();
    world.ask("/me", three[0]).await.is_denied(&key_revoked());
    world.emulator.set_status(&three[0].id, "active");
    world.ask("/me", three[0]).await.is_denied(&key_revoked());
    world.authenticator.clear();
    world.ask("/me", three[0]).await.is_me(three[0]);
}

pub async fn failures_are_never_remembered_as_refusals(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder.negative_time_to_live(MINUTE)).await;
    for fault in failures() {
        let request = get("/me").key(&world.reader).note(format!("{fault:?}"));
        fail(&world, fault);
        let answer = world.send(request).await;
        assert!(answer.response.status >= 500, "{answer}");
        recover(&world);
        // Kinde is asked about an overloaded key again at the moment that Kinde named.
        clock.advance(5 * SECOND);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.authenticator.clear();
    }
}

pub async fn junk_pushes_no_good_key_out(subject: Subject) {
    for negative in [Duration::ZERO, MINUTE] {
        let world =
            World::with(subject, |builder| builder.cache_capacity(100).negative_time_to_live(negative)).await;
        let good = [&world.reader, &world.writer, &world.admin, &world.acme, &world.user];
        for key in good {
            world.ask("/me", key).await.is_me(key);
        }
        let mut session = world.session().await;
        for number in 0..200 {
            let junk = get("/me").bearer(&format!("k_live_junk_{number}"));
            session.send(junk).await.is_denied(&invalid_key());
        }
        world.calls();
        for key in good {
            world.ask("/me", key).await.is_me(key);
        }
        assert_eq!(world.calls(), 0);
        assert_eq!(world.authenticator.cached_keys(), good.len());
    }
}
