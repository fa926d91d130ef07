//! How the core reads an actix request, and how a request keeps what was learned about it.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Uri, uri::PathAndQuery};
use actix_web::{HttpMessage as _, HttpRequest};
use apikey_core::{Attempt, Authenticator, Denial, Memo, PresentedKey, RequestHead};

/// The parts of a request that matter here.
pub(crate) struct Head<'a>(pub(crate) &'a HttpRequest);

impl RequestHead for Head<'_> {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let headers = self.0.headers();
        // The usual header is found by its constant. To look another up, actix would parse and allocate its name, and
        // walking over all of them costs less.
        let usual = (name == "authorization").then(|| headers.get_all(header::AUTHORIZATION));
        let other = usual.is_none().then(|| headers.iter().filter(move |(found, _)| found.as_str() == name));
        let other = other.into_iter().flatten().map(|(_, value)| value);
        usual.into_iter().flatten().chain(other).map(HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&str> {
        self.0.uri().query()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.0.peer_addr().map(|peer| peer.ip())
    }
}

/// What is known about this request's keys, under a type that nobody else can name.
#[derive(Default)]
struct Learned {
    attempts: Memo,
    /// Keys that were taken out of the request, and about which nobody has been asked yet.
    taken: Vec<(Authenticator, PresentedKey)>,
}

/// The attempt that an earlier middleware or extractor made at what this request presents, or a new one.
pub(crate) fn begin(request: &HttpRequest, authenticator: &Authenticator) -> Attempt {
    if authenticator.removes_credential() {
        return begin_taken(request, authenticator);
    }
    if let Some(attempt) = recall(request, authenticator) {
        return attempt;
    }
    let attempt = authenticator.begin(&Head(request));
    if authenticator.must_remember(&attempt) {
        note(request, authenticator, attempt.clone());
    }
    attempt
}

/// [`begin`] where a middleware has taken the credential out.
fn begin_taken(request: &HttpRequest, authenticator: &Authenticator) -> Attempt {
    if !presents_nothing(request, authenticator) {
        return Attempt::Decided(Err(Denial::wiring_mistake(
            "remove_credential is set, but the request presents a credential, which an extractor can't take out: add \
             .wrap(keys.remove_credentials()) to the App, inside of every middleware that changes credentials",
        )));
    }
    let attempt = match claim_taken(request, authenticator) {
        Some(key) => authenticator.begin_verification(key, &Head(request)),
        None => match recall(request, authenticator) {
            Some(attempt) => return attempt,
            None => Attempt::Decided(Err(Denial::wiring_mistake(
                "remove_credential is set, but no middleware took the credential out of the request, which an \
                 extractor can't: add .wrap(keys.remove_credentials()) to the App",
            ))),
        },
    };
    note(request, authenticator, attempt.clone());
    attempt
}

/// [`begin`] for a middleware, which can take the credential out where that is asked for.
pub(crate) fn begin_in_middleware(request: &mut ServiceRequest, authenticator: &Authenticator) -> Attempt {
    match remove_credential(request, authenticator) {
        Ok(()) => begin(request.request(), authenticator),
        Err(denial) => Attempt::Decided(Err(denial)),
    }
}

/// Takes the credential out of the request where that is asked for, and keeps it aside.
///
/// # Errors
/// [`Denial`], where the request can't be changed any more.
pub(crate) fn remove_credential(
    request: &mut ServiceRequest,
    authenticator: &Authenticator,
) -> Result<(), Denial> {
    if !authenticator.removes_credential() {
        return Ok(());
    }
    let extracted = authenticator.extract(&Head(request.request()));
    if matches!(extracted, Ok(None)) && is_removed(request.request(), authenticator) {
        return Ok(());
    }
    if is_shared(request) {
        return Err(Denial::wiring_mistake(
            "remove_credential is set, but another middleware keeps a clone of the HttpRequest, so that it can't be \
             changed: put that middleware inside of the one that removes the credential",
        ));
    }
    for name in authenticator.removed_headers() {
        request.headers_mut().remove(name);
    }
    let query = request.uri().query();
    if let Some(target) = authenticator.target_without_credential(request.uri().path(), query) {
        let uri = with_target(request.uri(), target);
        // The router keeps a copy of its own.
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    learned(request.request(), |known| {
        // What another middleware has put in since then counts, and not what was there before.
        known.taken.retain(|(owner, _)| !owner.is_same_as(authenticator));
        match extracted {
            Ok(Some(key)) => known.taken.push((authenticator.clone(), key)),
            Ok(None) => known.attempts.note(authenticator, Attempt::Anonymous),
            Err(denial) => known.attempts.note(authenticator, Attempt::Decided(Err(denial))),
        }
    });
    Ok(())
}

fn presents_nothing(request: &HttpRequest, authenticator: &Authenticator) -> bool {
    matches!(authenticator.extract(&Head(request)), Ok(None))
}

fn recall(request: &HttpRequest, authenticator: &Authenticator) -> Option<Attempt> {
    request.extensions().get::<Learned>()?.attempts.recall(authenticator, &Head(request))
}

fn note(request: &HttpRequest, authenticator: &Authenticator, attempt: Attempt) {
    learned(request, |known| known.attempts.note(authenticator, attempt));
}

fn is_removed(request: &HttpRequest, authenticator: &Authenticator) -> bool {
    request.extensions().get::<Learned>().is_some_and(|known| {
        known.attempts.recall(authenticator, &Head(request)).is_some()
            || known.taken.iter().any(|(owner, _)| owner.is_same_as(authenticator))
    })
}

fn claim_taken(request: &HttpRequest, authenticator: &Authenticator) -> Option<PresentedKey> {
    let mut extensions = request.extensions_mut();
    let taken = &mut extensions.get_mut::<Learned>()?.taken;
    let position = taken.iter().position(|(owner, _)| owner.is_same_as(authenticator))?;
    Some(taken.swap_remove(position).1)
}

fn learned(request: &HttpRequest, change: impl FnOnce(&mut Learned)) {
    let mut extensions = request.extensions_mut();
    if !extensions.contains::<Learned>() {
        extensions.insert(Learned::default());
    }
    if let Some(known) = extensions.get_mut() {
        change(known);
    }
}

/// Whether somebody else holds this request. actix tells only by a panic, which must not cost the caller's connection.
fn is_shared(request: &mut ServiceRequest) -> bool {
    // Looking changes nothing, so nothing can be left half-changed.
    catch_unwind(AssertUnwindSafe(|| {
        request.head_mut();
    }))
    .is_err()
}

fn with_target(uri: &Uri, target: String) -> Uri {
    let mut parts = uri.clone().into_parts();
    // Pieces of what was a target before: they always make one again.
    parts.path_and_query = PathAndQuery::from_maybe_shared(target).ok();
    Uri::from_parts(parts).unwrap_or_default()
}
