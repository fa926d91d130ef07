use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use apikey_core::{Denial, Policy};

use crate::middleware::{RemoveCredentials, RequireKey};
use crate::rejection::Rejection;
use crate::request::Head;

apikey_core::adapter_authenticator! {
    /// The value that every extractor and middleware asks. Build it once, and hand it to every worker's `App` with
    /// `.app_data(keys.clone())`. A handler that needs it takes it as an argument, `keys: Authenticator`.
    ///
    /// Extractors also find it in a [`web::Data`], if you register it as `.app_data(web::Data::new(keys.clone()))`. Only
    /// then may a handler take `keys: web::Data<Authenticator>`.
    ///
    /// It adds [`require`](Self::require) and [`remove_credentials`](Self::remove_credentials) to the core's
    /// [`apikey_core::Authenticator`], to which it dereferences. Clones are cheap and share everything. So build it
    /// *outside* of the closure that `HttpServer::new` calls for each worker: otherwise each worker has a cache of its
    /// own.
    ///
    /// ```no_run
    /// use apikey_actix::Authenticator;
    ///
    /// let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
    /// # Ok::<(), apikey_actix::ConfigError>(())
    /// ```
    Authenticator;
}

impl Authenticator {
    /// A middleware that lets a request pass only if its key satisfies the policy.
    pub fn require(&self, policy: impl Into<Policy>) -> RequireKey {
        RequireKey::new(self.0.clone(), policy.into())
    }

    /// A middleware that takes the credential out of every request, and verifies nothing.
    ///
    /// You need it if [`remove_credential`](crate::AuthenticatorBuilder::remove_credential) is set and a route has an
    /// extractor, but no [`require`](Self::require) in front of it: see [`RemoveCredentials`].
    #[must_use]
    pub fn remove_credentials(&self) -> RemoveCredentials {
        RemoveCredentials::new(self.0.clone())
    }
}

/// The authenticator that the app registered nearest to the handler.
///
/// # Errors
/// [`Denial`], if there is none, or if it is not clear which one is meant.
pub(crate) fn registered(request: &HttpRequest) -> Result<&Authenticator, Denial> {
    let plain = request.app_data::<Authenticator>();
    let wrapped = request.app_data::<web::Data<Authenticator>>().map(|keys| &***keys);
    let mistake = match (plain, wrapped) {
        // actix does not tell which of the two is nearer.
        (Some(plain), Some(wrapped)) if !plain.is_same_as(wrapped) => {
            "there are two authenticators in the app data, and one of them is wrapped in web::Data: register both in the \
             same way, such as .app_data(keys.clone())"
        }
        (Some(keys), _) | (None, Some(keys)) => return Ok(keys),
        (None, None) => {
            "a handler needs an authenticator and found none: add .app_data(keys.clone()) to the App"
        }
    };
    Err(Denial::wiring_mistake(mistake).answering(&Head(request)))
}

/// A clone of the authenticator that the extractors of the same handler ask.
impl FromRequest for Authenticator {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(registered(request).cloned().map_err(Rejection::from))
    }
}
