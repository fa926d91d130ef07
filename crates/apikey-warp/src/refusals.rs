//! The answers to refused requests, and what reads the rest of their uploads.

use std::future::{Ready, ready};
use std::task::{self, Poll};

use apikey_core::{Authenticator, RefusedUpload};
use warp::http::HeaderMap;
use warp::reject::not_found;
use warp::reply::{Reply, Response};
use warp::{Buf, Filter, Rejection, Stream};

use crate::rejection::{denied, denied_or};
use crate::request::Head;

/// What the routes make of a request that no key filter refuses.
type Answer = Result<Response, Rejection>;

/// Answers the requests that the key filters of `routes` refuse. Put it around all routes. Other rejections pass, as
/// with [`recover`](crate::recover()): an unknown path stays a 404, a wrong method a 405.
///
/// ```
/// use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
/// use warp::{Filter, Reply};
///
/// fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
///     let upload = warp::path!("upload").and(warp::post()).and(api_key(&keys, Policy::any_key()));
///     let upload = upload.and(warp::body::bytes()).map(|_: ApiKey, _| "thank you");
///     answer_refusals(&keys, upload)
/// }
/// ```
///
/// It also reads what a refused request still sends, so that a client that sends its whole body first gets the answer
/// ([`refused_uploads`](crate::AuthenticatorBuilder::refused_uploads)). `.recover(recover)` does not. It can't read a
/// body that a filter has taken, so put the key filter before the filter for the body.
///
/// A fallback stands outside: inside, it would answer refused requests. So a fallback that takes everything does not
/// compile inside:
///
/// ```compile_fail
/// # use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
/// # use warp::Filter;
/// # fn wrong(keys: Authenticator) {
/// let me = api_key(&keys, Policy::any_key()).map(|_: ApiKey| "you");
/// let _ = answer_refusals(&keys, me.or(warp::any().map(|| "some other page")));
/// # }
/// ```
///
/// One is enough for several authenticators. The one given here says how much is read.
///
/// # Errors
/// The rejection of `routes`, if no filter of this crate rejected.
pub fn answer_refusals<F, R>(
    keys: &Authenticator,
    routes: F,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<F, R>
where
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    R: Reply + 'static,
{
    let answered = routes.map(|reply: R| Answer::Ok(reply.into_response()));
    // Only a denial is still a rejection after this, so only then the next branch takes the body.
    let undenied = answered.or_else(|rejection: Rejection| {
        ready(if denied(&rejection).is_some() { Err(rejection) } else { Ok((Err(rejection),)) })
    });
    let refused = undenied.or(read_upload(keys)).unify().recover(|rejection: Rejection| {
        ready(denied_or(rejection).map(|denied| Answer::Ok(denied.into_response())))
    });
    refused.unify().and_then(ready::<Answer>)
}

/// Begins to read the body in the background, and leaves the answer to others. Over HTTP/2 nobody needs that, but a
/// filter can't see the version.
fn read_upload(
    keys: &Authenticator,
) -> impl Filter<Extract = (Answer,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let keys = keys.clone();
    warp::header::headers_cloned()
        .and_then(move |headers: HeaderMap| {
            let head = Head { headers: &headers, query: None, peer: None };
            ready(keys.refused_upload(&head).ok_or_else(not_found))
        })
        .and(warp::body::stream())
        .and_then(read)
}

fn read<S, B>(upload: RefusedUpload, body: S) -> Ready<Result<Answer, Rejection>>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    let mut body = Box::pin(body);
    upload.read(move |context| {
        let piece = task::ready!(body.as_mut().poll_next(context));
        Poll::Ready(piece.and_then(Result::ok).map(|piece| piece.remaining()))
    });
    ready(Err(not_found()))
}
