//! What routes require of a good key.

use crate::{adapter::Subject, client::Request, expected::*, world::World};
use apikey_testkit::emulator::KeySpecification;

pub async fn all_of_several_scopes_are_needed(subject: Subject) {
    let world = World::new(subject).await;
    let required = ["read:users", "write:users"];
    world.ask("/scoped", &world.writer).await.is_me(&world.writer);
    for (key, missing, available) in [
        (&world.reader, "write:users", &["read:users"][..]),
        (&world.admin, "read:users, write:users", &["admin"]),
        (&world.unscoped, "read:users, write:users", &[]),
    ] {
        world.ask("/scoped", key).await.is_denied(&insufficient_scope(missing, &required, available));
    }
    assert_eq!(world.calls(), 4);
}

pub async fn any_of_several_scopes_is_enough(subject: Subject) {
    let world = World::new(subject).await;
    let required = ["admin", "read:users"];
    for key in [&world.admin, &world.reader, &world.writer] {
        world.ask("/any", key).await.is_me(key);
    }
    let missing = "one of admin, read:users";
    world.ask("/any", &world.unscoped).await.is_denied(&insufficient_scope(missing, &required, &[]));
    let denied = insufficient_scope(missing, &required, &["read:tickets"]);
    world.ask("/any", &world.acme).await.is_denied(&denied);
}

pub async fn policies_nest(subject: Subject) {
    let world = World::new(subject).await;
    let required = ["read:users", "admin", "write:users"];
    let both = world.create(KeySpecification::new("reader_admin").scopes(["admin", "read:users"]));
    for key in [&world.writer, &both] {
        world.ask("/nested", key).await.is_me(key);
    }
    for (key, missing, available) in [
        (&world.reader, "one of admin, write:users", &["read:users"][..]),
        (&world.admin, "read:users", &["admin"]),
        (&world.unscoped, "read:users, (one of admin, write:users)", &[]),
    ] {
        world.ask("/nested", key).await.is_denied(&insufficient_scope(missing, &required, available));
    }
}

pub async fn scopes_match_exactly(subject: Subject) {
    let world = World::new(subject).await;
    for (name, scope) in [
        ("upper", "ADMIN"),
        ("longer", "admin2"),
        ("prefix", "admi"),
        ("joined", "admin read:users"),
        ("space", " admin"),
    ] {
        let key = world.create(KeySpecification::new(name).scopes([scope]));
        world.ask("/layered", &key).await.is_denied(&insufficient_scope("admin", &["admin"], &[scope]));
    }
    let key = world.create(KeySpecification::new("among_many").scopes(["a", "admin", "b", "admin"]));
    world.ask("/layered", &key).await.is_me(&key);
}

pub async fn a_layer_checks_scopes(subject: Subject) {
    let world = World::new(subject).await;
    world.ask("/layered", &world.admin).await.is_me(&world.admin);
    let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.ask("/layered", &world.reader).await.is_denied(&denied);
}

pub async fn an_organization_key_is_of_any_organization(subject: Subject) {
    let world = World::new(subject).await;
    for key in [&world.acme, &world.globex, &world.acme_unscoped, &world.both_owners] {
        world.ask("/organization", key).await.is_me(key);
    }
    for key in [&world.reader, &world.user] {
        world.ask("/organization", key).await.is_denied(&organization_key_required());
    }
}

pub async fn a_user_key_is_of_any_user(subject: Subject) {
    let world = World::new(subject).await;
    for key in [&world.user, &world.both_owners] {
        world.ask("/user", key).await.is_me(key);
    }
    for key in [&world.reader, &world.acme] {
        world.ask("/user", key).await.is_denied(&user_key_required());
    }
}

pub async fn a_bound_route_is_for_one_organization(subject: Subject) {
    let world = World::new(subject).await;
    for key in [&world.acme, &world.acme_unscoped, &world.both_owners] {
        world.ask("/bound", key).await.is_me(key);
    }
    world.ask("/bound", &world.globex).await.is_denied(&organization_mismatch());
    let near = world.create(KeySpecification::new("near").organization("org_acme2"));
    world.ask("/bound", &near).await.is_denied(&organization_mismatch());
    for key in [&world.reader, &world.user] {
        world.ask("/bound", key).await.is_denied(&organization_key_required());
    }
}

pub async fn the_owner_is_checked_before_scopes(subject: Subject) {
    let world = World::new(subject).await;
    for key in [&world.acme, &world.globex, &world.both_owners] {
        world.ask("/owner-and-scope", key).await.is_me(key);
    }
    let tickets = world.create(KeySpecification::new("tickets").scopes(["read:tickets"]));
    for key in [&world.reader, &world.user, &world.unscoped, &tickets] {
        world.ask("/owner-and-scope", key).await.is_denied(&organization_key_required());
    }
    let denied = insufficient_scope("read:tickets", &["read:tickets"], &[]);
    world.ask("/owner-and-scope", &world.acme_unscoped).await.is_denied(&denied);
}

pub async fn an_empty_owner_is_an_absent_owner(subject: Subject) {
    let world = World::new(subject).await;
    let key = world.create(KeySpecification::new("nobody").organization("").user(""));
    let me = r#"{"key_id":"api_key_nobody","status":"active","scopes":[],"org_code":null,"user_id":null}"#;
    world.ask("/me", &key).await.is_json(me);
    for path in ["/organization", "/bound"] {
        world.ask(path, &key).await.is_denied(&organization_key_required());
    }
    world.ask("/user", &key).await.is_denied(&user_key_required());
}

/// The answer is the same if the key is cached, and if it is not.
pub async fn an_operation_asks_for_the_scope_that_kinde_makes_for_it(subject: Subject) {
    let world = World::new(subject).await;
    for (path, scope) in [("/operation", "get:operation"), ("/operations/7", "get:operations_name")] {
        let right = world.create(KeySpecification::new(scope).scopes([scope]));
        let others =
            ["get:", "get:operations", "get:operations_7", "post:operation", "{kinde operation}", ""];
        let wrong = world.create(KeySpecification::new(format!("not_{scope}")).scopes(others));
        for _ in 0..2 {
            if world.differences.tells_no_route {
                world.ask(path, &right).await.is_denied(&internal_error());
                continue;
            }
            world.ask(path, &right).await.is_me(&right);
            world.ask(path, &wrong).await.is_denied(&insufficient_scope(scope, &[scope], &others));
        }
        world.send(Request::new("GET", path)).await.is_denied(&missing_key());
    }
    if !world.differences.tells_no_route {
        let key = world.create(KeySpecification::new("head").scopes(["get:operation"]));
        world.send(Request::new("HEAD", "/operation").key(&key)).await.is_me(&key);
    }
}
