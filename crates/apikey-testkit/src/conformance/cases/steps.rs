//! What the cases of several rooms do with their world.

use std::{sync::Arc, time::Duration};

use apikey_core::{AuthenticatorBuilder, ManualClock};

use crate::conformance::{
    adapter::Subject,
    client::{Request, Session, get},
    world::{Key, World},
};
use crate::emulator::{Endpoint, Fault, Gate};

pub(super) const TTL: Duration = Duration::from_secs(300);
pub(super) const STALE: Duration = Duration::from_secs(600);
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// What no request may take that need not wait for a budget of a minute.
pub(super) const SOON: Duration = Duration::from_secs(5);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const NOBODYS: &str = "k_live_nobody_knows_it";

pub(super) fn fail(world: &World, fault: Fault) {
    world.emulator.set_fault(Endpoint::Verify, Some(fault));
}

pub(super) fn recover(world: &World) {
    world.emulator.set_fault(Endpoint::Verify, None);
}

/// Holds every verification back until the gate opens.
pub(super) fn hold(world: &World) -> Gate {
    let gate = Gate::new();
    fail(world, Fault::Hold(gate.clone()));
    gate
}

/// Holds only the next verification back.
pub(super) fn hold_next(world: &World) -> Gate {
    let gate = Gate::new();
    world.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    gate
}

/// A request that is under way and not answered yet.
pub(super) async fn start<'a>(world: &'a World, key: &Key) -> (Session<'a>, Request) {
    let request = get("/me").key(key);
    let mut session = world.session().await;
    session.write(&request.bytes()).await;
    (session, request)
}

pub(super) async fn in_flight(world: &World, verifications: u64) {
    world.emulator.wait_until(|counters| counters.verifications_in_flight == verifications).await;
}

/// With a clock to move.
pub(super) async fn timed(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let world =
        World::with(subject, |builder| configure(builder.clock(clock.clone()).cache_time_to_live(TTL))).await;
    (world, clock)
}

/// Everything by which Kinde can fail to judge a key without anybody having to wait, a set-up that it refuses included.
pub(super) fn failures() -> [Fault; 9] {
    [
        Fault::status(503),
        Fault::Reset,
        Fault::Close,
        Fault::Garbage,
        Fault::Empty,
        Fault::status(400),
        Fault::TooManyRequests { rate_limit_reset: Some(5), retry_after: None },
        Fault::status(404),
        Fault::Redirect("/elsewhere".to_owned()),
    ]
}
