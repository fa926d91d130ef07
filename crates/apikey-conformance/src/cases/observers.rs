//! What an observer hears of a request.

use std::sync::{Arc, Mutex};

use apikey_core::{DenialCode, Event, Observer, Policy};

use crate::{
    adapter::Subject,
    client::{address_of, get},
    expected::*,
    world::World,
};

/// What was told of one denial.
#[derive(Debug, PartialEq)]
struct Told {
    code: Option<DenialCode>,
    key_id: Option<String>,
    policy: Option<Policy>,
    route: Option<String>,
    client: Option<String>,
}

/// Keeps what it hears of denials.
#[derive(Default)]
struct Denials(Mutex<Vec<Told>>);

impl Observer for Denials {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Decided(decision) = event {
            self.0.lock().expect("nobody panics with it").push(Told {
                code: decision.code,
                key_id: decision.key.map(|key| key.key_id().to_owned()),
                policy: decision.policy.cloned(),
                route: decision.route.map(str::to_owned),
                client: decision.client.map(str::to_owned),
            });
        }
    }
}

impl Denials {
    /// The only denial since the last look.
    fn take(&self) -> Told {
        let mut told = std::mem::take(&mut *self.0.lock().expect("nobody panics with it"));
        assert_eq!(told.len(), 1, "one request is denied once: {told:?}");
        told.remove(0)
    }
}

async fn observed(subject: Subject) -> (World, Arc<Denials>) {
    let denials = Arc::<Denials>::default();
    let observer = Arc::clone(&denials);
    (World::with(subject, |builder| builder.observer(observer)).await, denials)
}

pub async fn a_denial_is_told_with_route_policy_and_client(subject: Subject) {
    let (world, denials) = observed(subject).await;
    let route = |route: &str| (!world.differences.tells_no_route).then(|| route.to_owned());
    let told = |code, key_id: Option<&str>, policy, path| Told {
        code: Some(code),
        key_id: key_id.map(str::to_owned),
        policy: Some(policy),
        route: route(path),
        client: Some(address_of(1).to_string()),
    };

    // One is denied at once, one after a verification, and one for what its key lacks. Then its key is cached.
    world.send(get("/me")).await.is_denied(&missing_key());
    assert_eq!(denials.take(), told(DenialCode::MissingKey, None, Policy::any_key(), "/me"));
    let for_organizations = |code, key_id| told(code, key_id, Policy::organization_key(), "/organization");
    world.send(get("/organization").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
    assert_eq!(denials.take(), for_organizations(DenialCode::InvalidKey, None));
    for _ in 0..2 {
        world.ask("/organization", &world.reader).await.is_denied(&organization_key_required());
        let denied = for_organizations(DenialCode::OrganizationKeyRequired, Some(&*world.reader.id));
        assert_eq!(denials.take(), denied);
    }
}

pub async fn a_route_is_told_as_its_template(subject: Subject) {
    let (world, denials) = observed(subject).await;
    world.send(get("/items/mine?page=2")).await.is_denied(&missing_key());
    let route = denials.take().route;
    if world.differences.tells_no_route {
        assert_eq!(route, None);
    } else {
        let route = route.expect("the framework tells the route");
        assert!(route.starts_with("/items/") && !route.contains("mine") && !route.contains('?'), "{route}");
    }
}
