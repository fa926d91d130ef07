//! The catchers that word denials, fitted in among those of the user.

use std::collections::BTreeSet;
use std::future::ready;

use apikey_core::DenialCode;
use rocket::catcher::{self, BoxFuture, Catcher, Handler};
use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::http::Status;
use rocket::http::uri::Origin;
use rocket::response::Responder as _;
use rocket::{Build, Request, Rocket};

use crate::memo::denial;
use crate::rejection::Rejection;

/// Registers a catcher for each status of a denial: at the root, and wherever the user has a catch-all, which would
/// otherwise come first. Where the user has a catcher for that very status, a second one would stop the launch.
pub(crate) struct Catchers;

#[rocket::async_trait]
impl Fairing for Catchers {
    fn info(&self) -> Info {
        Info { name: "API key denials", kind: Kind::Ignite | Kind::Singleton }
    }

    async fn on_ignite(&self, mut rocket: Rocket<Build>) -> fairing::Result {
        let theirs: Vec<Catcher> = rocket.catchers().cloned().collect();
        let has_one_for = |code: Option<u16>, base: &Origin<'_>| {
            theirs.iter().any(|catcher| catcher.code == code && is_at(catcher, base))
        };
        let mut otherwise: Vec<Catcher> =
            theirs.iter().filter(|catcher| catcher.code.is_none()).cloned().collect();
        let root = Origin::ROOT;
        if !has_one_for(None, &root) {
            otherwise.push(Catcher::default());
        }
        let statuses: BTreeSet<u16> = DenialCode::ALL.iter().map(|code| code.status()).collect();
        for Catcher { base, handler, .. } in otherwise {
            let ours: Vec<Catcher> = statuses
                .iter()
                .filter(|status| !has_one_for(Some(**status), &base))
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

/// Whether it is registered at this base, as Rocket compares them.
fn is_at(catcher: &Catcher, base: &Origin<'_>) -> bool {
    catcher.base.path().segments().eq(base.path().segments())
}

/// Answers denials, and leaves every other error to the catcher that would have got it.
#[derive(Clone)]
struct DenialOr {
    otherwise: Box<dyn Handler>,
}

impl Handler for DenialOr {
    // Written out as `async_trait` would, to spare the second box around the other catcher's future.
    fn handle<'r, 'life0, 'life1, 'async_trait>(
        &'life0 self,
        status: Status,
        request: &'r Request<'life1>,
    ) -> BoxFuture<'async_trait, catcher::Result<'r>>
    where
        'r: 'async_trait,
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        match denial(request).filter(|denial| denial.status() == status.code) {
            Some(denial) => Box::pin(ready(Rejection::from(denial).respond_to(request))),
            None => self.otherwise.handle(status, request),
        }
    }
}
