use std::future::{Ready, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use apikey_core::{Authenticator, Decision, VerifiedKey};

use super::service::{Check, Checked};
use crate::memo;

/// A middleware that takes the credential out of every request, protected or not, and keeps it aside for this crate's
/// extractors and middleware; made by [`Authenticator::remove_credentials`](crate::Authenticator::remove_credentials).
///
/// It decides about no request and asks nobody. Unless the authenticator was built with
/// [`remove_credential`](crate::AuthenticatorBuilder::remove_credential), it changes nothing.
///
/// actix shares a request with all extractors of a handler, so an extractor can't change it. With `remove_credential` set,
/// an extractor that no middleware has worked for answers 500 `INTERNAL_ERROR` to every request, and the log names this
/// middleware, rather than to let the handler see the credential. [`RequireKey`](crate::RequireKey) removes it, too. Of two
/// authenticators that look at the same place, the second finds nothing there any more.
///
/// Middleware that stands outside must not hold a clone of the request: nothing can be taken out of it then, and the answer
/// is a 500 `INTERNAL_ERROR`. actix tells of it only by a panic, which is caught here; in a program that is built with
/// `panic = "abort"` it ends the process.
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
///         .wrap(keys.remove_credentials()); // what is wrapped later stands outside of it, and still sees the credential
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
    fn check(&self, request: &mut ServiceRequest) -> Decision<Option<VerifiedKey>> {
        Decision::Decided(memo::take(request, &self.authenticator).map(|()| None))
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
