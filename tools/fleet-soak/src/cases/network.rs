//! Faults of the network between the instances and the store.

use std::time::Duration;

use super::Case;
use crate::world::wait;

pub(super) const CASES: &[Case] = &[
    Case::fault("latency of 20 to 50 ms each way", |world, _| {
        Box::pin(async {
            world.networks(|network| {
                (network.latency, network.jitter) = (Duration::from_millis(20), Duration::from_millis(30));
            });
            wait(6.0).await;
            world.heal_networks();
            Ok(())
        })
    })
    .quick(),
    Case::fault("latency of 150 ms each way", |world, _| {
        Box::pin(async {
            world.networks(|network| network.latency = Duration::from_millis(150));
            world.until_cut_off(&[0, 1, 2]).await?;
            wait(7.0).await;
            world.heal_networks();
            Ok(())
        })
    }),
    Case::fault("black hole towards the store, one instance", |world, _| {
        Box::pin(async {
            world.proxies[0].set(|network| network.holds_requests = true);
            world.until_cut_off(&[0]).await?;
            wait(7.0).await;
            world.heal_networks();
            Ok(())
        })
    })
    .quick(),
    Case::fault("black hole from the store, one instance", |world, _| {
        Box::pin(async {
            world.proxies[1].set(|network| network.holds_replies = true);
            world.until_cut_off(&[1]).await?;
            wait(7.0).await;
            world.heal_networks();
            Ok(())
        })
    })
    .quick(),
    Case::fault("black hole both ways, all instances", |world, _| {
        Box::pin(async {
            world.networks(|network| (network.holds_requests, network.holds_replies) = (true, true));
            world.until_cut_off(&[0, 1, 2]).await?;
            wait(7.0).await;
            world.heal_networks();
            Ok(())
        })
    }),
    Case::fault("connections reset, again and again", |world, _| {
        Box::pin(async {
            for turn in 0..20 {
                world.proxies[turn % 3].reset();
                wait(0.3).await;
            }
            Ok(())
        })
    }),
    Case::fault("connections cut inside a reply", |world, _| {
        Box::pin(async {
            world.networks(|network| network.cuts_one_in = 20);
            wait(6.0).await;
            world.heal_networks();
            Ok(())
        })
    }),
    Case::fault("half-open connections", |world, _| {
        Box::pin(async {
            for _ in 0..3 {
                world.proxies.iter().for_each(crate::proxy::Proxy::vanish);
                wait(2.0).await;
            }
            Ok(())
        })
    }),
];
