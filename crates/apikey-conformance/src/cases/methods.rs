//! `HEAD` and `OPTIONS`.

use crate::{
    adapter::Subject,
    client::{Request, get},
    expected::*,
    world::World,
};

const ORIGIN: (&str, &str) = ("Origin", "https://app.example");
const ASKED_METHOD: (&str, &str) = ("Access-Control-Request-Method", "GET");

fn head(path: &str) -> Request {
    Request::new("HEAD", path)
}

fn options(path: &str, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(Request::new("OPTIONS", path), |request, (name, value)| request.header(name, value))
}

pub async fn head_answers_as_get_without_a_body(subject: Subject) {
    let world = World::new(subject).await;
    world.send(head("/open")).await.is_open();
    world.send(head("/me").key(&world.reader)).await.is_me(&world.reader);
    world.send(head("/scoped").key(&world.writer)).await.is_me(&world.writer);
    world.send(head("/layered").key(&world.admin)).await.is_me(&world.admin);
}

pub async fn head_is_refused_as_get_is_without_a_body(subject: Subject) {
    let world = World::new(subject).await;
    for path in ["/me", "/scoped", "/layered"] {
        world.send(head(path)).await.is_denied(&missing_key());
        world.send(head(path).authorization("nonsense")).await.is_denied(&invalid_format());
        world.send(head(path).bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
    }
    let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.send(head("/layered").key(&world.reader)).await.is_denied(&denied);
    let denied = insufficient_scope("write:users", &["read:users", "write:users"], &["read:users"]);
    world.send(head("/scoped").key(&world.reader)).await.is_denied(&denied);
}

pub async fn a_refused_head_leaves_the_connection_in_step(subject: Subject) {
    let world = World::new(subject).await;
    let mut session = world.session().await;
    for _ in 0..2 {
        session.send(head("/me")).await.is_denied(&missing_key());
        session.send(get("/me").key(&world.reader)).await.is_me(&world.reader);
        session.send(head("/me").key(&world.reader)).await.is_me(&world.reader);
    }
}

pub async fn options_is_protected_like_any_method(subject: Subject) {
    let world = World::new(subject).await;
    world.send(options("/layered", &[])).await.is_denied(&missing_key());
    world.send(options("/layered", &[ORIGIN, ASKED_METHOD])).await.is_denied(&missing_key());
    assert_eq!(world.calls(), 0);
    world.send(options("/layered", &[]).key(&world.admin)).await.is_options();
    let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.send(options("/layered", &[ORIGIN, ASKED_METHOD]).key(&world.reader)).await.is_denied(&denied);
}

pub async fn a_pre_flight_passes_if_asked_for(subject: Subject) {
    let world = World::new(subject).await;
    world.send(options("/preflight", &[ORIGIN, ASKED_METHOD])).await.is_options();
    let with_headers = options("/preflight", &[ASKED_METHOD, ORIGIN])
        .header("Access-Control-Request-Headers", "authorization");
    world.send(with_headers).await.is_options();
    assert_eq!(world.calls_and_tokens(), (0, 0));
}

pub async fn a_request_without_a_mark_of_a_pre_flight_is_protected(subject: Subject) {
    let world = World::new(subject).await;
    for headers in [&[][..], &[ORIGIN], &[ASKED_METHOD]] {
        world.send(options("/preflight", headers)).await.is_denied(&missing_key());
        world.send(options("/preflight", headers).key(&world.reader)).await.is_options();
    }
    let get_with_marks = get("/preflight").header(ORIGIN.0, ORIGIN.1).header(ASKED_METHOD.0, ASKED_METHOD.1);
    world.send(get_with_marks.clone()).await.is_denied(&missing_key());
    world.send(get_with_marks.key(&world.reader)).await.is_me(&world.reader);
    let head_with_marks = head("/layered").header(ORIGIN.0, ORIGIN.1).header(ASKED_METHOD.0, ASKED_METHOD.1);
    world.send(head_with_marks).await.is_denied(&missing_key());
    assert_eq!(world.calls(), 1);
}
