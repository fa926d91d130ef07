//! A refused request, as a reply and as a cause of warp's rejections.

use std::fmt;

use apikey_core::DenialCode;
use warp::http::StatusCode;
use warp::http::header::{HeaderName, HeaderValue};
use warp::reject::{Reject, Rejection};
use warp::reply::{Reply, Response};

apikey_core::adapter_rejection! {
    /// A refused request. It becomes the reply that its [`Denial`](apikey_core::Denial) describes.
    ///
    /// [`answer_refusals`](crate::answer_refusals) and [`recover`] make it of the rejections of this crate's filters. The
    /// response carries the denial in its extensions, so services around the routes can read it there.
    ///
    /// For an error body of your own, set [`denial_renderer`](crate::AuthenticatorBuilder::denial_renderer). A reply that
    /// you make yourself has neither the status nor the headers of a refusal.
    ///
    /// Its `Debug` shows status and code alone, because warp writes it into the body if nobody recovers.
    Denied;
}

impl Denied {
    /// The client sees the denial with the highest rank.
    fn rank(&self) -> u8 {
        match (self.0.status(), self.0.code()) {
            (_, DenialCode::MissingKey) => 0,
            (400 | 401, _) => 1,
            (403, _) => 2,
            _ => 3, // not judged
        }
    }

    /// Makes a rejection that [`recover`] can tell from rejections of other ranks. `Rejection::find` alone can't.
    pub(crate) fn into_rejection(self) -> Rejection {
        match self.rank() {
            0 => warp::reject::custom(Ranked::<0>(self)),
            1 => warp::reject::custom(Ranked::<1>(self)),
            2 => warp::reject::custom(Ranked::<2>(self)),
            _ => warp::reject::custom(Ranked::<3>(self)),
        }
    }
}

/// Answers the rejections of this crate's filters, and passes on all others. Give it to
/// [`Filter::recover`](warp::Filter::recover) if you want that for a single route, or call it in a function of your own.
/// [`answer_refusals`](crate::answer_refusals) does the same for all routes, and reads refused uploads, too.
///
/// If you use neither of them, warp answers 500 and lets nobody in.
///
/// A denial wins over a rejection of another kind, such as a wrong method in another branch of `.or`. If several
/// branches denied, the client sees the one that comes first in this list:
///
/// 1. the key could not be judged (5xx), so it may be good for that branch,
/// 2. the key is good but not enough (403),
/// 3. the key is not good, or is malformed (401, 400),
/// 4. the request presents nothing (401).
///
/// If several are equal, the client sees that of the last branch, because that branch usually asks for least.
///
/// In a `recover` of your own, call it first:
///
/// ```
/// use warp::http::StatusCode;
/// use warp::reply::{Reply, Response};
///
/// async fn recover(rejection: warp::Rejection) -> Result<Response, warp::Rejection> {
///     match apikey_warp::recover(rejection).await {
///         Ok(denied) => Ok(denied.into_response()),
///         Err(other) if other.is_not_found() => {
///             Ok(warp::reply::with_status("no such page", StatusCode::NOT_FOUND).into_response())
///         }
///         Err(other) => Err(other),
///     }
/// }
/// ```
///
/// # Errors
/// The rejection itself, if no filter of this crate rejected: an unknown path stays a 404, a wrong method a 405.
pub async fn recover(rejection: Rejection) -> Result<Denied, Rejection> {
    denied_or(rejection)
}

/// The denial to show to the client, or the rejection itself.
pub(crate) fn denied_or(rejection: Rejection) -> Result<Denied, Rejection> {
    denied(&rejection).cloned().ok_or(rejection)
}

pub(crate) fn denied(rejection: &Rejection) -> Option<&Denied> {
    let found = [
        rejected::<3>(rejection),
        rejected::<2>(rejection),
        rejected::<1>(rejection),
        rejected::<0>(rejection),
        rejection.find(), // the application made it from a `Denied`
    ];
    found.into_iter().flatten().max_by_key(|denied| denied.rank())
}

fn rejected<const RANK: u8>(rejection: &Rejection) -> Option<&Denied> {
    rejection.find::<Ranked<RANK>>().map(|ranked| &ranked.0)
}

/// `Rejection::find` finds only the first cause of a type, so each rank is a type of its own.
struct Ranked<const RANK: u8>(Denied);

impl<const RANK: u8> Reject for Ranked<RANK> {}

impl<const RANK: u8> fmt::Debug for Ranked<RANK> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// For filters that ask more of a key: `keys.authorize(&key, &policy).map_err(Denied::from)?`.
impl Reject for Denied {}

impl Reply for Denied {
    fn into_response(self) -> Response {
        let denial = self.0.response();
        let mut response = Response::new(denial.body.into());
        *response.status_mut() =
            StatusCode::from_u16(denial.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in denial.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response.extensions_mut().insert(self.0);
        response
    }
}
