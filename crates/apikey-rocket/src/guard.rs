use std::marker::PhantomData;
use std::ops::Deref;

use apikey_core::{Policy, TypedPolicy, VerifiedKey};
use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};

use crate::fairing::Attached;
use crate::rejection::Rejection;
use crate::request::Inspection;

/// The caller's key: verified, active, with whatever scopes.
///
/// | request presents | `ApiKey` | [`MaybeApiKey`] | `Option<ApiKey>`, **not what it seems** |
/// | --- | --- | --- | --- |
/// | nothing | 401 `MISSING_KEY` | anonymous | `None` |
/// | something malformed | 401 or 400 | 401 or 400 | **`None`** |
/// | a key that is not valid or not active | 401 | 401 | **`None`** |
/// | a good key | the key | the key | `Some` |
/// | any key, while Kinde can't answer | 503 | 503 | **`None`** |
///
/// **Don't take `Option<ApiKey>`.** Rocket itself makes an option of every guard, and swallows every refusal: who presents
/// a revoked key is anonymous then, and so is everybody during an outage. [`MaybeApiKey`] is the guard for an optional
/// key. `Result<ApiKey<'_>, Rejection>` is safe, for the handler has to look at the refusal.
///
/// ```
/// use apikey_rocket::ApiKey;
/// use rocket::get;
///
/// #[get("/me")]
/// fn me(key: ApiKey<'_>) -> String {
///     key.key_id().to_owned()
/// }
/// ```
///
/// Where [`ApiKeys::fairing`](crate::ApiKeys::fairing) is not attached, a route with it stops the launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKey<'r>(&'r VerifiedKey);

/// The caller's key where one is presented. Nothing presented is anonymous; anything presented must pass in full.
/// [`ApiKey`] has the table.
///
/// ```
/// use apikey_rocket::MaybeApiKey;
/// use rocket::get;
///
/// #[get("/")]
/// fn greet(key: MaybeApiKey<'_>) -> String {
///     match key.key() {
///         Some(key) => format!("Hello, {}", key.key_id()),
///         None => "Hello, whoever you are".to_owned(),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaybeApiKey<'r>(Option<&'r VerifiedKey>);

/// The caller's key, if it carries the scopes that the type names.
///
/// `P` is a scope made by [`scopes!`](crate::scopes), a tuple of such (all of them), or
/// [`AnyOf`](crate::AnyOf) such a tuple.
///
/// | request presents | `Scoped<P>` | `Option<Scoped<P>>`, **not what it seems** |
/// | --- | --- | --- |
/// | nothing | 401 `MISSING_KEY` | `None` |
/// | a good key without the scopes | 403 `INSUFFICIENT_SCOPE` | **`None`** |
/// | a good key with the scopes | the key | `Some` |
/// | anything else | as [`ApiKey`] | **`None`** |
///
/// ```
/// use apikey_rocket::{AnyOf, Scoped, scopes};
/// use rocket::{get, post};
///
/// scopes! { pub Admin = "admin"; pub ReadUsers = "read:users"; pub WriteUsers = "write:users"; }
///
/// #[get("/users")]
/// fn list(key: Scoped<'_, ReadUsers>) {}
///
/// #[post("/users")]
/// fn create(key: Scoped<'_, (ReadUsers, WriteUsers)>) {}
///
/// #[get("/report")]
/// fn either(key: Scoped<'_, AnyOf<(Admin, ReadUsers)>>) {}
/// ```
#[derive(Debug)]
pub struct Scoped<'r, P> {
    key: &'r VerifiedKey,
    policy: PhantomData<fn() -> P>,
}

impl ApiKey<'_> {
    /// The key by itself, to be kept beyond the request.
    #[must_use]
    pub fn into_key(self) -> VerifiedKey {
        self.0.clone()
    }
}

impl<'r> MaybeApiKey<'r> {
    /// The key, where one was presented.
    #[must_use]
    pub fn key(&self) -> Option<&'r VerifiedKey> {
        self.0
    }

    /// The key by itself, to be kept beyond the request.
    #[must_use]
    pub fn into_key(self) -> Option<VerifiedKey> {
        self.0.cloned()
    }
}

impl<P> Scoped<'_, P> {
    /// The key by itself, to be kept beyond the request.
    #[must_use]
    pub fn into_key(self) -> VerifiedKey {
        self.key.clone()
    }
}

impl Deref for ApiKey<'_> {
    type Target = VerifiedKey;

    fn deref(&self) -> &VerifiedKey {
        self.0
    }
}

impl<P> Deref for Scoped<'_, P> {
    type Target = VerifiedKey;

    fn deref(&self) -> &VerifiedKey {
        self.key
    }
}

static ANY_KEY: Policy = Policy::any_key();

async fn required<'r>(request: &'r Request<'_>, policy: &Policy) -> Result<&'r VerifiedKey, Rejection> {
    let inspection = Inspection::begin(request)?;
    inspection.required(inspection.decision(policy).await, policy)
}

async fn optional<'r>(request: &'r Request<'_>) -> Result<Option<&'r VerifiedKey>, Rejection> {
    let inspection = Inspection::begin(request)?;
    inspection.optional(inspection.decision(&ANY_KEY).await, &ANY_KEY)
}

fn outcome<T>(result: Result<T, Rejection>) -> Outcome<T, Rejection> {
    result.map_or_else(Rejection::into_outcome, Outcome::Success)
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for ApiKey<'r> {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        outcome(required(request, &ANY_KEY).await.map(Self))
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for MaybeApiKey<'r> {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        outcome(optional(request).await.map(Self))
    }
}

#[rocket::async_trait]
impl<'r, P: TypedPolicy> FromRequest<'r> for Scoped<'r, P> {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        let key = required(request, P::POLICY).await;
        outcome(key.map(|key| Self { key, policy: PhantomData }))
    }
}

/// Guards without their authenticator stop the launch.
fn is_unwired(rocket: &Rocket<Ignite>) -> bool {
    rocket.state::<Attached>().is_none()
}

impl Sentinel for ApiKey<'_> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        is_unwired(rocket)
    }
}

impl Sentinel for MaybeApiKey<'_> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        is_unwired(rocket)
    }
}

impl<P> Sentinel for Scoped<'_, P> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        is_unwired(rocket)
    }
}
