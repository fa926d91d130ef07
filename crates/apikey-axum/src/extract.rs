use apikey_core::{OptionalKeyArgument, Policy, TypedPolicy, VerifiedKey};
use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::authenticator::Authenticator;
use crate::memo;
use crate::rejection::Rejection;
use crate::request::Head;

apikey_core::adapter_keys! {
    /// The caller's key: verified and active, with any scopes.
    ///
    /// | request presents | `ApiKey` | `Option<ApiKey>` | [`MaybeApiKey`] |
    /// | --- | --- | --- | --- |
    /// | nothing | 401 `MISSING_KEY` | `None` | anonymous |
    /// | something malformed | 401 or 400 | 401 or 400 | 401 or 400 |
    /// | a key that is not valid or not active | 401 | 401 | 401 |
    /// | a good key | the key | `Some` | the key |
    /// | any key, while Kinde can't answer | 503 | 503 | 503 |
    ///
    /// ```
    /// use apikey_axum::ApiKey;
    ///
    /// async fn me(key: ApiKey) -> String {
    ///     key.key_id().to_owned()
    /// }
    /// ```
    ///
    /// Without an [`Authenticator`] in the router's state it does not compile:
    ///
    /// ```compile_fail
    /// use apikey_axum::ApiKey;
    /// use axum::{Router, routing::get};
    ///
    /// let app: Router = Router::new().route("/me", get(|key: ApiKey| async {})).with_state(());
    /// ```
    ApiKey;

    /// The caller's key, if the request presents one. A request that presents nothing is anonymous. If a request
    /// presents a key, that key must be valid and active: [`ApiKey`] has the table.
    ///
    /// ```
    /// use apikey_axum::MaybeApiKey;
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
    /// | request presents | `Scoped<P>` | `Option<Scoped<P>>` |
    /// | --- | --- | --- |
    /// | nothing | 401 `MISSING_KEY` | `None` |
    /// | a good key without the scopes | 403 `INSUFFICIENT_SCOPE` | 403 `INSUFFICIENT_SCOPE` |
    /// | a good key with the scopes | the key | `Some` |
    /// | anything else | as [`ApiKey`] | as [`ApiKey`] |
    ///
    /// ```
    /// use apikey_axum::{AnyOf, Scoped, scopes};
    ///
    /// scopes! { Admin = "admin"; ReadUsers = "read:users"; WriteUsers = "write:users"; }
    ///
    /// async fn list(key: Scoped<ReadUsers>) {}
    /// async fn create(key: Scoped<(ReadUsers, WriteUsers)>) {}
    /// async fn either(key: Scoped<AnyOf<(Admin, ReadUsers)>>) {}
    /// ```
    Scoped;
}

/// axum's `Option` of these is `None` only if nothing is presented.
impl OptionalKeyArgument for ApiKey {}
impl<P: TypedPolicy> OptionalKeyArgument for Scoped<P> {}

/// Any valid, active key satisfies it.
static ANY_KEY: Policy = Policy::any_key();

async fn required<S, K>(
    parts: &mut Parts,
    state: &S,
    policy: &Policy,
    wrap: fn(VerifiedKey) -> K,
) -> Result<K, Rejection>
where
    Authenticator: FromRef<S>,
{
    let keys = Authenticator::from_ref(state);
    let attempt = memo::begin(parts, &keys);
    let key = keys.gate(policy).decide(attempt, &Head(parts), |key| key).wait().await?;
    memo::correct_attached(parts, Some(&key));
    Ok(wrap(key))
}

async fn optional<S, K>(
    parts: &mut Parts,
    state: &S,
    policy: &Policy,
    wrap: fn(Option<VerifiedKey>) -> K,
) -> Result<K, Rejection>
where
    Authenticator: FromRef<S>,
{
    let keys = Authenticator::from_ref(state);
    let attempt = memo::begin(parts, &keys);
    let key = keys.gate(policy).decide_optional(attempt, &Head(parts), |key| key).wait().await?;
    memo::correct_attached(parts, key.as_ref());
    Ok(wrap(key))
}

impl<S> FromRequestParts<S> for MaybeApiKey
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        optional(parts, state, &ANY_KEY, Self::from).await
    }
}

impl<S> FromRequestParts<S> for ApiKey
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        required(parts, state, &ANY_KEY, Self::from).await
    }
}

impl<S> OptionalFromRequestParts<S> for ApiKey
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        optional(parts, state, &ANY_KEY, |key| key.map(Self::from)).await
    }
}

impl<S, P> FromRequestParts<S> for Scoped<P>
where
    S: Send + Sync,
    P: TypedPolicy,
    Authenticator: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        required(parts, state, P::POLICY, Self::assume_authorized).await
    }
}

impl<S, P> OptionalFromRequestParts<S> for Scoped<P>
where
    S: Send + Sync,
    P: TypedPolicy,
    Authenticator: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        optional(parts, state, P::POLICY, |key| key.map(Self::assume_authorized)).await
    }
}
