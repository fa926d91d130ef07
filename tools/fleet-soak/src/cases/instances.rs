//! Faults of the instances, and of Kinde.

use super::{Allowed, Case, LOST, STOPPED};
use crate::world::{Setup, World, new_secret, wait};

pub(super) const CASES: &[Case] = &[
    Case::fault("an instance stopped for 30 s", |world, is_quick| {
        Box::pin(async move {
            world.instances[1].lock().await.pause()?;
            wait(if is_quick { 6.0 } else { 30.0 }).await;
            world.instances[1].lock().await.resume()
        })
    })
    .allow(STOPPED)
    .quick(),
    Case::fault("every instance stopped for 1.2 s in turn", |world, _| {
        Box::pin(async {
            for instance in &world.instances {
                instance.lock().await.pause()?;
                wait(1.2).await;
                instance.lock().await.resume()?;
                wait(0.5).await;
            }
            Ok(())
        })
    })
    .allow(STOPPED),
    Case::fault("every instance crashes and starts in turn", |world, _| {
        Box::pin(async {
            for instance in world.instances.clone() {
                instance.lock().await.crash_and_start(&[]).await?;
                wait(1.0).await;
            }
            Ok(())
        })
    })
    .allow(LOST)
    .quick(),
    Case::fault("cut off, and Kinde is away for 9 s", |world, _| Box::pin(without_kinde(world, 9.0)))
        .allow(Allowed { unavailable: true, ..LOST })
        .quick(),
    Case::fault("cut off, with the default bounds, for 75 s", |world, is_quick| {
        Box::pin(async move {
            world.networks(|network| network.holds_requests = true);
            wait(if is_quick { 16.0 } else { 18.0 }).await;
            if !is_quick {
                world.kinde_answers(false);
                wait(57.0).await;
                world.kinde_answers(true);
                // Kinde's circuit breaker must close.
                wait(4.0).await;
            }
            world.heal_networks();
            Ok(())
        })
    })
    .with(with_defaults)
    .allow(Allowed { unavailable: true, ..LOST }),
    Case::fault("a new secret, in three rolling deployments", |world, _| Box::pin(rolling(world)))
        .with(|| Setup { secrets: OLD.to_owned(), ..Setup::default() })
        .allow(LOST),
];

/// A secret of the tests, which is replaced.
const OLD: &str = "7d0b1f3a8c5e4692b1d7f0384e6c5a9213fb8d60c7e2a4957b1c0d3e6f8a9254";

fn with_defaults() -> Setup {
    let mut setup = Setup::default();
    let settings = &mut setup.settings;
    (settings.time_to_live_ms, settings.unconfirmed_ms, settings.verification_ms) = (300_000, 60_000, 3_000);
    setup
}

async fn without_kinde(world: &mut World, seconds: f64) -> Result<(), String> {
    world.kinde_answers(false);
    world.networks(|network| network.holds_requests = true);
    wait(seconds).await;
    world.kinde_answers(true);
    // Kinde's circuit breaker must close.
    wait(4.0).await;
    world.heal_networks();
    Ok(())
}

async fn rolling(world: &mut World) -> Result<(), String> {
    let new = new_secret();
    for secrets in [format!("{OLD},{new}"), format!("{new},{OLD}"), new.clone()] {
        for instance in world.instances.clone() {
            let secrets = [("APIKEY_SHARED_SECRET", secrets.clone())];
            instance.lock().await.crash_and_start(&secrets).await?;
            wait(0.5).await;
        }
        wait(1.5).await;
    }
    Ok(())
}
