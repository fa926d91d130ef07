use std::future::{Ready, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use apikey_core::{Authenticator, Decision, VerifiedKey};

use super::removal::Removal;
use super::service::{Check, Checked};

/// A middleware that takes the credential out of every request, protected or not, and keeps it for the extractors and the
/// middleware of this crate. [`Authenticator::remove_credentials`](crate::Authenticator::remove_credentials) makes it.
///
/// It decides about no request and asks nobody. It changes nothing unless the authenticator was built with
/// [`remove_credential`](crate::AuthenticatorBuilder::remove_credential).
///
/// You need it because an extractor can't change a request: actix shares the request with all extractors of a handler. If
/// `remove_credential` is set and no middleware took the credential out, an extractor answers 500 `INTERNAL_ERROR` to every
/// request, so that the handler does not see the credential. The log then names this middleware.
/// [`RequireKey`](crate::RequireKey) takes the credential out, too. If two authenticators look at the same place, the second
/// finds nothing there.
///
/// Middleware that stands outside must not hold a clone of the request. Otherwise nothing can be taken out of it, and the
/// answer is 500 `INTERNAL_ERROR`. The log says so for each such request. actix reports it only by a panic, which this
/// middleware catches. While no request could be changed at this place, the program prints it for the 1st, 2nd, 4th, 8th
/// and each 16th of these requests, and the others are refused untried. Once one could be changed, the program prints it for
/// each request that is held. A program that is built with `panic = "abort"` ends.
///
/// ```
/// use apikey_actix::{ApiKey, Authenticator, ConfigError, Verifier};
/// use actix_web::{App, HttpRequest, HttpResponse, web};
///
/// fn app(verifier: impl Verifier) -> Result<(), ConfigError> {
///     let keys = Authenticator::builder(verifier).remove_credential(true).build()?;
///     let app = App::new()
///         .app_data(keys.clone())
///         .route("/me", web::get().to(me))
///         .wrap(keys.remove_credentials()); // what you wrap later stands outside, and still sees the credential
///     Ok(())
/// }
///
/// async fn me(key: ApiKey, request: HttpRequest) -> HttpResponse {
///     assert!(!request.headers().contains_key("authorization"));
///     HttpResponse::Ok().body(key.key_id().to_owned())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RemoveCredentials {
    authenticator: Authenticator,
}

impl RemoveCredentials {
    pub(crate) fn new(authenticator: Authenticator) -> Self {
        Self { authenticator }
    }
}

impl Check for RemoveCredentials {
    fn check(&self, request: &mut ServiceRequest, removal: &Removal) -> Decision<Option<VerifiedKey>> {
        Decision::Decided(removal.take(request, &self.authenticator).map(|()| None))
    }
}

impl<S, B> Transform<S, ServiceRequest> for RemoveCredentials
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Transform = Checked<S, Self>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Checked::new(inner, self.clone())))
    }
}
