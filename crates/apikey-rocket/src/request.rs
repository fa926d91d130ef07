//! How the core reads Rocket's request, and how a request keeps what was learned about it.

use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use apikey_core::{Attempt, Authenticator, Denial, Policy, Presented, RequestHead, VerifiedKey};
use rocket::Request;

use crate::fairing::Attached;
use crate::rejection::Rejection;

/// The parts of a request that matter here.
pub(crate) struct Head<'a, 'r>(pub(crate) &'a Request<'r>);

impl RequestHead for Head<'_, '_> {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.headers().get(name).map(str::as_bytes)
    }

    fn query(&self) -> Option<&str> {
        self.0.uri().query().map(|query| query.as_str())
    }

    fn peer(&self) -> Option<IpAddr> {
        // Not `client_ip()`, which believes a header.
        self.0.remote().map(|peer| peer.ip())
    }
}

/// What one request has learned, under a type that nobody else can name in its local cache. All guards of all routes
/// that are tried for the request share it.
#[derive(Default)]
struct Memo {
    /// What was learned about the credential that was looked at first.
    first: OnceLock<Learned>,
    /// The denial of the last guard, if that refused.
    denial: Mutex<Option<Denial>>,
}

/// What was learned about one credential. A fairing may change the credential of a request between two guards, and a
/// [local request](rocket::local) shares the cache with its clones.
struct Learned {
    presented: Presented,
    attempt: Attempt,
    /// The outcome of an attempt that had to wait for one.
    awaited: OnceLock<Result<VerifiedKey, Denial>>,
    /// The same, where that was stale and a later guard wants to be sure.
    insisted: OnceLock<Result<VerifiedKey, Denial>>,
    /// What was learned about the credential that came after this one. Guards hand out references to what is kept here, so
    /// nothing is ever replaced.
    next: OnceLock<Box<Learned>>,
}

impl Learned {
    fn begin(authenticator: &Authenticator, request: &Request<'_>) -> Self {
        let (presented, attempt) = authenticator.begin_presented(&Head(request));
        let (awaited, insisted, next) = Default::default();
        Self { presented, attempt, awaited, insisted, next }
    }
}

impl Memo {
    /// What was learned about the credential that the request presents now.
    fn learned(&self, authenticator: &Authenticator, request: &Request<'_>) -> &Learned {
        let mut is_first_look = false;
        let mut learned = self.first.get_or_init(|| {
            is_first_look = true;
            Learned::begin(authenticator, request)
        });
        if is_first_look {
            return learned;
        }
        let presented = authenticator.presented(&Head(request));
        while learned.presented != presented {
            learned = learned.next.get_or_init(|| Box::new(Learned::begin(authenticator, request)));
        }
        learned
    }

    fn note(&self, denial: Option<Denial>) {
        *self.denial.lock().unwrap_or_else(PoisonError::into_inner) = denial;
    }

    fn refuse(&self, denial: Denial) -> Rejection {
        self.note(Some(denial.clone()));
        denial.into()
    }
}

/// Why the last guard refused this request; `None` where it did not, or where no guard has looked at it.
///
/// For catchers of your own. [`Rejection`] is the answer that the catchers of this crate give.
///
/// ```
/// use apikey_rocket::denial;
/// use rocket::http::Status;
/// use rocket::{Request, catch};
///
/// #[catch(401)]
/// fn unauthorized(request: &Request<'_>) -> String {
///     match denial(request) {
///         Some(denial) => format!("No entry: {denial}"),
///         None => "Who are you?".to_owned(),
///     }
/// }
/// ```
///
/// A handler that takes a guard's `Result` and then fails with another status leaves the denial in place: compare
/// [`Denial::status`] in a catcher for several statuses.
#[must_use]
pub fn denial(request: &Request<'_>) -> Option<Denial> {
    let memo: &Memo = request.local_cache(Memo::default);
    memo.denial.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What the engine knows of a request: the key, `None` where nothing is presented.
type Decision<'r> = Result<Option<&'r VerifiedKey>, &'r Denial>;

/// One guard's look at one request.
pub(crate) struct Inspection<'r> {
    authenticator: &'r Authenticator,
    memo: &'r Memo,
    learned: &'r Learned,
}

impl<'r> Inspection<'r> {
    /// Takes up the attempt that an earlier guard made at what the request presents, or makes one.
    ///
    /// # Errors
    /// [`Rejection`], where the fairing was not attached.
    pub(crate) fn begin(request: &'r Request<'_>) -> Result<Self, Rejection> {
        let memo: &Memo = request.local_cache(Memo::default);
        let Some(Attached(authenticator)) = request.rocket().state::<Attached>() else {
            return Err(memo.refuse(Denial::wiring_mistake("attach ApiKeys::fairing(keys) to this Rocket")));
        };
        let learned = memo.learned(authenticator, request);
        Ok(Self { authenticator, memo, learned })
    }

    /// Where the outcome of waiting is kept for a guard with this policy.
    fn slot(&self, policy: &Policy) -> &'r OnceLock<Result<VerifiedKey, Denial>> {
        let Learned { awaited, insisted, .. } = self.learned;
        let is_stale = |decision: &Result<VerifiedKey, _>| decision.as_ref().is_ok_and(VerifiedKey::is_stale);
        match policy.refuses_stale() && awaited.get().is_some_and(is_stale) {
            true => insisted,
            false => awaited,
        }
    }

    /// The decision for a guard with this policy, where it takes no waiting.
    pub(crate) fn decision_at_once(&self, policy: &Policy) -> Option<Decision<'r>> {
        let decision = match &self.learned.attempt {
            Attempt::Anonymous => return Some(Ok(None)),
            Attempt::Decided(decision) => decision,
            Attempt::Pending(_) => self.slot(policy).get()?,
        };
        Some(decision.as_ref().map(Some))
    }

    /// The decision for a guard with this policy, once there is one.
    pub(crate) async fn decision(&self, policy: &Policy) -> Decision<'r> {
        let decision = match &self.learned.attempt {
            Attempt::Anonymous => return Ok(None),
            Attempt::Decided(decision) => decision,
            Attempt::Pending(pending) => match self.slot(policy).get() {
                Some(decision) => decision,
                None => {
                    let decision = pending.clone().for_policy(policy).await;
                    // Chosen anew: guards may run at once, and one that takes less may have been answered first.
                    self.slot(policy).get_or_init(|| decision)
                }
            },
        };
        decision.as_ref().map(Some)
    }

    /// The key, if one is presented; it must satisfy the policy. Notes how it went for the catchers.
    ///
    /// # Errors
    /// [`Rejection`], where something was presented that is not let in.
    pub(crate) fn optional(
        &self,
        decision: Decision<'r>,
        policy: &Policy,
    ) -> Result<Option<&'r VerifiedKey>, Rejection> {
        let key = decision.map_err(|denial| self.memo.refuse(denial.clone()))?;
        if let Some(key) = key {
            self.authenticator.authorize(key, policy).map_err(|denial| self.memo.refuse(denial))?;
        }
        self.memo.note(None);
        Ok(key)
    }

    /// The key, which must be there and satisfy the policy. Notes how it went for the catchers.
    ///
    /// # Errors
    /// [`Rejection`], in every other case.
    pub(crate) fn required(
        &self,
        decision: Decision<'r>,
        policy: &Policy,
    ) -> Result<&'r VerifiedKey, Rejection> {
        let key = self.optional(decision, policy)?;
        key.ok_or_else(|| self.memo.refuse(self.authenticator.missing_key()))
    }
}
