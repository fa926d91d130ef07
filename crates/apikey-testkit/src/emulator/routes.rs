//! Decides which endpoint gets a request.

use std::{convert::Infallible, future::pending, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{Method, Request, Response, body::Incoming};
use tokio::time::sleep;

use super::{
    answer::{Ending, ScriptedAnswer},
    control,
    effect::{self, AnswerBody, Effect},
    faults::{Endpoint, Fault},
    key_faults::Drawn,
    link::{Link, Order},
    lock::locked,
    management, overload,
    request::{RequestHead, unknown_route, wrong_method},
    state::State,
    tokens, verify,
};

/// Far more than an honest client sends.
const LARGEST_BODY: usize = 64 * 1024;

/// Answers one request. If the connection must end instead, this orders it to, and never returns.
pub(crate) async fn answer(
    state: Arc<State>,
    link: Arc<Link>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let open_call = link.open_call();
    match answer_or_end(&state, &link, peer, request).await {
        Ok(mut response) => {
            response.body_mut().belongs_to(open_call);
            Ok(response)
        }
        Err(ending) => {
            link.order(Order::End(ending));
            pending().await
        }
    }
}

async fn answer_or_end(
    state: &Arc<State>,
    link: &Link,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Ending> {
    let (parts, body) = request.into_parts();
    let head = RequestHead::new(parts);
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let answer = ScriptedAnswer::error(413, "REQUEST_TOO_LARGE", "The body is larger than 64 KiB")
                .header("connection", "close");
            return Effect::Answer(answer).into_response(None);
        }
        // The client closed the connection, or its body is not valid HTTP.
        Err(_) => return Err(Ending::Close(Vec::new())),
    };

    let path = head.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if let ["_emulator", rest @ ..] = segments.as_slice() {
        let answer = control::answer(state, link, head.method(), rest, &body).await;
        return Effect::Answer(answer).into_response(None);
    }
    let fault_of_backend = state.backends.request(link.backend());
    let fault = link.used(state.links.close_at_use()).or(fault_of_backend);
    match (segments.as_slice(), head.method()) {
        (["api", "v1", "api_keys", "verify"], &Method::POST) => {
            verify_call(state, fault, &head, peer, &body).await
        }
        (["oauth2", "token"], &Method::POST) => token_call(state, fault, &head, &body).await,
        ([".well-known", "jwks"], &Method::GET) => key_set_call(state, fault).await,
        (["api", "v1", "api_keys", key_id], &Method::GET) if *key_id != "verify" => {
            api_key_call(state, fault, &head, key_id).await
        }
        _ => {
            let (delay, effect) =
                effect::decide(fault, || answer_of_the_rest(state, &head, &segments, &body));
            delay.over().await;
            effect.into_response(None)
        }
    }
}

/// `fault` belongs to the connection or its backend, and takes precedence over all others.
async fn verify_call(
    state: &State,
    fault: Option<Fault>,
    head: &RequestHead,
    peer: SocketAddr,
    body: &Bytes,
) -> Result<Response<AnswerBody>, Ending> {
    let secret = verify::presented_secret(body);
    let admission =
        if fault.is_none() { overload::admit(&state.concurrency_limit, &state.counters) } else { Ok(None) };
    let (place, fault) = match admission {
        Ok(place) => (place, fault.or_else(|| fault_of_verification(state, secret.as_deref()))),
        Err(refusal) => (None, Some(refusal)),
    };
    let normal = || verify::answer(state, head, peer.ip(), secret.as_deref());
    let (delay, effect) = effect::decide(fault, normal);
    // Counted when everything is decided: a test that has seen the count can change only what comes next.
    let in_flight = state.counters.verify_call_received(secret.as_deref());
    if let Some((_, latency)) = &place {
        sleep(*latency).await;
    }
    delay.over().await;
    drop(place);
    effect.into_response(Some(in_flight))
}

/// The fault of the key, if it has one, or else of the endpoint.
fn fault_of_verification(state: &State, secret: Option<&str>) -> Option<Fault> {
    let is_known = |secret| locked(&state.business.keys).is_known(secret);
    let of_key = secret.and_then(|secret| locked(&state.key_faults).next(secret, || is_known(secret)));
    match of_key {
        Some(Drawn(fault)) => fault,
        None => locked(state.faults(Endpoint::Verify)).next(),
    }
}

/// `fault` belongs to the connection or its backend, and takes precedence over all others.
async fn token_call(
    state: &State,
    fault: Option<Fault>,
    head: &RequestHead,
    body: &Bytes,
) -> Result<Response<AnswerBody>, Ending> {
    let fault = fault.or_else(|| locked(state.faults(Endpoint::Token)).next());
    let (delay, effect) = effect::decide(fault, || tokens::answer(state, head.content_type(), body));
    state.counters.token_call_received();
    delay.over().await;
    effect.into_response(None)
}

/// `fault` belongs to the connection or its backend, and takes precedence over all others.
async fn key_set_call(state: &State, fault: Option<Fault>) -> Result<Response<AnswerBody>, Ending> {
    let fault = fault.or_else(|| locked(state.faults(Endpoint::KeySet)).next());
    let key_set = || ScriptedAnswer::json(200, &locked(&state.business.signing_key).key_set());
    let (delay, effect) = effect::decide(fault, key_set);
    state.counters.key_set_call_received();
    delay.over().await;
    effect.into_response(None)
}

/// `fault` belongs to the connection or its backend, and takes precedence over all others.
async fn api_key_call(
    state: &State,
    fault: Option<Fault>,
    head: &RequestHead,
    key_id: &str,
) -> Result<Response<AnswerBody>, Ending> {
    let fault = fault.or_else(|| locked(state.faults(Endpoint::ApiKey)).next());
    let (delay, effect) = effect::decide(fault, || management::answer(state, head, &[key_id], &[]));
    state.counters.api_key_call_received();
    delay.over().await;
    effect.into_response(None)
}

fn answer_of_the_rest(state: &State, head: &RequestHead, segments: &[&str], body: &[u8]) -> ScriptedAnswer {
    match segments {
        ["oauth2", "token"] | ["api", "v1", "api_keys", "verify"] => wrong_method("POST"),
        [".well-known", "jwks"] => wrong_method("GET"),
        ["api", "v1", "api_keys", rest @ ..] => management::answer(state, head, rest, body),
        _ => unknown_route(),
    }
}
