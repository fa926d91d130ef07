//! A key is revoked and purged while a slow answer is in flight that still accepts it.

use apikey_testkit::emulator::{Endpoint, KeySpecification};
use apikey_testkit::raw::Connection;

use crate::report::Row;
use crate::world::{World, get, socket};

const ROUNDS: usize = 500;

pub(super) async fn purge(is_quick: bool) -> Result<Vec<Row>, String> {
    let rounds = if is_quick { ROUNDS / 10 } else { ROUNDS };
    let world = World::start(|builder| builder.attempt_limit(None)).await?;
    let mut waiting = Connection::connect(world.server.address).await.map_err(socket)?;
    let mut next = Connection::connect(world.server.address).await.map_err(socket)?;
    let (mut refused, mut refused_waiting, mut refused_cached) = (0, 0, 0);
    for _ in 0..rounds {
        let key = world.emulator.create_key(KeySpecification::new("revoked"));
        let request = get("/api/me", &key.secret);
        let gate = world.hold();
        let calls = world.emulator.counters().verify_calls;
        waiting.send(&request).await.map_err(socket)?;
        world.emulator.wait_until(|counters| counters.verify_calls > calls).await;
        // Kinde has accepted the key, and the answer is in flight.
        world.emulator.revoke(&key.key_id);
        world.server.keys.remove_key_id(&key.key_id);
        world.emulator.set_fault(Endpoint::Verify, None);
        next.send(&request).await.map_err(socket)?;
        gate.open();
        refused += usize::from(next.read_response(false).await.map_err(socket)?.status == 401);
        refused_waiting += usize::from(waiting.read_response(false).await.map_err(socket)?.status == 401);

        // The same for a cached answer.
        let key = world.emulator.create_key(KeySpecification::new("revoked"));
        let request = get("/api/me", &key.secret);
        next.send(&request).await.map_err(socket)?;
        let first = next.read_response(false).await.map_err(socket)?.status;
        world.emulator.revoke(&key.key_id);
        world.server.keys.remove_key_id(&key.key_id);
        next.send(&request).await.map_err(socket)?;
        let second = next.read_response(false).await.map_err(socket)?.status;
        refused_cached += usize::from((first, second) == (200, 401));
    }
    Ok(vec![Row::new(
        format!("revoked key after a purge by key id, {rounds} rounds over sockets"),
        "refused on the next request, with a slow answer in flight too",
        format!(
            "{refused_cached} refused where it was cached; with a slow answer in flight {refused} refused next, and \
             {refused_waiting} of those that had waited"
        ),
        [refused, refused_waiting, refused_cached] == [rounds; 3],
    )])
}
