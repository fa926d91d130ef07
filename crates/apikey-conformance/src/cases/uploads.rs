//! Uploads that are refused.

use std::time::Duration;

use crate::{
    adapter::Subject,
    client::{Request, get},
    expected::*,
    world::World,
};

/// In this time a server that does not read on has closed its connection.
const A_MOMENT: Duration = Duration::from_millis(150);
const PIECE: [u8; 10_000] = [b'x'; 10_000];
const PIECES: usize = 50;

/// The routes: an extractor protects the first, a layer the second.
const ROUTES: [(&str, &str); 2] = [("POST", "/echo"), ("GET", "/layered")];

/// The routes on which refused uploads are read.
fn reading_routes(world: &World) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let left_out = usize::from(world.differences.extractors_read_no_refused_upload);
    ROUTES.into_iter().skip(left_out)
}

/// The head of a request with a body, whose bytes the case writes itself.
fn upload(method: &'static str, path: &str, header: (&str, &str)) -> Request {
    Request::new(method, path).header(header.0, header.1)
}

/// A client that sends everything first, and reads then. After that the connection serves its next request.
pub async fn a_refused_upload_gets_its_answer(subject: Subject) {
    let world = World::with(subject, |builder| builder.attempt_limit(None)).await;
    let length = (PIECE.len() * PIECES).to_string();
    for (method, path) in reading_routes(&world) {
        // The first is refused at once, the second after a verification.
        for (bearer, denied) in [("not a key", invalid_format()), ("k_live_nobody_knows_it", invalid_key())] {
            for is_chunked in [false, true] {
                let header = if is_chunked {
                    ("Transfer-Encoding", "chunked")
                } else {
                    ("Content-Length", length.as_str())
                };
                let request = upload(method, path, header).bearer(bearer).note("the head of an upload");
                let mut session = world.session().await;
                session.write(&request.bytes()).await;
                tokio::time::sleep(A_MOMENT).await;
                for _ in 0..PIECES {
                    if is_chunked {
                        session.write(format!("{:x}\r\n", PIECE.len()).as_bytes()).await;
                    }
                    session.write(&PIECE).await;
                    if is_chunked {
                        session.write(b"\r\n").await;
                    }
                }
                if is_chunked {
                    session.write(b"0\r\n\r\n").await;
                }
                session.read(&request).await.is_denied(&denied);
                if !world.differences.reads_refused_uploads_itself {
                    session.send(get("/me").key(&world.reader)).await.is_me(&world.reader);
                }
            }
        }
    }
}

/// The caller that waits for the answer before it sends does not wait for the reading.
pub async fn a_refused_upload_is_answered_before_it_is_read(subject: Subject) {
    let world =
        World::with(subject, |builder| builder.refused_uploads(1_000_000, Duration::from_secs(50))).await;
    for (method, path) in ROUTES {
        let request = upload(method, path, ("Content-Length", "500000"));
        let mut session = world.session().await;
        session.write(&request.bytes()).await;
        session.write(&PIECE).await;
        let answer = tokio::time::timeout(Duration::from_secs(20), session.read(&request)).await;
        answer.expect("the answer does not wait for the body").is_denied(&missing_key());
    }
}

/// The server must not read on: it ends the connection.
pub async fn an_upload_past_the_limit_is_not_read(subject: Subject) {
    let world =
        World::with(subject, |builder| builder.refused_uploads(20_000, Duration::from_secs(50))).await;
    if world.differences.reads_refused_uploads_itself {
        return;
    }
    for (method, path) in reading_routes(&world) {
        for header in [("Content-Length", "20001"), ("Transfer-Encoding", "chunked")] {
            let request = upload(method, path, header);
            let mut session = world.session().await;
            session.write(&request.bytes()).await;
            if world.differences.waits_for_the_start_of_a_body {
                session.write(b"14\r\n20 bytes of a chunk.\r\n").await;
            }
            session.read(&request).await.is_denied(&missing_key());
            let chunk = [format!("{:x}\r\n", PIECE.len()).as_bytes(), &PIECE, b"\r\n"].concat();
            let mut is_open = true;
            for _ in 0..500 {
                is_open = session.try_write(&chunk).await.is_ok();
                if !is_open {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(!is_open, "{method} {path} read on: {header:?}");
        }
    }
}

/// The body never comes, because the client gets the refusal instead of a `100 Continue`.
pub async fn an_upload_that_waits_for_leave_is_refused_at_once(subject: Subject) {
    let world = World::new(subject).await;
    if world.differences.waits_for_the_start_of_a_body {
        return; // The framework itself gives leave, to get that start.
    }
    for (method, path) in ROUTES {
        let request = upload(method, path, ("Content-Length", "500000")).header("Expect", "100-continue");
        let mut session = world.session().await;
        session.write(&request.bytes()).await;
        session.read(&request).await.is_denied(&missing_key());
    }
}
