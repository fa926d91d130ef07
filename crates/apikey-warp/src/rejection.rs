//! A refused request, as warp's rejections carry it and as a reply.

use std::fmt;

use apikey_core::DenialCode;
use warp::http::StatusCode;
use warp::http::header::{HeaderName, HeaderValue};
use warp::reject::{Reject, Rejection};
use warp::reply::{Reply, Response};

apikey_core::adapter_rejection! {
    /// A refused request. As a reply it is the [`Denial`](apikey_core::Denial)'s answer.
    ///
    /// [`recover`] turns the rejections of this crate's filters into replies. To answer in words of your own, use
    /// [`try_api_key`](crate::try_api_key), or look at [`denied`] in a `recover` of your own.
    ///
    /// Its `Debug`, which warp writes into the body where nobody recovers, shows status and code alone.
    Denied;
}

impl Denied {
    /// Which of several denials the client is to see: the highest.
    fn rank(&self) -> u8 {
        match (self.0.status(), self.0.code()) {
            (_, DenialCode::MissingKey) => 0,
            (400 | 401, _) => 1,
            (403, _) => 2,
            _ => 3, // not judged
        }
    }

    /// As a rejection that [`denied`] can tell from those of other ranks, which `Rejection::find` alone can't.
    pub(crate) fn into_rejection(self) -> Rejection {
        match self.rank() {
            0 => warp::reject::custom(Ranked::<0>(self)),
            1 => warp::reject::custom(Ranked::<1>(self)),
            2 => warp::reject::custom(Ranked::<2>(self)),
            _ => warp::reject::custom(Ranked::<3>(self)),
        }
    }
}

/// Answers the rejections of this crate's filters, and passes on all others: the argument for
/// [`Filter::recover`](warp::Filter::recover), outside of all routes.
///
/// ```
/// use apikey_warp::{Authenticator, Policy, api_key};
/// use warp::{Filter, Reply};
///
/// fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
///     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key()));
///     me.map(|key: apikey_warp::ApiKey| key.key_id().to_owned()).recover(apikey_warp::recover)
/// }
/// ```
///
/// Forgetting it lets nobody in: warp then answers 500.
///
/// # Errors
/// The rejection itself, where no filter of this crate rejected: an unknown path stays a 404, a wrong method a 405.
pub async fn recover(rejection: Rejection) -> Result<Denied, Rejection> {
    denied(&rejection).cloned().ok_or(rejection)
}

/// The denial that the client is to see, for a `recover` of your own; `None` where no filter of this crate rejected.
///
/// A denial counts more than what other branches of `.or` rejected for reasons of their own, such as a wrong method.
/// Where several branches denied, it is the first that there is of
///
/// 1. a key that could not be judged (5xx): it may be good for that branch,
/// 2. a good key that is not enough (403),
/// 3. what is no good key (401, 400),
/// 4. nothing presented (401),
///
/// and among equals the last branch's, which usually asks for least.
///
/// ```
/// use warp::reply::{Reply, Response};
///
/// async fn recover(rejection: warp::Rejection) -> Result<Response, warp::Rejection> {
///     match apikey_warp::denied(&rejection) {
///         Some(denied) if denied.denial().status() == 403 => Ok("Ask us for a bigger key".into_response()),
///         Some(denied) => Ok(denied.clone().into_response()),
///         None => Err(rejection),
///     }
/// }
/// ```
#[must_use]
pub fn denied(rejection: &Rejection) -> Option<&Denied> {
    let found = [
        rejected::<3>(rejection),
        rejected::<2>(rejection),
        rejected::<1>(rejection),
        rejected::<0>(rejection),
        rejection.find(), // made by the application from a `Denied`
    ];
    found.into_iter().flatten().max_by_key(|denied| denied.rank())
}

fn rejected<const RANK: u8>(rejection: &Rejection) -> Option<&Denied> {
    rejection.find::<Ranked<RANK>>().map(|ranked| &ranked.0)
}

/// A rejection finds the first cause of a type, so each rank is a type.
struct Ranked<const RANK: u8>(Denied);

impl<const RANK: u8> Reject for Ranked<RANK> {}

impl<const RANK: u8> fmt::Debug for Ranked<RANK> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// For handlers that check further: `keys.authorize(&key, &policy).map_err(Denied::from)?`.
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
        response
    }
}
