//! One connection: kept alive, with pipelined requests, with bodies, and closed by its client.

use crate::{
    adapter::Subject,
    client::{Request, get},
    expected::*,
    world::World,
};

fn echo() -> Request {
    Request::new("POST", "/echo")
}

pub async fn a_connection_serves_many_requests_and_outlives_denials(subject: Subject) {
    let world = World::new(subject).await;
    let mut session = world.session().await;
    let denied = insufficient_scope("write:users", &["read:users", "write:users"], &["read:users"]);
    for _ in 0..3 {
        session.send(get("/me").key(&world.reader)).await.is_me(&world.reader);
        session.send(get("/me")).await.is_denied(&missing_key());
        session.send(get("/me").authorization("Bearer \u{e9}")).await.is_denied(&invalid_format());
        session.send(get("/me").key(&world.writer).key(&world.reader)).await.is_denied(&multiple_keys());
        session.send(get("/scoped").key(&world.reader)).await.is_denied(&denied);
        session.send(get("/me").key(&world.revoked)).await.is_denied(&key_revoked());
        session.send(get("/me").key(&world.writer)).await.is_me(&world.writer);
        session.send(get("/open")).await.is_open();
    }
}

pub async fn pipelined_requests_are_answered_in_order_by_their_own_keys(subject: Subject) {
    let world = World::uncached(subject).await;
    for _ in 0..5 {
        let requests = [
            get("/me").key(&world.reader),
            get("/me").key(&world.writer),
            get("/me"),
            get("/me").key(&world.acme),
            get("/layered-twice").key(&world.user),
        ];
        let mut session = world.session().await;
        let bytes: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
        session.write(&bytes).await;
        session.read(&requests[0]).await.is_me(&world.reader);
        session.read(&requests[1]).await.is_me(&world.writer);
        session.read(&requests[2]).await.is_denied(&missing_key());
        session.read(&requests[3]).await.is_me(&world.acme);
        session.read(&requests[4]).await.is_me(&world.user);
    }
    assert_eq!(world.calls(), 20);
}

pub async fn a_request_in_many_pieces_is_read_whole(subject: Subject) {
    let world = World::new(subject).await;
    let request = get("/me").key(&world.reader);
    let mut session = world.session().await;
    for piece in request.bytes().chunks(7) {
        session.write(piece).await;
    }
    session.read(&request).await.is_me(&world.reader);
}

pub async fn a_good_key_gets_its_body_to_the_handler_unchanged(subject: Subject) {
    let world = World::new(subject).await;
    let all_bytes: Vec<u8> = (0..2048_u32).map(|number| (number % 256) as u8).collect();
    for body in [&b""[..], b"{\"a\":1}", &all_bytes] {
        world.send(echo().key(&world.reader).body(body)).await.is_echo(body);
    }
    let chunked = echo().key(&world.reader).header("Transfer-Encoding", "chunked");
    let mut session = world.session().await;
    session.write(&chunked.bytes()).await;
    session.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    session.read(&chunked).await.is_echo(b"abcde");
    assert_eq!(world.calls(), 1);
}

pub async fn a_key_is_refused_before_the_body_is_read(subject: Subject) {
    let world = World::new(subject).await;
    let denied = insufficient_scope("read:users", &["read:users"], &[]);
    for (request, denied) in [
        (echo(), missing_key()),
        (echo().authorization("nonsense"), invalid_format()),
        (echo().key(&world.reader).key(&world.reader), multiple_keys()),
        (echo().bearer("k_live_nobody_knows_it"), invalid_key()),
        (echo().key(&world.revoked), key_revoked()),
        (echo().key(&world.unscoped), denied),
    ] {
        // The request announces a body, and sends nothing or only the start of it.
        let request = request.header("Content-Length", "1000");
        let mut session = world.session().await;
        session.write(&request.bytes()).await;
        if world.differences.waits_for_the_start_of_a_body {
            session.write(&[b'x'; 32]).await;
        }
        session.read(&request).await.is_denied(&denied);
    }
}

pub async fn a_malformed_body_is_no_concern_of_a_refused_key(subject: Subject) {
    let world = World::new(subject).await;
    let request = echo().key(&world.revoked).header("Content-Type", "application/json").body(b"{\"half\":");
    world.send(request).await.is_denied(&key_revoked());
}
