//! The catchers that answer denials, beside the user's own catchers.

use std::collections::BTreeSet;

use apikey_core::DenialCode;
use rocket::catcher::{self, Catcher, Handler};
use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::http::Status;
use rocket::http::uri::Origin;
use rocket::response::Responder as _;
use rocket::{Build, Request, Rocket};

use crate::memo::denial;
use crate::rejection::Rejection;

/// Registers a catcher for each status of a denial: at the root, and beside each catch-all of the user, because
/// otherwise that catch-all would answer first. It registers none beside the user's own catcher for that status,
/// because a second one would stop the launch.
pub(crate) struct Catchers;

#[rocket::async_trait]
impl Fairing for Catchers {
    fn info(&self) -> Info {
        Info { name: "API key denials", kind: Kind::Ignite | Kind::Singleton }
    }

    async fn on_ignite(&self, mut rocket: Rocket<Build>) -> fairing::Result {
        let theirs: Vec<Catcher> = rocket.catchers().cloned().collect();
        let is_taken = |code: Option<u16>, base: &Origin<'_>| {
            theirs.iter().any(|catcher| catcher.code == code && is_at(catcher, base))
        };
        let root = Some(Catcher::default()).filter(|root| !is_taken(None, &root.base));
        let catch_alls = theirs.iter().filter(|catcher| catcher.code.is_none()).cloned().chain(root);
        let statuses: BTreeSet<u16> = DenialCode::ALL.iter().map(|code| code.status()).collect();
        for Catcher { base, handler, .. } in catch_alls {
            let free = statuses.iter().filter(|status| !is_taken(Some(**status), &base));
            let ours: Vec<Catcher> = free
                .map(|status| {
                    let mut catcher = Catcher::new(*status, DenialOr { otherwise: handler.clone() });
                    catcher.name = Some("API key denials".into());
                    catcher
                })
                .collect();
            rocket = rocket.register(base, ours);
        }
        Ok(rocket)
    }
}

/// Whether this catcher is registered at this base, by the rule by which Rocket compares bases.
fn is_at(catcher: &Catcher, base: &Origin<'_>) -> bool {
    catcher.base.path().segments().eq(base.path().segments())
}

/// The catcher that Rocket asks: of those for this status and this path, one with the longest base, and rather one for exactly
/// this status than a catch-all.
pub(crate) fn catcher_for<'r>(status: Status, request: &'r Request<'_>) -> Option<&'r Catcher> {
    let path = request.uri().path();
    let depth = |catcher: &Catcher| catcher.base.path().segments().len();
    let catchers = request.rocket().catchers().filter(|catcher| {
        catcher.code.is_none_or(|code| code == status.code)
            && catcher.base.path().segments().prefix_of(path.segments())
    });
    catchers.max_by_key(|catcher| (depth(catcher), catcher.code.is_some()))
}

/// Answers denials, and leaves every other error to the catcher that would have got it.
#[derive(Clone)]
struct DenialOr {
    otherwise: Box<dyn Handler>,
}

#[rocket::async_trait]
impl Handler for DenialOr {
    async fn handle<'r>(&self, status: Status, request: &'r Request<'_>) -> catcher::Result<'r> {
        match denial(request).filter(|denial| denial.status() == status.code) {
            Some(denial) => Rejection::from(denial).respond_to(request),
            None => self.otherwise.handle(status, request).await,
        }
    }
}
