use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::{HttpRequest, web};
use apikey_core::{Attempt, Denial, PendingVerification, Policy, VerifiedKey};

use crate::authenticator::Authenticator;
use crate::rejection::UnseenRejection;
use crate::request;

/// What an extractor makes of a key that was let in, or of nothing presented.
type Admit<T> = fn(Option<VerifiedKey>, &Authenticator) -> Result<T, Denial>;

/// The future of the extractors. The attempt at the request begins when it is made, not when it is polled, so that
/// extractors of one handler, which actix runs concurrently, share one. Nothing in it is boxed on a cached answer.
pub struct ExtractFuture<T>(State<T>);

enum State<T> {
    Ready(Option<Result<T, Denial>>),
    Pending { pending: PendingVerification, authenticator: Authenticator, admit: Admit<T> },
}

impl<T> ExtractFuture<T> {
    pub(crate) fn begin(request: &HttpRequest, policy: &Policy, admit: Admit<T>) -> Self {
        let Some(authenticator) = request.app_data::<Authenticator>() else {
            return Self(State::Ready(Some(Err(unwired(request)))));
        };
        Self(match request::begin(request, authenticator) {
            Attempt::Anonymous => State::Ready(Some(admit(None, authenticator))),
            Attempt::Decided(decision) => {
                State::Ready(Some(decision.and_then(|key| admit(Some(key), authenticator))))
            }
            Attempt::Pending(pending) => {
                let pending = pending.for_policy(policy);
                State::Pending { pending, authenticator: authenticator.clone(), admit }
            }
        })
    }
}

fn unwired(request: &HttpRequest) -> Denial {
    Denial::wiring_mistake(if request.app_data::<web::Data<Authenticator>>().is_some() {
        "the authenticator is wrapped in web::Data: write .app_data(keys.clone()) instead"
    } else {
        "an extractor for API keys found no authenticator: add .app_data(keys.clone()) to the App"
    })
}

// Nothing is ever pinned in it: the pending verification is `Unpin`, and `T` is handed out as it is.
impl<T> Unpin for ExtractFuture<T> {}

impl<T> Future for ExtractFuture<T> {
    type Output = Result<T, UnseenRejection>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &mut self.0 {
            State::Ready(outcome) => match outcome.take() {
                Some(outcome) => outcome,
                None => return Poll::Pending, // polled again after its answer, against the contract of futures
            },
            State::Pending { pending, authenticator, admit } => {
                let decision = ready!(Pin::new(pending).poll(context));
                decision.and_then(|key| admit(Some(key), authenticator))
            }
        };
        self.0 = State::Ready(None);
        Poll::Ready(outcome.map_err(UnseenRejection::new))
    }
}

impl<T> fmt::Debug for ExtractFuture<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ExtractFuture(..)")
    }
}
