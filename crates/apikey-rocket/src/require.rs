//! Groups of routes by policy. They do what a layer does in other frameworks.

use std::sync::Arc;

use apikey_core::{Authenticator, Decision, Policy, is_preflight};
use rocket::http::Status;
use rocket::route::{BoxFuture, Handler, Outcome};
use rocket::{Data, Request, Route};

use crate::memo;
use crate::request::Head;
use crate::uploads::refuse;

/// Routes that a request reaches only if its key satisfies a policy. [`ApiKeys::require`](crate::ApiKeys::require)
/// makes them. Mount them like any list of routes.
///
/// Every other request is refused before the route's own guards run, with the answer that a guard would give. Rocket
/// tries no other route. The guards in the handlers use this verification, so each key is verified once.
///
/// An unknown path stays a 404 without a call to Kinde. A catch-all route outside of this list answers everybody: to protect it,
/// put it into the list.
///
/// A group, unlike a guard, reads the rest of an upload that it refuses
/// ([`refused_uploads`](crate::AuthenticatorBuilder::refused_uploads)), so that a client that sends its whole body first gets the
/// answer.
///
/// If a route among these forwards, Rocket may pass the request on to routes outside of this list.
///
/// If the fairing is not attached, these routes answer 500, and the log says what to do. A guard in a handler's signature
/// stops the launch instead.
#[derive(Debug, Clone)]
#[must_use = "routes do nothing until they are mounted"]
pub struct Require {
    policy: Arc<Policy>,
    routes: Vec<Route>,
    passes_preflight: bool,
    authenticator: Option<Authenticator>,
}

impl Require {
    pub(crate) fn new(policy: Policy, routes: Vec<Route>) -> Self {
        Self { policy: Arc::new(policy), routes, passes_preflight: false, authenticator: None }
    }

    /// Lets this authenticator, and not the attached one, decide about these routes and about the guards in their
    /// handlers. Use it for options of some routes ([`RouteOptions`](crate::RouteOptions)), or for another Kinde
    /// business.
    ///
    /// ```
    /// use apikey_rocket::{ApiKeys, Authenticator, ConfigError, CredentialSource, Policy};
    /// use rocket::{Build, Rocket, get, routes};
    ///
    /// #[get("/orders")]
    /// fn orders() -> &'static str {
    ///     "for partners"
    /// }
    ///
    /// fn rocket(keys: Authenticator) -> Result<Rocket<Build>, ConfigError> {
    ///     let sources = [CredentialSource::header("X-Partner-Key")];
    ///     let partners = keys.with_options().realm("partners").credential_sources(sources).build()?;
    ///     let orders = ApiKeys::require(Policy::any_key(), routes![orders]).authenticator(partners);
    ///     Ok(rocket::build().attach(ApiKeys::fairing(keys)).mount("/partners", orders))
    /// }
    /// ```
    pub fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.authenticator = Some(authenticator);
        self
    }

    /// Lets CORS pre-flights pass without a key: `OPTIONS` with `Origin` and `Access-Control-Request-Method`, which
    /// browsers send without credentials. Default: off. You need it only if this group has `OPTIONS` routes. It is
    /// better to put them outside of the group.
    ///
    /// A pre-flight that passes runs the group's `OPTIONS` handler without a key, and anybody can send one. So that handler
    /// must do nothing that needs a key, or take an [`ApiKey`](crate::ApiKey) itself. No other handler is reached.
    pub fn pass_preflight(mut self) -> Self {
        self.passes_preflight = true;
        self
    }
}

impl From<Require> for Vec<Route> {
    fn from(Require { policy, mut routes, passes_preflight, authenticator }: Require) -> Self {
        for route in &mut routes {
            let handler = route.handler.clone();
            route.handler = Box::new(Guarded {
                handler,
                policy: Arc::clone(&policy),
                passes_preflight,
                authenticator: authenticator.clone(),
            });
        }
        routes
    }
}

/// The handler of one route, with the check in front of it.
#[derive(Clone)]
struct Guarded {
    handler: Box<dyn Handler>,
    policy: Arc<Policy>,
    passes_preflight: bool,
    authenticator: Option<Authenticator>,
}

impl Handler for Guarded {
    // Written out as `async_trait` would, so that a decision without waiting adds no box around the handler's future.
    fn handle<'r, 'life0, 'life1, 'async_trait>(
        &'life0 self,
        request: &'r Request<'life1>,
        data: Data<'r>,
    ) -> BoxFuture<'async_trait, Outcome<'r>>
    where
        'r: 'async_trait,
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        if let Some(keys) = &self.authenticator {
            memo::enter_group(request, keys);
        }
        if self.passes_preflight && is_preflight(request.method().as_str(), &Head(request)) {
            return self.handler.handle(request, data);
        }
        match memo::decide(request, |keys, attempt| {
            keys.gate(&self.policy).decide(attempt, &Head(request), |key| key)
        }) {
            Decision::Decided(decision) => match memo::note(request, decision) {
                Ok(_) => self.handler.handle(request, data),
                // Not a forward, because then the next matching route could answer.
                Err(denial) => Box::pin(refuse(request, data, Status::new(denial.status()))),
            },
            Decision::Pending(decision) => Box::pin(async move {
                match memo::note(request, decision.await) {
                    Ok(_) => self.handler.handle(request, data).await,
                    Err(denial) => refuse(request, data, Status::new(denial.status())).await,
                }
            }),
        }
    }
}
