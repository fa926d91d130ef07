//! What subscribers of `tracing` see. It is a program of its own, because `tracing` decides once for the whole
//! process what is enabled.

mod decisions;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apikey_core::{
    Authenticator, Health, Judgement, PlainRequest, PresentedKey, Verification, Verifier, VerifierError,
    async_trait,
};
use tokio::runtime::Handle;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// One test at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Accepts every key after a second.
struct Slow;

#[async_trait]
impl Verifier for Slow {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        sleep(SECOND).await;
        Ok(Judgement::accepted(Verification::active(key.expose())))
    }
}

/// Records the names of closed spans, and which span followed from which.
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
    use tracing_subscriber::layer::SubscriberExt as _;

    let _alone = ALONE.lock().await;
    let closed = Closed::default();
    let subscriber = tracing_subscriber::registry().with(closed.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
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

#[tokio::test(start_paused = true)]
async fn a_wrong_set_up_is_logged_once_a_minute() {
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl<'a> MakeWriter<'a> for Log {
        type Writer = Log;
        fn make_writer(&'a self) -> Log {
            self.clone()
        }
    }

    /// Refuses this service, in health checks, too.
    #[derive(Default)]
    struct Refusing(AtomicUsize);
    #[async_trait]
    impl Verifier for Refusing {
        async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Err(VerifierError::service_refused("grant the scope"))
        }
        async fn check(&self) -> Health {
            Health::Refused(VerifierError::service_refused("grant the scope"))
        }
    }

    let _alone = ALONE.lock().await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let verifier = Arc::new(Refusing::default());
    let authenticator = Authenticator::builder(Arc::clone(&verifier))
        .verification_runtime(Handle::current())
        .attempt_limit(None)
        .build()
        .unwrap();
    for number in 0..2000 {
        let answer = authenticator.verify(PresentedKey::parse(&format!("junk{number}")).unwrap()).await;
        assert_eq!(answer.unwrap_err().code().as_str(), "INTERNAL_ERROR");
        sleep(SECOND / 100).await;
    }
    let calls = verifier.0.load(Ordering::SeqCst);
    assert!(calls <= 60, "{calls} calls in 20 seconds");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(log.contains("grant the scope"), "{log}");
}
