//! A caller's span, and the span of the verification that it caused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use apikey_core::{
    Authenticator, Judgement, PlainRequest, PresentedKey, Verification, Verifier, VerifierError, async_trait,
};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::log::listen;

const SECOND: Duration = Duration::from_secs(1);

/// Accepts every key after a second.
struct Slow;

#[async_trait]
impl Verifier for Slow {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        sleep(SECOND).await;
        Ok(Judgement::accepted(Verification::active(key.expose())))
    }
}

/// Records the names of closed spans, in order.
#[derive(Clone, Default)]
struct Closed(Arc<Mutex<Vec<&'static str>>>);

impl<S> tracing_subscriber::Layer<S> for Closed
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_close(&self, id: tracing::span::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        self.0.lock().unwrap().extend(context.metadata(&id).map(tracing::Metadata::name));
    }
}

#[tokio::test(start_paused = true)]
async fn a_callers_span_ends_with_its_answer() {
    let closed = Closed::default();
    let _listening = listen(tracing_subscriber::registry().with(closed.clone())).await;
    let authenticator = Authenticator::builder(Slow).verification_runtime(Handle::current()).build().unwrap();
    let begun = tracing::info_span!("request")
        .in_scope(|| authenticator.begin(&PlainRequest::new().with_header("authorization", "Bearer k1")));
    // The caller hangs up, and the verification goes on.
    drop(begun);
    tokio::task::yield_now().await;
    assert_eq!(*closed.0.lock().unwrap(), ["request"]);
    sleep(2 * SECOND).await;
    assert_eq!(authenticator.cached_keys(), 1);
    assert_eq!(*closed.0.lock().unwrap(), ["request", "apikey.verification"]);
}
