//! Which route an observer hears of. The conformance suite has what all adapters share.

use std::sync::{Arc, Mutex};

use apikey_axum::{Authenticator, Event, Observer, Policy};
use axum::Router;
use axum::routing::get;
use tower::{Layer as _, ServiceExt as _};

use crate::world::{Names, request};

/// The route of the latest denial.
#[derive(Default)]
struct Latest(Mutex<Option<String>>);

impl Observer for Latest {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Decided(decision) = event {
            *self.0.lock().unwrap() = decision.route.map(str::to_owned);
        }
    }
}

/// The first page's limits say so.
#[tokio::test]
async fn only_a_layer_around_the_whole_router_tells_no_route() {
    let latest = Arc::<Latest>::default();
    let keys: Authenticator =
        Authenticator::builder(Names::default()).observer(latest.clone()).build().unwrap();
    let require = || keys.require(Policy::any_key());
    let user = || Router::new().route("/users/{id}", get(|| async {}));
    let ask = async |app: Router| {
        assert_eq!(app.oneshot(request("/v1/users/7", None)).await.unwrap().status(), 401);
        latest.0.lock().unwrap().take()
    };
    for app in [
        Router::new().nest("/v1", user().route_layer(require())),
        Router::new().nest("/v1", user().layer(require())),
        Router::new().nest("/v1", user()).layer(require()),
    ] {
        assert_eq!(ask(app).await.as_deref(), Some("/v1/users/{id}"));
    }
    let around = require().layer(Router::new().nest("/v1", user()));
    assert_eq!(around.oneshot(request("/v1/users/7", None)).await.unwrap().status(), 401);
    assert_eq!(*latest.0.lock().unwrap(), None);
}
