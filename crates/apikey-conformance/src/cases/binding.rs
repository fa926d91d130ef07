//! A server that takes only keys of its own API. After Kinde has verified a key, the server asks for which APIs it is.

use std::{sync::Arc, time::Duration};

use apikey_core::{AttemptLimit, AuthenticatorBuilder, ManualClock};
use serde_json::json;

use crate::steps::{MINUTE, SECOND, STALE, TTL, oddities, outages, overloads, wrong_set_ups};
use crate::{adapter::Subject, client::get, expected::*, key::Key, world::World};
use apikey_testkit::emulator::{DEFAULT_API_ID, Endpoint, Fault, Gate, KeySpecification, ScriptedAnswer};

async fn bound(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let configure = |builder: AuthenticatorBuilder| configure(builder.cache_time_to_live(TTL));
    (World::bound(subject, &clock, configure).await, clock)
}

/// A key for another API of the same business.
fn foreign(world: &World) -> Key {
    let specification = KeySpecification::new("foreign").scopes(["read:users", "write:users", "admin"]);
    world.create(specification.api_ids(["api_other"]))
}

/// The second call fails.
fn fail(world: &World, fault: Fault) {
    world.emulator.set_fault(Endpoint::ApiKey, Some(fault));
}

pub async fn a_key_of_another_api_is_api_mismatch(subject: Subject) {
    let (world, _clock) = bound(subject, |builder| builder).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    let both = KeySpecification::new("both").api_ids(["api_other", DEFAULT_API_ID]);
    let both = world.create(both);
    world.ask("/me", &both).await.is_me(&both);
    let foreign = foreign(&world);
    for path in ["/me", "/scoped", "/any", "/layered", "/organization", "/bound", "/optional"] {
        world.ask(path, &foreign).await.is_denied(&api_mismatch());
    }
}

pub async fn a_key_that_is_for_no_api_is_api_mismatch(subject: Subject) {
    let (world, _clock) = bound(subject, |builder| builder).await;
    let none = world.create(KeySpecification::new("none").api_ids([""; 0]));
    world.ask("/me", &none).await.is_denied(&api_mismatch());
    world.ask("/layered", &none).await.is_denied(&api_mismatch());
}

pub async fn a_mismatch_comes_before_what_the_route_asks_for(subject: Subject) {
    let (world, _clock) = bound(subject, |builder| builder).await;
    let unscoped = world.create(KeySpecification::new("other_unscoped").api_ids(["api_other"]));
    for path in ["/scoped", "/layered", "/organization", "/user", "/owner-and-scope"] {
        world.ask(path, &unscoped).await.is_denied(&api_mismatch());
    }
    let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.ask("/layered", &world.reader).await.is_denied(&denied);
}

pub async fn a_mismatch_is_told_in_every_form(subject: Subject) {
    let (world, _clock) = bound(subject, |builder| builder.problem_details(true)).await;
    let foreign = foreign(&world);
    for path in ["/me", "/layered"] {
        world.ask(path, &foreign).await.is_denied(&api_mismatch().in_problem_details());
        let grpc = get(path).key(&foreign).header("Content-Type", "application/grpc");
        world.send(grpc).await.is_denied(&api_mismatch().in_grpc("application/grpc"));
    }
}

pub async fn a_bound_key_costs_one_more_call_and_a_hit_none(subject: Subject) {
    let (world, clock) = bound(subject, |builder| builder).await;
    for _ in 0..3 {
        for path in ["/me", "/me", "/any", "/twice", "/layered-twice", "/optional"] {
            assert_eq!(world.ask(path, &world.reader).await.response.status, 200, "{path}");
        }
        assert_eq!(world.calls_of_both_kinds(), (1, 1));
        clock.advance(TTL);
    }
    for key in [&world.reader, &world.writer, &world.acme] {
        world.ask("/me", key).await.is_me(key);
    }
    assert_eq!(world.calls_of_both_kinds(), (3, 3));
}

pub async fn a_server_that_is_not_bound_makes_no_second_call(subject: Subject) {
    let world = World::new(subject).await;
    let foreign = foreign(&world);
    world.ask("/me", &foreign).await.is_me(&foreign);
    assert_eq!(world.calls_of_both_kinds(), (1, 0));
}

