//! The extractors.

use apikey_core::{Policy, TypedPolicy};
use poem::{FromRequest, Request, RequestBody, Result};

use crate::memo::{self, Decide};

apikey_core::adapter_keys! {
    /// The caller's key: verified and active, with any scopes.
    ///
    /// Never take `Option<ApiKey>`: poem turns every refusal into `None`. Take [`MaybeApiKey`].
    ApiKey;

    /// The caller's key, if the request presents one. A request that presents nothing is anonymous. If a request
    /// presents a key, that key must be valid and active.
    MaybeApiKey;

    /// The caller's key, if it satisfies the typed policy `P`.
    Scoped;
}

static ANY_KEY: Policy = Policy::any_key();

impl<'a> FromRequest<'a> for ApiKey {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let decide: Decide<_> = |gate, attempt, head| gate.decide(attempt, head, Self::from);
        Ok(memo::admit(request, Some(body), &ANY_KEY, decide).await?)
    }
}

impl<'a> FromRequest<'a> for MaybeApiKey {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let decide: Decide<_> = |gate, attempt, head| gate.decide_optional(attempt, head, Self::from);
        Ok(memo::admit(request, Some(body), &ANY_KEY, decide).await?)
    }
}

impl<'a, P: TypedPolicy> FromRequest<'a> for Scoped<P> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let decide: Decide<_> = |gate, attempt, head| gate.decide(attempt, head, Self::assume_authorized);
        Ok(memo::admit(request, Some(body), P::POLICY, decide).await?)
    }
}
