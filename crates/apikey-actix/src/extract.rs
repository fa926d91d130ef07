use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use apikey_core::{Attempt, Decision, Policy, TypedPolicy};

use crate::authenticator::{Authenticator, registered};
use crate::memo;
use crate::rejection::UnseenRejection;
use crate::request::Head;

apikey_core::adapter_keys! {
    /// The caller's key: verified and active, with any scopes.
    ///
    /// | request presents | `ApiKey` | [`MaybeApiKey`] | `Option<ApiKey>`, **don't** |
    /// | --- | --- | --- | --- |
    /// | nothing | 401 `MISSING_KEY` | anonymous | `None` |
    /// | something malformed | 401 or 400 | 401 or 400 | `None`: let in as anonymous |
    /// | a key that is not valid or not active | 401 | 401 | `None`: let in as anonymous |
    /// | a good key | the key | the key | `Some` |
    /// | any key, while Kinde can't answer | 503 | 503 | `None`: let in as anonymous |
    ///
    /// ```
    /// use apikey_actix::ApiKey;
    ///
    /// async fn me(key: ApiKey) -> String {
    ///     key.key_id().to_owned()
    /// }
    /// ```
    ///
    /// **Never take `Option<ApiKey>`.** actix implements it for every extractor, so this crate can't keep it from
    /// compiling, and actix turns every refusal into `None`. Take [`MaybeApiKey`] instead. When `Option<ApiKey>` first
    /// swallows the refusal of a presented key, the log says so ([`UnseenRejection`]).
    ///
    /// If there is no [`Authenticator`](crate::Authenticator) in the app data, every request gets 500 `INTERNAL_ERROR`, and
    /// the log says what to add.
    ApiKey;

    /// The caller's key, if the request presents one. A request that presents nothing is anonymous. If a request
    /// presents a key, that key must be valid and active: [`ApiKey`] has the table.
    ///
    /// ```
    /// use apikey_actix::MaybeApiKey;
    ///
    /// async fn greet(key: MaybeApiKey) -> String {
    ///     match key.key() {
    ///         Some(key) => format!("Hello, {}", key.key_id()),
    ///         None => "Hello, whoever you are".to_owned(),
    ///     }
    /// }
    /// ```
    MaybeApiKey;

    /// The caller's key, if it carries the scopes that the type names.
    ///
    /// `P` is a scope that [`scopes!`](crate::scopes) makes, a tuple of scopes (the key needs all of them), or
    /// [`AnyOf`](crate::AnyOf) around such a tuple (the key needs one of them).
    ///
    /// | request presents | `Scoped<P>` | `Option<Scoped<P>>`, **don't** |
    /// | --- | --- | --- |
    /// | nothing | 401 `MISSING_KEY` | `None` |
    /// | a good key without the scopes | 403 `INSUFFICIENT_SCOPE` | `None` |
    /// | a good key with the scopes | the key | `Some` |
    /// | anything else | as [`ApiKey`] | `None`: let in as anonymous |
    ///
    /// If the scope is optional on a route, take [`ApiKey`] or [`MaybeApiKey`] and ask the key:
    /// `key.has_scope("read:users")`.
    ///
    /// ```
    /// use apikey_actix::{AnyOf, Scoped, scopes};
    ///
    /// scopes! { Admin = "admin"; ReadUsers = "read:users"; WriteUsers = "write:users"; }
    ///
    /// async fn list(key: Scoped<ReadUsers>) {}
    /// async fn create(key: Scoped<(ReadUsers, WriteUsers)>) {}
    /// async fn either(key: Scoped<AnyOf<(Admin, ReadUsers)>>) {}
    /// ```
    Scoped;
}

/// The result of an extractor.
type Outcome<K> = Result<K, UnseenRejection>;

/// The future of the extractors. It allocates a box only if it has to wait, or if the request is refused.
pub enum ExtractFuture<K> {
    Decided(Ready<Outcome<K>>),
    Other(Pin<Box<dyn Future<Output = Outcome<K>>>>),
}

impl<K> Future for ExtractFuture<K> {
    type Output = Outcome<K>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Decided(outcome) => Pin::new(outcome).poll(context),
            Self::Other(outcome) => outcome.as_mut().poll(context),
        }
    }
}

/// Begins the attempt at once, and not when the future is polled, because actix polls the extractors of a handler
/// concurrently, and they share one attempt.
fn begin<K: 'static>(
    request: &HttpRequest,
    decide: impl FnOnce(&Authenticator, Attempt) -> Decision<K>,
) -> ExtractFuture<K> {
    let decision = match registered(request) {
        Ok(keys) => decide(keys, memo::begin(request, keys)),
        Err(unwired) => Decision::Decided(Err(unwired)),
    };
    match decision {
        Decision::Decided(Ok(key)) => ExtractFuture::Decided(ready(Ok(key))),
        other => ExtractFuture::Other(Box::pin(async { other.wait().await.map_err(UnseenRejection::new) })),
    }
}

impl FromRequest for ApiKey {
    type Error = UnseenRejection;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        begin(request, |keys, attempt| {
            keys.gate(&Policy::any_key()).decide(attempt, &Head(request), Self::from)
        })
    }
}

impl FromRequest for MaybeApiKey {
    type Error = UnseenRejection;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        begin(request, |keys, attempt| {
            keys.gate(&Policy::any_key()).decide_optional(attempt, &Head(request), Self::from)
        })
    }
}

impl<P: TypedPolicy> FromRequest for Scoped<P> {
    type Error = UnseenRejection;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        begin(request, |keys, attempt| {
            keys.gate(P::POLICY).decide(attempt, &Head(request), Self::assume_authorized)
        })
    }
}
