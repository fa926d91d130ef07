use apikey_core::{Attempt, Authenticator, Decision, Policy, TypedPolicy, VerifiedKey};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};

use crate::memo::{self, Attached};
use crate::rejection::Rejection;
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
    /// **Don't take `Option<ApiKey>`.** Rocket implements it for every guard, so this crate can't keep it from
    /// compiling, and Rocket turns every refusal into `None`. Then a caller with a revoked key counts as anonymous, and
    /// so does every caller during an outage. [`MaybeApiKey`] is the guard for an optional key. A `Result<ApiKey,
    /// Rejection>` is safe, because the handler has to look at the refusal.
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

    /// The caller's key, if the request presents one. A request that presents nothing is anonymous. If a request
    /// presents a key, that key must be valid and active: [`ApiKey`] has the table.
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

/// Any valid, active key satisfies it.
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
        Err(denial) => Outcome::Error((Status::new(denial.status()), denial.into())),
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for ApiKey {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        admit(
            request,
            |keys, attempt| keys.gate(&ANY_KEY).decide(attempt, &Head(request), |key| key),
            Self::from,
        )
        .await
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for MaybeApiKey {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        admit(
            request,
            |keys, attempt| keys.gate(&ANY_KEY).decide_optional(attempt, &Head(request), |key| key),
            Self::from,
        )
        .await
    }
}

#[rocket::async_trait]
impl<'r, P: TypedPolicy> FromRequest<'r> for Scoped<P> {
    type Error = Rejection;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Rejection> {
        let gate =
            |keys: &Authenticator, attempt| keys.gate(P::POLICY).decide(attempt, &Head(request), |key| key);
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
