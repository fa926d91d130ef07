//! Everything that can go wrong on the way to the verify endpoint. A failure there is never the caller's.

use std::time::{Duration, Instant};

use super::steps::{SOON, in_flight, recover, start};
use crate::conformance::{adapter::Subject, expected::*, world::World};
use crate::emulator::{Endpoint, Fault};

/// A budget that a hanging upstream exhausts soon.
const SHORT: Duration = Duration::from_millis(300);
/// What no request may take under that budget; the default budget is longer.
const LONG: Duration = Duration::from_millis(2_500);

/// Each fault is answered with this denial after so many verify calls, and over when it is over.
async fn are_answered<const N: usize>(world: &World, faults: [Fault; N], denied: Denied, calls: u64) {
    for fault in faults {
        let shown = format!("{fault:?}");
        println!("{shown}");
        world.emulator.set_fault(Endpoint::Verify, Some(fault));
        world.ask("/me", &world.reader).await.is_denied(&denied);
        assert_eq!(world.calls(), calls, "{shown}");
        world.emulator.set_fault(Endpoint::Verify, None);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls(), 1, "after {shown}");
    }
}

pub async fn a_slow_answer_within_the_budget_is_good(subject: Subject) {
    let world = World::uncached(subject).await;
    for fault in [Fault::Latency(Duration::from_millis(60)), Fault::SlowBody(Duration::from_micros(200))] {
        world.emulator.set_fault(Endpoint::Verify, Some(fault));
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 2);
}

pub async fn an_upstream_that_hangs_is_unavailable_when_the_budget_is_spent(subject: Subject) {
    let world = World::with(subject, |builder| {
        builder.verification_timeout(SHORT).cache_time_to_live(Duration::ZERO)
    })
    .await;
    for fault in
        [Fault::Hang, Fault::Latency(Duration::from_secs(60)), Fault::SlowBody(Duration::from_millis(50))]
    {
        let shown = format!("{fault:?}");
        world.emulator.set_fault(Endpoint::Verify, Some(fault));
        let start = Instant::now();
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        let waited = start.elapsed();
        assert!((SHORT..LONG).contains(&waited), "{shown} was answered after {waited:?}");
        assert_eq!(world.calls(), 1, "{shown}");
    }
    world.emulator.set_fault(Endpoint::Verify, None);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn a_broken_connection_is_unavailable(subject: Subject) {
    let world = World::uncached(subject).await;
    let cut_short = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"is_valid\":".to_vec();
    let faults = [Fault::Reset, Fault::Close, Fault::RawGarbage, Fault::RawAnswer(cut_short)];
    are_answered(&world, faults, unavailable(), 1).await;
}

pub async fn an_error_of_kindes_is_unavailable(subject: Subject) {
    let world = World::uncached(subject).await;
    let faults = [500, 501, 502, 503, 504, 520, 599].map(Fault::status);
    are_answered(&world, faults, unavailable(), 1).await;
    let page = |status| Fault::Status { status, body: "<html>Bad gateway</html>".to_owned() };
    are_answered(&world, [page(502), page(503)], unavailable(), 1).await;
}

pub async fn a_request_that_kinde_could_not_read_is_unavailable(subject: Subject) {
    let world = World::uncached(subject).await;
    are_answered(&world, [400, 408, 425].map(Fault::status), unavailable(), 1).await;
}

pub async fn a_limit_at_kinde_is_unavailable_with_and_without_its_headers(subject: Subject) {
    let world = World::uncached(subject).await;
    for (rate_limit_reset, retry_after) in
        [(None, None), (Some(5), None), (None, Some(5)), (Some(0), Some(0))]
    {
        let fault = Fault::TooManyRequests { rate_limit_reset, retry_after };
        world.emulator.set_fault(Endpoint::Verify, Some(fault));
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        assert_eq!(world.calls(), 1);
    }
}

pub async fn an_unreadable_answer_is_unavailable(subject: Subject) {
    let world = World::uncached(subject).await;
    let faults = [Fault::Garbage, Fault::Empty, Fault::HugeBody(1_000_000), Fault::HugeBody(70_000)];
    are_answered(&world, faults, unavailable(), 1).await;
}

pub async fn a_wrong_address_is_internal_error(subject: Subject) {
    let world = World::uncached(subject).await;
    are_answered(&world, [404, 405, 410, 418].map(Fault::status), internal_error(), 1).await;
}

pub async fn a_redirect_is_not_followed_and_is_internal_error(subject: Subject) {
    let world = World::uncached(subject).await;
    let elsewhere = world.emulator.url();
    for location in
        ["/api/v1/api_keys/verify".to_owned(), format!("{elsewhere}/api/v1/api_keys/verify"), elsewhere]
    {
        are_answered(&world, [Fault::Redirect(location)], internal_error(), 1).await;
    }
}

pub async fn a_flapping_upstream_is_believed_when_it_answers(subject: Subject) {
    let world = World::uncached(subject).await;
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Flap));
    for _ in 0..3 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
    assert_eq!(world.calls(), 6);
}

pub async fn an_upstream_that_is_gone_is_unavailable(subject: Subject) {
    let mut world = World::uncached(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    let another = crate::emulator::Emulator::start().await.expect("the emulator starts");
    std::mem::replace(&mut world.emulator, another).stop().await;
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
}

pub async fn a_kinde_that_hangs_keeps_nobody_past_the_budget(subject: Subject) {
    for endpoint in [Endpoint::Verify, Endpoint::Token] {
        let world =
            World::with(subject, |builder| builder.verification_timeout(Duration::from_millis(300))).await;
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        if endpoint == Endpoint::Token {
            world.emulator.revoke_tokens();
        }
        world.emulator.set_fault(endpoint, Some(Fault::Hang));
        let begin = Instant::now();
        let mut waiting = Vec::new();
        for key in [&world.reader, &world.reader, &world.writer, &world.acme, &world.user, &world.revoked] {
            waiting.push(start(&world, key).await);
        }
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        for (session, request) in &mut waiting {
            session.read(request).await.is_denied(&unavailable());
        }
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        assert!(begin.elapsed() < SOON, "{endpoint:?}: {:?}", begin.elapsed());
        in_flight(&world, 0).await;
        if endpoint == Endpoint::Verify {
            recover(&world);
            world.ask("/me", &world.reader).await.is_me(&world.reader);
        }
    }
}
