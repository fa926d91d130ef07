use apikey_core::{Authenticator, Policy};
use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::{Build, Rocket, Route};

use crate::catchers::Catchers;
use crate::memo::Attached;
use crate::require::Require;

/// The one thing to attach: it gives the guards their [`Authenticator`], and registers the catchers that answer
/// denials.
///
/// ```
/// use apikey_rocket::{ApiKey, ApiKeys, Authenticator};
/// use rocket::{Build, Rocket, get, routes};
///
/// #[get("/me")]
/// fn me(key: ApiKey) -> String {
///     key.key_id().to_owned()
/// }
///
/// fn rocket(keys: Authenticator) -> Rocket<Build> {
///     rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me])
/// }
/// ```
///
/// If several are attached, the last one counts, as with Rocket's own [`Shield`](rocket::shield::Shield). To purge keys
/// from a handler, keep a clone of the authenticator in a state of your own: `.manage(keys.clone())`.
///
/// # When the launch is refused
///
/// - A route has one of the guards, and the fairing is not attached. Rocket names the guard and the line.
/// - The authenticator has [`remove_credential`](crate::AuthenticatorBuilder::remove_credential) set, or
///   [`web_socket_protocol`](crate::CredentialSource::web_socket_protocol), which implies it. Rocket offers no way to
///   take a header out of a request, so the setting could not do what it says.
///
/// # Who answers a denial
///
/// In Rocket a guard that refuses names a status, and a catcher makes the answer. The fairing's catchers answer every
/// denial, also below the base of a catch-all (`#[catch(default)]`) of yours: a page for any error would lose the code and the
/// headers that clients need. An error of the same status that is no denial goes to your catch-all. If you have none, the
/// answer looks like Rocket's own.
///
/// If you register a catcher for exactly that status, yours answers instead, as everywhere in Rocket.
/// [`denial`](crate::denial()) tells it the reason, and shows how it passes denials on. To word the bodies of denials, register
/// no catcher: set [`denial_renderer`](crate::AuthenticatorBuilder::denial_renderer).
///
/// A [`Rejection`](crate::Rejection) that a handler returns is a response like any other. No catcher is asked.
#[derive(Debug, Clone)]
#[must_use = "a fairing does nothing until it is attached"]
pub struct ApiKeys(Authenticator);

impl ApiKeys {
    /// The fairing over this authenticator.
    pub fn fairing(authenticator: Authenticator) -> Self {
        Self(authenticator)
    }

    /// Returns these routes with a check in front: a request reaches them only if its key satisfies the policy. The
    /// attached authenticator decides.
    ///
    /// ```
    /// use apikey_rocket::{ApiKeys, Authenticator, Policy};
    /// use rocket::{Build, Rocket, get, routes};
    ///
    /// #[get("/report")]
    /// fn report() -> &'static str {
    ///     "for administrators"
    /// }
    ///
    /// fn rocket(keys: Authenticator) -> Rocket<Build> {
    ///     rocket::build()
    ///         .attach(ApiKeys::fairing(keys))
    ///         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![report]))
    /// }
    /// ```
    pub fn require(policy: impl Into<Policy>, routes: impl Into<Vec<Route>>) -> Require {
        Require::new(policy.into(), routes.into())
    }
}

#[rocket::async_trait]
impl Fairing for ApiKeys {
    fn info(&self) -> Info {
        // If a fairing fails, Rocket reports nothing but its name.
        let name = if self.0.removes_credential() {
            "API keys: remove_credential and web_socket_protocol() must be off, because Rocket can't take a header out \
             of a request"
        } else {
            "API keys"
        };
        Info { name, kind: Kind::Ignite | Kind::Singleton }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> fairing::Result {
        if self.0.removes_credential() {
            return Err(rocket);
        }
        // The catchers are attached only now, so they come after every fairing that may still register some of the user's.
        Ok(rocket.manage(Attached(self.0.clone())).attach(Catchers))
    }
}
