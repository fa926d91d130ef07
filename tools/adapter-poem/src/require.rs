//! The middlewares: one lets a request pass only if its key satisfies a policy, and one only tells extractors
//! which authenticator to ask.

use std::sync::Arc;

use apikey_core::{Policy, VerifiedKey, is_preflight};
use poem::{Endpoint, Middleware, Request, Result};

use crate::request::Head;
use crate::{Authenticator, memo};

/// A middleware that lets a request pass only if its key satisfies a policy. [`Authenticator::require`] makes it.
#[derive(Debug, Clone)]
pub struct Require {
    keys: apikey_core::Authenticator,
    /// If this is `None`, every request passes.
    policy: Option<Arc<Policy>>,
    passes_preflight: bool,
}

impl Authenticator {
    /// A middleware that lets a request pass only if its key satisfies the policy.
    pub fn require(&self, policy: impl Into<Policy>) -> Require {
        Require { keys: self.0.clone(), policy: Some(Arc::new(policy.into())), passes_preflight: false }
    }
}

impl Require {
    /// Lets CORS pre-flights pass without a key. Default: off.
    #[must_use]
    pub fn pass_preflight(self) -> Self {
        Self { passes_preflight: true, ..self }
    }
}

impl<E: Endpoint> Middleware<E> for Require {
    type Output = RequireEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequireEndpoint { inner, rule: self.clone() }
    }
}

impl<E: Endpoint> Middleware<E> for Authenticator {
    type Output = RequireEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        let keys = self.0.clone();
        RequireEndpoint { inner, rule: Require { keys, policy: None, passes_preflight: false } }
    }
}

/// The endpoint that the middlewares make.
#[derive(Debug)]
pub struct RequireEndpoint<E> {
    inner: E,
    rule: Require,
}

impl<E: Endpoint> Endpoint for RequireEndpoint<E> {
    type Output = E::Output;

    async fn call(&self, mut request: Request) -> Result<E::Output> {
        let Require { keys, policy, passes_preflight } = &self.rule;
        memo::attach(&mut request, keys);
        if let Some(policy) = policy {
            // A request that was made of another one must not be taken for that one's.
            request.extensions_mut().remove::<VerifiedKey>();
            if !(*passes_preflight && is_preflight(request.method().as_str(), &Head(&request))) {
                let decide: memo::Decide<_> = |gate, attempt, head| gate.decide(attempt, head, |key| key);
                let decision = memo::admit(&request, None, policy, decide).await;
                if decision.is_err() {
                    let body = request.take_body();
                    memo::read_rest(&request, keys, body);
                }
                request.extensions_mut().insert(decision?);
            }
        }
        self.inner.call(request).await
    }
}
