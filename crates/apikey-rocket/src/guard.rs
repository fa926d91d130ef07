use apikey_core::{Attempt, Authenticator, Decision, Policy, TypedPolicy, VerifiedKey};
use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};

use crate::memo::{self, Attached};
use crate::rejection::Rejection;

apikey_core::adapter_keys! {
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
    /// **Don't take `Option<ApiKey>`.** Rocket itself makes an option of every guard, and swallows every refusal. A caller
    /// with a revoked key is anonymous then, and so is every caller during an outage. [`MaybeApiKey`] is the guard for an
    /// optional key. `Result<ApiKey, Rejection>` is safe, because the handler has to look at the refusal.
    ///
    /// ```
    /// use apikey_rocket::ApiKey;
    /// use rocket::get;
    ///
    /// #[get("/me")]
    /// fn me(key: ApiKey) -> String {
    ///     key.key_id().to_owned()
    /// }
    /// ```
    ///
    /// A route with this guard stops the launch if [`ApiKeys::fairing`](crate::ApiKeys::fairing) is not attached.
    ApiKey;

    /// The caller's key, if one is presented. A request that presents nothing is anonymous. What a request does present must
    /// pass in full. [`ApiKey`] has the table.
    ///
    /// ```
    /// use apikey_rocket::MaybeApiKey;
    /// use rocket::get;
    ///
    /// #[get("/")]
    /// fn greet(key: MaybeApiKey) -> String {
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
    /// fn list(key: Scoped<ReadUsers>) {}
    ///
    /// #[post("/users")]
    /// fn create(key: Scoped<(ReadUsers, WriteUsers)>) {}
    ///
    /// #[get("/report")]
    /// fn either(key: Scoped<AnyOf<(Admin, ReadUsers)>>) {}
    /// ```
    Scoped;
}

/// Any key that is valid and active will do.
static ANY_KEY: Policy = Policy::any_key();

async fn admit<K: Clone + Into<Option<VerifiedKey>>, G>(
    request: &Request<'_>,
    gate: impl FnOnce(&Authenticator, Attempt) -> Decision<K>,
    wrap: fn(K) -> G,
) -> Outcome<G, Rejection> {
    let decision = memo::decide(request, gate).wait().await;
    match memo::note(request, decision) {
        Ok(key) => Outcome::Success(wrap(key)),
        // Not a forward, because then a route of lower rank could answer.
        Err(rejection) => Outcome::Error((rejection.status(), rejection)),
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for ApiKey {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        admit(request, |keys, attempt| keys.gate(&ANY_KEY).decide(attempt, |key| key), Self::from).await
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for MaybeApiKey {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        admit(request, |keys, attempt| keys.gate(&ANY_KEY).decide_optional(attempt, |key| key), Self::from)
            .await
    }
}

#[rocket::async_trait]
impl<'r, P: TypedPolicy> FromRequest<'r> for Scoped<P> {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        let gate = |keys: &Authenticator, attempt| keys.gate(P::POLICY).decide(attempt, |key| key);
        admit(request, gate, Self::assume_authorized).await
    }
}

// A guard without its authenticator stops the launch.

impl Sentinel for ApiKey {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        rocket.state::<Attached>().is_none()
    }
}

impl Sentinel for MaybeApiKey {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        ApiKey::abort(rocket)
    }
}

impl<P> Sentinel for Scoped<P> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        ApiKey::abort(rocket)
    }
}
