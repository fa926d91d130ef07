//! The suite must be able to fail. Each adapter here is wrong in one thing, and a case notices.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::catch_unwind;

use apikey_conformance::{Adapter, Differences, RunningServer, Subject, cases, run};
use apikey_core::Authenticator;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONNECTION, HeaderValue, WWW_AUTHENTICATE};

use crate::reference::{Answer, Flaws, Reference, serve};

/// Declares adapters that differ from the reference in these flaws.
macro_rules! wrong_adapters {
    ($($name:ident: $flaws:expr;)*) => {$(
        struct $name;

        impl Adapter for $name {
            async fn start(authenticator: Authenticator) -> RunningServer {
                serve(authenticator, $flaws).await
            }
        }
    )*};
}

wrong_adapters! {
    SpoilsABody: Flaws { spoil: |_, answer| {
        if answer.status() == 401 {
            *answer.body_mut() = Full::new(Bytes::from_static(br#"{"error":"No Authorization header","code":"MISSING_KEY"}"#));
        }
    }, ..Flaws::default() };
    LosesAHeader: Flaws { spoil: |_, answer| drop(answer.headers_mut().remove(CACHE_CONTROL)), ..Flaws::default() };
    AddsAChallenge: Flaws { spoil: |_, answer| {
        if answer.status() == 503 {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }, ..Flaws::default() };
    RepeatsAHeader: Flaws { spoil: |_, answer| {
        if let Some(value) = answer.headers().get(WWW_AUTHENTICATE).cloned() {
            answer.headers_mut().append(WWW_AUTHENTICATE, value);
        }
    }, ..Flaws::default() };
    ClosesConnections: Flaws { spoil: |_, answer| {
        if answer.status() == 403 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }, ..Flaws::default() };
    TellsTheKey: Flaws { spoil: tell_the_key, ..Flaws::default() };
    Forgets: Flaws { forgets: true, ..Flaws::default() };
    SwallowsRefusals: Flaws { optional_swallows_refusals: true, ..Flaws::default() };
    SeesOneValue: Flaws { sees_one_value_alone: true, ..Flaws::default() };
    PassesEveryPreflight: Flaws { passes_every_preflight: true, ..Flaws::default() };
    KnowsNoPeer: Flaws { peer: |_, _| None, ..Flaws::default() };
    KnowsOnePeer: Flaws { peer: |_, _| Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), ..Flaws::default() };
    BelievesForwarding: Flaws { peer: |peer, claimed| {
        Some(claimed.and_then(|claimed| claimed.parse().ok()).unwrap_or(peer))
    }, ..Flaws::default() };
    LosesTheLimit: Flaws { spoil: |_, answer| drop(answer.headers_mut().remove("ratelimit")), ..Flaws::default() };
    TellsTheLimitAlways: Flaws { spoil: |_, answer| {
        answer.headers_mut().insert("ratelimit-policy", HeaderValue::from_static(r#""default";q=3;w=900"#));
    }, ..Flaws::default() };
    ForgetsFreshness: Flaws { forgets_freshness: true, ..Flaws::default() };
    IsImpatient: Flaws { is_impatient: true, ..Flaws::default() };
    TakesSubRequestsForTheOuter: Flaws { takes_sub_requests_for_the_outer: true, ..Flaws::default() };
    KnowsNoGrpc: Flaws { spoil: |_, answer| drop(answer.headers_mut().remove("grpc-status")), ..Flaws::default() };
    ReadsNoUpload: Flaws { reads_no_upload: true, ..Flaws::default() };
    AnswersLate: Flaws { answers_late: true, ..Flaws::default() };
    RemovesWholeHeaders: Flaws { removes_whole_headers: true, ..Flaws::default() };
    TellsNoRoute: Flaws { route: |_| None, ..Flaws::default() };
    TellsPaths: Flaws { route: |path| Some(path), ..Flaws::default() };
    RefusesInAnOutage: Flaws { spoil: |_, answer| {
        if answer.status() == 503 {
            *answer.status_mut() = hyper::StatusCode::UNAUTHORIZED;
        }
    }, ..Flaws::default() };
}

fn tell_the_key(authorization: Option<&[u8]>, answer: &mut Answer) {
    if let Some(value) = authorization.and_then(|value| HeaderValue::from_bytes(value).ok()) {
        answer.headers_mut().insert("x-debug", value);
    }
}

/// Claims that its framework drops values. It does not.
struct ClaimsToDrop;

impl Adapter for ClaimsToDrop {
    const DIFFERENCES: Differences =
        Differences { drops_values_that_are_not_utf8: true, ..Differences::NONE };

    async fn start(authenticator: Authenticator) -> RunningServer {
        Reference::start(authenticator).await
    }
}

fn fails<A: Adapter, F: Future<Output = ()>>(case: fn(Subject) -> F) {
    assert!(catch_unwind(|| run::<A, F>(case)).is_err(), "the suite did not notice");
}

#[test]
fn one_byte_of_a_body_is_noticed() {
    fails::<SpoilsABody, _>(cases::denials::nothing_presented_is_missing_key);
}

#[test]
fn a_missing_header_is_noticed() {
    fails::<LosesAHeader, _>(cases::denials::nothing_presented_is_missing_key);
}

#[test]
fn a_header_too_many_is_noticed() {
    fails::<AddsAChallenge, _>(cases::denials::an_outage_is_verification_unavailable);
    fails::<RepeatsAHeader, _>(cases::denials::nothing_presented_is_missing_key);
}

#[test]
fn a_closed_connection_is_noticed() {
    fails::<ClosesConnections, _>(cases::connections::a_connection_serves_many_requests_and_outlives_denials);
}

#[test]
fn a_secret_in_a_header_is_noticed() {
    fails::<TellsTheKey, _>(cases::denials::a_key_that_nobody_knows_is_invalid_key);
}

#[test]
fn a_call_too_many_is_noticed() {
    fails::<Forgets, _>(cases::once::two_extractors_of_one_handler_verify_once);
    fails::<Forgets, _>(cases::once::alternatives_for_one_path_verify_once);
}

#[test]
fn a_bad_key_that_becomes_anonymous_is_noticed() {
    fails::<SwallowsRefusals, _>(cases::optional::a_malformed_key_is_refused);
    fails::<SwallowsRefusals, _>(cases::optional::an_outage_makes_nobody_anonymous);
}

#[test]
fn a_value_that_is_overlooked_is_noticed() {
    fails::<SeesOneValue, _>(cases::extraction::a_repeated_header_is_refused_whatever_its_values);
}

#[test]
fn a_hole_for_pre_flights_is_noticed() {
    fails::<PassesEveryPreflight, _>(cases::methods::a_request_without_a_mark_of_a_pre_flight_is_protected);
}

#[test]
fn a_wrong_client_is_noticed() {
    fails::<KnowsNoPeer, _>(cases::clients::the_peer_is_the_client);
    fails::<KnowsNoPeer, _>(cases::attempts::a_client_past_its_limit_is_refused_until_its_window_ends);
    if cfg!(target_os = "linux") {
        fails::<KnowsOnePeer, _>(cases::clients::the_peer_is_the_client);
    }
    fails::<KnowsOnePeer, _>(cases::clients::an_address_that_the_application_supplies_is_the_peers);
    fails::<KnowsOnePeer, _>(cases::clients::a_supplied_address_of_a_trusted_proxy_is_believed);
    fails::<BelievesForwarding, _>(cases::clients::no_header_is_believed_without_trusted_proxies);
    fails::<BelievesForwarding, _>(cases::clients::a_peer_that_is_not_trusted_is_not_believed);
    fails::<Forgets, _>(cases::attempts::one_request_is_one_attempt);
}

#[test]
fn a_client_who_pays_for_anothers_odd_keys_is_noticed() {
    if cfg!(target_os = "linux") {
        fails::<KnowsOnePeer, _>(cases::odd_keys::one_odd_key_harms_nobody_else_and_its_client_is_limited);
    }
}

#[test]
fn a_limit_that_is_told_wrong_is_noticed() {
    fails::<LosesTheLimit, _>(cases::attempts::a_client_past_its_limit_is_refused_until_its_window_ends);
    fails::<TellsTheLimitAlways, _>(cases::attempts::a_cache_hit_is_no_attempt);
    fails::<TellsTheLimitAlways, _>(cases::denials::nothing_presented_is_missing_key);
}

#[test]
fn a_sub_request_with_the_outer_key_is_noticed() {
    fails::<TakesSubRequestsForTheOuter, _>(
        cases::sub_requests::cold_sub_requests_are_judged_by_what_they_present,
    );
    fails::<TakesSubRequestsForTheOuter, _>(
        cases::sub_requests::warm_sub_requests_are_judged_by_what_they_present,
    );
}

#[test]
fn a_removal_of_too_much_is_noticed() {
    fails::<RemovesWholeHeaders, _>(cases::removal::the_handler_sees_a_value_of_another_scheme);
    fails::<RemovesWholeHeaders, _>(cases::removal::the_handler_sees_a_token_that_is_ignored);
    fails::<RemovesWholeHeaders, _>(
        cases::removal::of_a_web_sockets_protocols_the_handler_sees_all_but_the_key,
    );
}

#[test]
fn a_stale_answer_is_noticed_if_a_fresh_one_is_due() {
    fails::<ForgetsFreshness, _>(cases::stale::a_route_for_fresh_answers_refuses_stale_ones);
    fails::<IsImpatient, _>(cases::stale::a_route_for_fresh_answers_waits_for_a_slow_kinde);
}

#[test]
fn a_grpc_refusal_without_its_status_is_noticed() {
    fails::<KnowsNoGrpc, _>(cases::rendering::a_grpc_request_is_refused_in_its_protocol);
}

#[test]
fn an_upload_that_gets_no_answer_is_noticed() {
    fails::<ReadsNoUpload, _>(cases::uploads::a_refused_upload_gets_its_answer);
    fails::<AnswersLate, _>(cases::uploads::a_refused_upload_is_answered_before_it_is_read);
}

#[test]
fn a_denial_that_is_told_wrong_to_observers_is_noticed() {
    fails::<KnowsNoPeer, _>(cases::observers::a_denial_is_told_with_route_policy_and_client);
    fails::<TellsNoRoute, _>(cases::observers::a_denial_is_told_with_route_policy_and_client);
    fails::<TellsPaths, _>(cases::observers::a_route_is_told_as_its_template);
    fails::<TellsPaths, _>(cases::policies::an_operation_asks_for_the_scope_that_kinde_makes_for_it);
    fails::<TellsNoRoute, _>(cases::policies::an_operation_asks_for_the_scope_that_kinde_makes_for_it);
}

#[test]
fn an_outage_that_is_told_wrong_is_noticed() {
    fails::<RefusesInAnOutage, _>(cases::breaker::unknown_keys_get_their_503_without_a_call_in_an_outage);
    fails::<RefusesInAnOutage, _>(cases::fault_matrix::a_cold_key_meets_every_fault);
}

#[test]
fn a_difference_that_is_none_is_noticed() {
    fails::<ClaimsToDrop, _>(cases::extraction::bytes_that_are_no_utf8_are_malformed);
}
