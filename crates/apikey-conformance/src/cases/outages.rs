//! Everything that can fail on the way to the verify endpoint. Such a failure is never the caller's fault.

use std::time::{Duration, Instant};

use crate::steps::{SECOND, SOON, in_flight, recover, start, timed};
use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{Endpoint, Fault, ScriptedAnswer};

/// A verification timeout that a hanging upstream exceeds quickly.
const SHORT: Duration = Duration::from_millis(300);
/// Longer than any request takes with that timeout, and shorter than the default timeout.
const LONG: Duration = Duration::from_millis(2_500);

/// Each fault gets this denial after this many verify calls, and none once the fault has ended.
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

pub async fn an_upstream_that_hangs_is_unavailable_after_the_budget(subject: Subject) {
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
    are_answered(&world, [400, 408, 410, 413, 418, 425].map(Fault::status), unavailable(), 1).await;
}

pub async fn a_limit_at_kinde_is_unavailable_until_its_moment(subject: Subject) {
    let limit = |rate_limit_reset, retry_after| Fault::TooManyRequests { rate_limit_reset, retry_after };
    let busy = |status, header: &str, value: &str| {
        Fault::Answer(ScriptedAnswer::new(status, "<html>Busy</html>").header(header, value))
    };
    for (fault, seconds) in [
        (limit(None, None), 1),
        (limit(Some(5), None), 5),
        (limit(None, Some(5)), 5),
        (limit(Some(5), Some(7)), 7),
        (limit(Some(7), Some(5)), 5),
        (limit(Some(3_600), None), 3_600),
        (limit(None, Some(3_601)), 1),
        (limit(Some(u64::MAX), None), 1),
        (busy(503, "retry-after", "9"), 9),
        (busy(429, "retry-after", "nonsense"), 1),
    ] {
        let shown = format!("{fault:?}");
        println!("{shown}");
        let (world, clock) = timed(subject, |builder| builder).await;
        world.emulator.set_key_fault(&world.reader.secret, Some(fault));
        world.ask("/me", &world.reader).await.is_denied(&unavailable().retry_after(seconds));
        world.emulator.clear_key_faults();
        // Only this key waits. Kinde is not asked about it, and its caller is told how long that will last.
        world.ask("/me", &world.writer).await.is_me(&world.writer);
        world.ask("/layered", &world.reader).await.is_denied(&unavailable().retry_after(seconds));
        if seconds > 1 {
            clock.advance(SECOND);
            world.ask("/optional", &world.reader).await.is_denied(&unavailable().retry_after(seconds - 1));
        }
        assert_eq!(world.calls(), 2, "{shown}");
        clock.advance(seconds.saturating_sub(1).max(1) as u32 * SECOND);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
}

pub async fn a_moment_is_a_date_or_a_number(subject: Subject) {
    // A date counts from the answer's own date, so a wrong clock does not matter.
    let dated = |retry_after: &str| {
        let answer = ScriptedAnswer::new(503, "").header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        Fault::Answer(answer.header("retry-after", retry_after))
    };
    for (retry_after, seconds) in [
        ("Sun, 06 Nov 1994 08:49:57 GMT", 20),
        ("Sun, 06 Nov 1994 08:49:30 GMT", 1),
        ("Mon, 07 Nov 1994 08:49:37 GMT", 1),
        (" 20 ", 20),
        ("-20", 1),
        ("20.5", 1),
    ] {
        let (world, _clock) = timed(subject, |builder| builder).await;
        world.emulator.set_key_fault(&world.reader.secret, Some(dated(retry_after)));
        let answer = world.send(get("/me").key(&world.reader).note(retry_after)).await;
        answer.is_denied(&unavailable().retry_after(seconds));
    }
}

pub async fn an_unreadable_answer_is_unavailable(subject: Subject) {
    let world = World::uncached(subject).await;
    let faults = [Fault::Garbage, Fault::Empty, Fault::HugeBody(1_000_000), Fault::HugeBody(70_000)];
    are_answered(&world, faults, unavailable(), 1).await;
}

pub async fn a_wrong_address_is_internal_error(subject: Subject) {
    let world = World::uncached(subject).await;
    are_answered(&world, [404, 405].map(Fault::status), internal_error(), 1).await;
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
    let another = apikey_testkit::emulator::Emulator::start().await.expect("the emulator starts");
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
