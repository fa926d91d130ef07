//! Settings for the form of denials.

use std::time::Duration;

use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_core::{AttemptLimit, Audience, Denial, DenialBody};
use apikey_testkit::emulator::{Endpoint, Fault};

const SECOND: Duration = Duration::from_secs(1);

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

pub async fn documented_problems_tell_a_program_what_to_do(subject: Subject) {
    const PROBLEMS: &str = "https://api.example/problems#";
    const METADATA: &str = "https://api.example/.well-known/oauth-protected-resource";
    let world = World::with(subject, |builder| {
        builder.problem_documentation(PROBLEMS).resource_metadata(METADATA).verification_timeout(SECOND)
    })
    .await;
    let documented = |denied: Denied, title: &'static str, retryable: bool| {
        denied.documented(PROBLEMS, title, retryable).naming_metadata(METADATA)
    };
    let scopes = insufficient_scope("admin", &["admin"], &["read:users"]);
    let scopes = documented(scopes, "Insufficient scope", false);
    for path in ["/me", "/scoped", "/layered"] {
        let missing = documented(missing_key(), "No authorization header", false);
        world.send(get(path)).await.is_denied(&missing);
        let revoked = documented(key_revoked(), "API key is not active", false);
        world.ask(path, &world.revoked).await.is_denied(&revoked);
    }
    // Once after a verification, and once on a hit.
    world.ask("/layered", &world.reader).await.is_denied(&scopes);
    world.ask("/layered", &world.reader).await.is_denied(&scopes);
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    let title = "API key verification is temporarily unavailable";
    for path in ["/me", "/layered"] {
        // A 503 has no challenge, so it names no metadata.
        world.ask(path, &world.acme).await.is_denied(&documented(unavailable(), title, true));
    }
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

/// Also the denials that come after a verification, and those of layers.
pub async fn a_grpc_request_is_refused_in_its_protocol(subject: Subject) {
    let world = World::with(subject, |builder| {
        builder.attempt_limit(AttemptLimit::new(2, Duration::from_secs(900))).verification_timeout(SECOND)
    })
    .await;
    let grpc = |path: &str| get(path).header("Content-Type", "application/grpc");
    for path in ["/me", "/scoped", "/layered", "/optional"] {
        world
            .send(grpc(path).authorization("x"))
            .await
            .is_denied(&invalid_format().in_grpc("application/grpc"));
    }
    world.send(grpc("/layered")).await.is_denied(&missing_key().in_grpc("application/grpc"));
    world
        .send(grpc("/me").key(&world.user).key(&world.user))
        .await
        .is_denied(&multiple_keys().in_grpc("application/grpc"));
    let scopes = insufficient_scope("admin", &["admin"], &["read:users"]).in_grpc("application/grpc");
    // Once after a verification, and once on a hit.
    world.send(grpc("/layered").key(&world.reader)).await.is_denied(&scopes);
    world.send(grpc("/layered").key(&world.reader)).await.is_denied(&scopes);
    let proto = get("/me").header("Content-Type", "application/grpc+proto");
    world.send(proto.key(&world.revoked)).await.is_denied(&key_revoked().in_grpc("application/grpc+proto"));
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    world.send(grpc("/me").key(&world.acme)).await.is_denied(&unavailable().in_grpc("application/grpc"));
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(404)));
    world.send(grpc("/me").key(&world.acme)).await.is_denied(&internal_error().in_grpc("application/grpc"));
    world.emulator.set_fault(Endpoint::Verify, None);
    world.send(grpc("/me").key(&world.inactive)).await.is_denied(&key_inactive().in_grpc("application/grpc"));
    let limited = rate_limited(2, 900, 900).in_grpc("application/grpc");
    world.send(grpc("/me").bearer("k_live_nobody_knows_it")).await.is_denied(&limited);
    // Another content type, and none, are answered as ever.
    world.send(get("/me").header("Content-Type", "application/json")).await.is_denied(&missing_key());
    world.send(grpc("/me").key(&world.reader)).await.is_me(&world.reader);
}

pub async fn a_renderer_words_the_bodies_of_denials(subject: Subject) {
    let render = |denial: &Denial, _: &Audience| {
        DenialBody::new("text/html; charset=utf-8", format!("<p>{}: {}</p>", denial.status(), denial.code()))
    };
    let world = World::with(subject, |builder| builder.denial_renderer(render)).await;
    let worded =
        |denied: Denied, text: &str| denied.worded("text/html; charset=utf-8", format!("<p>{text}</p>"));
    for path in ["/me", "/layered", "/any"] {
        world.send(get(path)).await.is_denied(&worded(missing_key(), "401: MISSING_KEY"));
        world
            .send(get(path).authorization("x"))
            .await
            .is_denied(&worded(invalid_format(), "401: INVALID_FORMAT"));
        world.ask(path, &world.revoked).await.is_denied(&worded(key_revoked(), "401: KEY_REVOKED"));
    }
    let scopes = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.ask("/layered", &world.reader).await.is_denied(&worded(scopes, "403: INSUFFICIENT_SCOPE"));
    world.ask("/layered", &world.admin).await.is_me(&world.admin);
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    world.ask("/me", &world.acme).await.is_denied(&worded(unavailable(), "503: VERIFICATION_UNAVAILABLE"));
}

pub async fn a_renderer_learns_what_the_caller_understands(subject: Subject) {
    let render = |denial: &Denial, audience: &Audience| match (audience.accept(), audience.accept_language())
    {
        (None, None) => denial.default_body(),
        told => DenialBody::new("text/plain", format!("{told:?}")),
    };
    let world = World::with(subject, |builder| builder.denial_renderer(render)).await;
    let asked =
        |path: &str| get(path).header("Accept", "text/html").header("Accept-Language", "de, en;q=0.5");
    let told = r#"(Some("text/html"), Some("de, en;q=0.5"))"#;
    for path in ["/me", "/layered"] {
        world.send(get(path)).await.is_denied(&missing_key());
        world.send(asked(path)).await.is_denied(&missing_key().worded("text/plain", told));
        world
            .send(asked(path).key(&world.revoked))
            .await
            .is_denied(&key_revoked().worded("text/plain", told));
    }
}

pub async fn a_renderer_words_no_grpc_answer(subject: Subject) {
    let world =
        World::with(subject, |builder| builder.denial_renderer(|_, _| DenialBody::new("text/plain", "no")))
            .await;
    let grpc = get("/layered").header("Content-Type", "application/grpc");
    world.send(grpc).await.is_denied(&missing_key().in_grpc("application/grpc"));
}