pub async fn a_key_that_is_refused_anyway_causes_no_second_call(subject: Subject) {
    let (world, _clock) = bound(subject, |builder| builder).await;
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
    world.ask("/me", &world.inactive).await.is_denied(&key_inactive());
    world.send(get("/me").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
    assert_eq!(world.calls_of_both_kinds(), (3, 0));
}

pub async fn a_list_that_is_missing_or_odd_is_unavailable(subject: Subject) {
    let (world, _clock) = bound(subject, |builder| builder).await;
    let id = DEFAULT_API_ID;
    let odd = [json!(null), json!(id), json!({"0": id}), json!(true), json!([id, 1]), json!([[id]])];
    for api_ids in odd.into_iter().map(Some).chain([None]) {
        world.emulator.set_api_ids(&world.reader.id, api_ids);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        assert_eq!(world.calls_of_both_kinds(), (1, 1));
    }
    world.emulator.set_api_ids(&world.reader.id, Some(json!([id])));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn a_second_call_without_an_answer_is_unavailable(subject: Subject) {
    let (world, clock) = bound(subject, |builder| builder).await;
    for fault in [outages(), overloads(), oddities()].concat() {
        println!("{fault:?}");
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        // Kinde is asked about an overloaded key again at the moment that Kinde named.
        clock.advance(5 * SECOND);
    }
    world.emulator.set_fault(Endpoint::ApiKey, None);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    let (world, _clock) = bound(subject, |builder| builder.verification_timeout(SECOND / 4)).await;
    fail(&world, Fault::Hang);
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
}

pub async fn a_second_call_that_is_set_up_wrong_is_internal_error(subject: Subject) {
    let (world, _clock) = bound(subject, |builder| builder).await;
    let scope = json!({"errors": [{"code": "SCOPE_MISSING", "message": "No"}]});
    let mut faults = wrong_set_ups();
    faults.extend([Fault::Answer(ScriptedAnswer::json(403, &scope)), Fault::status(401)]);
    for fault in faults {
        println!("{fault:?}");
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&internal_error());
        world.emulator.set_fault(Endpoint::ApiKey, None);
    }
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn a_key_that_leaves_the_api_gets_in_by_no_stale_answer(subject: Subject) {
    let (world, clock) = bound(subject, |builder| builder.stale_if_error(STALE)).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    fail(&world, Fault::status(503));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.set_fault(Endpoint::ApiKey, None);
    world.emulator.set_api_ids(&world.reader.id, Some(json!(["api_other"])));
    world.ask("/me", &world.reader).await.is_denied(&api_mismatch());
    fail(&world, Fault::status(503));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
}

pub async fn a_mismatch_is_remembered_as_long_as_other_refusals(subject: Subject) {
    for (negative, calls) in [(Duration::ZERO, (3, 3)), (MINUTE, (1, 1))] {
        let (world, clock) = bound(subject, |builder| builder.negative_time_to_live(negative)).await;
        let foreign = foreign(&world);
        for _ in 0..3 {
            world.ask("/me", &foreign).await.is_denied(&api_mismatch());
        }
        assert_eq!(world.calls_of_both_kinds(), calls);
        world.emulator.set_api_ids(&foreign.id, Some(json!([DEFAULT_API_ID])));
        clock.advance(negative);
        world.ask("/me", &foreign).await.is_me(&foreign);
    }
}

pub async fn a_mismatch_is_an_attempt_of_its_client(subject: Subject) {
    let limit = AttemptLimit::new(2, Duration::from_secs(900));
    let (world, _clock) = bound(subject, |builder| builder.attempt_limit(limit)).await;
    for key in [&world.reader, &world.writer, &world.acme] {
        world.ask("/me", key).await.is_me(key);
    }
    let foreign = foreign(&world);
    for _ in 0..2 {
        world.ask("/me", &foreign).await.is_denied(&api_mismatch());
    }
    world.ask("/me", &foreign).await.is_denied(&rate_limited(2, 900, 900));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn a_crowd_with_one_key_of_another_api_asks_once(subject: Subject) {
    let (world, _clock) = bound(subject, |builder| builder).await;
    let (foreign, gate) = (foreign(&world), Gate::new());
    fail(&world, Fault::Hold(gate.clone()));
    let mut crowd = Vec::new();
    for _ in 0..10 {
        crowd.push(crate::steps::start(&world, &foreign).await);
    }
    world.emulator.wait_until(|counters| counters.api_key_calls == 1).await;
    world.settle().await;
    gate.open();
    for (session, request) in &mut crowd {
        session.read(request).await.is_denied(&api_mismatch());
    }
    assert_eq!(world.calls_of_both_kinds(), (1, 1));
}
