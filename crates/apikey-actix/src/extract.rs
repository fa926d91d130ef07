use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use apikey_core::{Policy, TypedPolicy};

use crate::future::ExtractFuture;
use crate::rejection::UnseenRejection;

apikey_core::adapter_keys! {
    /// The caller's key: verified, active, with whatever scopes.
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
    /// **Never take `Option<ApiKey>`.** actix implements it for every extractor, so it can't be kept from compiling, and it
    /// takes every refusal for `None`. [`MaybeApiKey`] is the optional key. The first time that `Option<ApiKey>` swallows the
    /// refusal of a presented key, the log says so ([`UnseenRejection`]).
    ///
    /// Without an [`Authenticator`](crate::Authenticator) in the app data every request is answered with 500
    /// `INTERNAL_ERROR`, and the log says what to add.
    ApiKey;

    /// The caller's key where one is presented. Nothing presented is anonymous; anything presented must pass in full.
    /// [`ApiKey`] has the table.
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
    /// `P` is a scope made by [`scopes!`](crate::scopes), a tuple of such (all of them), or
    /// [`AnyOf`](crate::AnyOf) such a tuple.
    ///
    /// | request presents | `Scoped<P>` | `Option<Scoped<P>>`, **don't** |
    /// | --- | --- | --- |
    /// | nothing | 401 `MISSING_KEY` | `None` |
    /// | a good key without the scopes | 403 `INSUFFICIENT_SCOPE` | `None` |
    /// | a good key with the scopes | the key | `Some` |
    /// | anything else | as [`ApiKey`] | `None`: let in as anonymous |
    ///
    /// For a route where the scope is optional, take [`ApiKey`] or [`MaybeApiKey`] and ask the key:
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

impl FromRequest for ApiKey {
    type Error = UnseenRejection;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ExtractFuture::begin(request, &Policy::any_key(), |key, authenticator| {
            key.map(Self).ok_or_else(|| authenticator.missing_key())
        })
    }
}

impl FromRequest for MaybeApiKey {
    type Error = UnseenRejection;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ExtractFuture::begin(request, &Policy::any_key(), |key, _| Ok(Self(key)))
    }
}

impl<P: TypedPolicy> FromRequest for Scoped<P> {
    type Error = UnseenRejection;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ExtractFuture::begin(request, P::POLICY, |key, authenticator| {
            let key = key.ok_or_else(|| authenticator.missing_key())?;
            authenticator.authorize(&key, P::POLICY)?;
            Ok(Self::new(key))
        })
    }
}
