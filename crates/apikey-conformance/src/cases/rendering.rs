//! Settings for the form of denials.

use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{Endpoint, Fault};

pub async fn denials_are_problem_details_if_asked_for(subject: Subject) {
    let world = World::with(subject, |builder| builder.problem_details(true)).await;
    world.send(get("/me")).await.is_denied(&missing_key().in_problem_details());
    world.send(get("/me").authorization("x")).await.is_denied(&invalid_format().in_problem_details());
    world
        .send(get("/me").key(&world.user).key(&world.user))
        .await
        .is_denied(&multiple_keys().in_problem_details());
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked().in_problem_details());
    world
        .ask("/organization", &world.user)
        .await
        .is_denied(&organization_key_required().in_problem_details());
    let scopes = insufficient_scope("write:users", &["read:users", "write:users"], &["read:users"]);
    world.ask("/scoped", &world.reader).await.is_denied(&scopes.in_problem_details());
    let scopes = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.ask("/layered", &world.reader).await.is_denied(&scopes.in_problem_details());
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    world.ask("/me", &world.acme).await.is_denied(&unavailable().in_problem_details());
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(404)));
    world.ask("/me", &world.acme).await.is_denied(&internal_error().in_problem_details());
}

pub async fn the_realm_stands_in_every_challenge(subject: Subject) {
    let world = World::with(subject, |builder| builder.realm("tickets, beta")).await;
    let realm = "tickets, beta";
    world.send(get("/me")).await.is_denied(&missing_key().challenging("Bearer", realm));
    world.send(get("/layered")).await.is_denied(&missing_key().challenging("Bearer", realm));
    world.send(get("/me").authorization("x")).await.is_denied(&invalid_format().challenging("Bearer", realm));
    let twice = get("/me").key(&world.user).key(&world.user);
    world.send(twice).await.is_denied(&multiple_keys().challenging("Bearer", realm));
    let scopes = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.ask("/layered", &world.reader).await.is_denied(&scopes.challenging("Bearer", realm));
    world.ask("/user", &world.reader).await.is_denied(&user_key_required());
}

pub async fn a_realm_with_quotes_is_escaped(subject: Subject) {
    let world = World::with(subject, |builder| builder.realm(r#"the "new" \ api"#)).await;
    let escaped = r#"the \"new\" \\ api"#;
    world.send(get("/me")).await.is_denied(&missing_key().challenging("Bearer", escaped));
}

pub async fn scopes_with_odd_characters_are_escaped_in_the_body(subject: Subject) {
    let world = World::new(subject).await;
    let odd = ["a\"b", "line\nbreak", "gr\u{fc}n", "</script>", "\\"];
    let key = world.create(apikey_testkit::emulator::KeySpecification::new("odd").scopes(odd));
    world.ask("/layered", &key).await.is_denied(&insufficient_scope("admin", &["admin"], &odd));
}
