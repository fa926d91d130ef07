//! The list of all cases, as the macro that makes a test of each.

/// Makes a test of each case for an [`Adapter`](crate::Adapter), in one module per theme.
///
/// The [first page](crate) has an example. Invoke it at most once in a module.
#[macro_export]
macro_rules! conformance_tests {
    ($adapter:ty) => {
        $crate::conformance_tests! { @cases tests $adapter }
    };
    (@cases $use:ident $($adapter:ty)?) => {
        $crate::conformance_cases! { $use $($adapter)?;
            answers {
                a_200_that_says_not_valid_refuses,
                a_400_about_the_key_refuses,
                a_401_about_the_key_refuses,
                a_403_or_404_about_the_key_refuses,
                every_shape_of_the_negative_answer_has_its_meaning,
                a_401_about_something_else_is_internal_error_without_a_storm,
                a_403_about_something_else_is_internal_error_without_a_storm,
                errors_are_about_the_key_only_if_every_one_is,
                an_is_valid_that_is_not_a_boolean_judges_nothing,
                a_valid_key_without_an_id_judges_nothing,
                scopes_that_are_not_a_list_of_texts_judge_nothing,
                scopes_that_are_null_or_absent_are_no_scopes,
                a_valid_key_of_unknown_or_missing_status_is_inactive,
                a_revoked_key_is_revoked_whatever_is_valid_says,
                a_key_that_is_not_valid_and_names_no_other_status_is_invalid,
                what_does_not_decide_does_not_matter,
            }
            attempts {
                a_client_past_its_limit_is_refused_until_its_window_ends,
                the_guides_limit_is_100_in_15_minutes,
                every_kind_of_protection_limits_alike,
                a_limit_is_told_in_problem_details_where_asked_for,
                one_request_is_one_attempt,
                a_cache_hit_is_no_attempt,
                a_remembered_refusal_is_no_attempt,
                a_malformed_key_is_no_attempt,
                a_key_with_another_prefix_is_no_attempt,
                a_caller_who_joins_a_verification_makes_no_attempt,
                a_burst_gets_no_attempt_too_many,
                a_burst_that_waits_for_its_attempts_gets_none_too_many,
                open_attempts_do_not_limit_clients_with_good_keys,
                an_attempt_that_kinde_could_not_answer_is_given_back,
                attempts_without_a_judgement_come_back_ten_times_the_limit,
                an_outage_that_is_over_leaves_the_client_its_attempts,
                a_refused_attempt_does_not_prolong_the_limit,
                good_keys_are_no_attempts_unless_all_count,
            }
            binding {
                a_key_of_another_api_is_api_mismatch,
                a_key_that_is_for_no_api_is_api_mismatch,
                a_mismatch_comes_before_what_the_route_asks_for,
                a_mismatch_is_told_in_every_form,
                a_bound_key_costs_one_more_call_and_a_hit_none,
                a_server_that_is_not_bound_makes_no_second_call,
                a_key_that_is_refused_anyway_causes_no_second_call,
                a_list_that_is_missing_or_odd_is_unavailable,
                a_second_call_without_an_answer_is_unavailable,
                a_second_call_that_is_set_up_wrong_is_internal_error,
                a_key_that_leaves_the_api_gets_in_by_no_stale_answer,
                a_mismatch_is_remembered_as_long_as_other_refusals,
                a_mismatch_is_an_attempt_of_its_client,
                a_crowd_with_one_key_of_another_api_asks_once,
            }
            blocked {
                a_blocked_thread_delays_no_other_requests_key,
            }
            breaker {
                unknown_keys_get_their_503_without_a_call_in_an_outage,
                a_callers_key_that_is_judged_ends_an_outage_too,
                a_breaker_closes_however_kinde_answers_unknown_keys,
                keys_are_judged_half_a_minute_after_an_outage_of_any_length,
                refusals_are_no_outage,
                a_wrong_set_up_is_told_from_memory_for_a_second,
                a_wrong_set_up_costs_few_calls_whatever_a_client_presents,
                a_key_that_kinde_cannot_read_is_no_outage_for_others,
                an_outage_costs_no_attempt_and_serves_stale_without_calls,
            }
            bulkhead {
                a_key_past_the_limit_is_turned_away_without_a_queue,
                unknown_keys_past_the_limit_wait_for_their_turn,
                a_caller_waits_at_most_a_third_of_the_budget_for_its_turn,
                an_unknown_key_past_the_queue_is_turned_away_at_once,
                a_full_queue_serves_no_stale_answer,
                a_limited_client_gets_no_stale_answer,
                a_client_without_a_verification_goes_before_a_greedy_one,
                no_single_client_takes_all_places,
                a_caller_past_the_largest_crowd_is_turned_away,
                an_answered_caller_no_longer_counts_as_waiting,
                a_crowd_with_one_key_keeps_nobody_elses_key_waiting,
            }
            caching {
                a_good_key_is_asked_about_once,
                each_key_is_asked_about_for_itself,
                every_request_asks_without_a_cache,
                an_answer_is_forgotten_when_its_time_is_up,
                scopes_are_checked_again_on_a_hit,
                the_owner_is_checked_again_on_a_hit,
                a_denial_for_scopes_leaves_the_identity_cached,
                a_refused_key_is_asked_about_again,
                a_key_that_becomes_active_is_let_in_at_once,
                an_outage_is_not_remembered,
                a_cached_key_outlasts_an_outage,
                a_purged_key_is_asked_about_again,
            }
            clients {
                the_peer_is_the_client,
                no_header_is_believed_without_trusted_proxies,
                a_peer_that_is_not_trusted_is_not_believed,
                two_clients_behind_a_trusted_proxy_are_limited_apart,
                the_rightmost_untrusted_address_is_the_client,
                text_that_is_no_address_ends_at_the_last_trusted_hop,
                the_header_forwarded_is_believed_if_asked_for,
                an_ipv6_network_is_one_client,
                the_size_of_an_ipv6_network_can_be_set,
                an_ipv4_mapped_address_is_its_ipv4_address,
                an_address_that_the_application_supplies_is_the_peers,
                a_supplied_address_of_a_trusted_proxy_is_believed,
            }
            concurrency {
                a_crowd_with_one_new_key_asks_once,
                a_crowd_with_one_refused_key_is_refused_alike,
                many_new_keys_at_once_each_get_their_own_identity,
                good_and_bad_keys_at_once_are_not_mixed_up,
                a_client_that_hangs_up_cancels_nobody_elses_verification,
                a_verification_is_finished_though_its_only_client_hung_up,
                a_slow_key_keeps_no_other_key_waiting,
            }
            connections {
                a_connection_serves_many_requests_and_outlives_denials,
                pipelined_requests_are_answered_in_order_by_their_own_keys,
                a_request_in_many_pieces_is_read_whole,
                a_good_key_gets_its_body_to_the_handler_unchanged,
                a_key_is_refused_before_the_body_is_read,
                a_malformed_body_is_no_concern_of_a_refused_key,
            }
            denials {
                an_open_route_asks_for_nothing,
                a_good_key_is_let_in_and_tells_who_it_is,
                nothing_presented_is_missing_key,
                another_scheme_is_invalid_format,
                a_repeated_header_is_multiple_keys,
                a_key_that_nobody_knows_is_invalid_key,
                a_revoked_key_is_key_revoked,
                an_inactive_key_is_key_inactive,
                missing_scopes_are_insufficient_scope,
                a_route_for_organizations_is_organization_key_required,
                a_route_for_users_is_user_key_required,
                another_organization_is_a_mismatch_that_names_neither,
                an_outage_is_verification_unavailable,
                a_set_up_that_kinde_refuses_is_internal_error,
                every_kind_of_protection_refuses_alike,
            }
            extraction {
                the_scheme_is_read_in_any_case,
                several_spaces_may_stand_before_the_key,
                white_space_around_the_value_does_not_count,
                the_name_of_the_header_is_read_in_any_case,
                every_token68_is_a_key,
                a_key_of_512_bytes_is_read_and_one_of_513_is_not,
                a_tab_is_no_space,
                nothing_may_follow_the_key,
                nothing_but_the_scheme_may_precede_the_key,
                a_key_without_its_scheme_is_malformed,
                a_scheme_without_a_key_is_malformed,
                another_scheme_is_malformed_whatever_it_carries,
                keys_joined_by_commas_are_malformed,
                characters_that_no_key_has_are_malformed,
                text_beyond_ascii_is_malformed,
                bytes_that_are_no_utf8_are_malformed,
                an_empty_value_is_nothing_presented,
                white_space_alone_is_nothing_presented,
                a_repeated_header_is_refused_whatever_its_values,
                no_other_place_is_looked_at,
            }
            fault_matrix {
                a_cold_key_meets_every_fault,
                a_cold_key_meets_every_fault_with_retries_and_a_breaker,
                a_cached_key_notices_no_fault,
                an_expired_key_meets_every_fault,
                no_stale_answer_serves_against_an_answer_about_its_key,
                every_fault_of_the_token_endpoint_is_ours_and_passes,
            }
            forgetting {
                a_purged_key_is_refused_on_its_next_request,
                an_answer_from_before_a_purge_lets_nobody_in_after_it,
                a_purge_concerns_nobody_else,
                a_new_secret_ends_the_old_one_at_once,
                an_answer_about_a_rotated_secret_is_asked_for_again,
            }
            generated {
                near_misses_of_a_bearer_key_are_told_from_keys,
                near_misses_of_a_key_alone_are_told_from_keys,
            }
            kindes_connections {
                dead_connections_cost_a_part_of_the_budget_and_no_key,
                dead_connections_turn_away_none_of_many_keys_at_once,
                connections_that_kinde_closes_at_some_use_cost_no_key,
                breaking_every_busy_connection_costs_no_key,
                resetting_every_idle_connection_at_its_use_costs_no_key,
                one_backend_of_three_that_hangs_costs_no_key,
                a_kinde_that_refuses_connections_for_a_moment_is_found_again,
            }
            methods {
                head_answers_as_get_without_a_body,
                head_is_refused_as_get_is_without_a_body,
                a_refused_head_leaves_the_connection_in_step,
                options_is_protected_like_any_method,
                a_pre_flight_passes_if_asked_for,
                a_request_without_a_mark_of_a_pre_flight_is_protected,
            }
            negative {
                a_refusal_is_remembered_if_asked_for,
                a_remembered_refusal_ends_with_its_time_or_its_removal,
                failures_are_never_remembered_as_refusals,
                junk_pushes_no_good_key_out,
            }
            observers {
                a_denial_is_told_with_route_policy_and_client,
                a_route_is_told_as_its_template,
            }
            odd_keys {
                one_odd_key_harms_nobody_else_and_its_client_is_limited,
                fifty_odd_keys_of_one_client_harm_nobody_else,
                keys_that_must_wait_harm_nobody_else_and_cost_no_calls,
                keys_that_are_never_answered_harm_nobody_else,
                a_revoked_key_stays_out_whatever_its_client_does_besides,
            }
            once {
                two_extractors_of_one_handler_verify_once,
                a_layer_and_extractors_verify_once,
                a_layer_and_extractors_verify_once_with_the_cache_on,
                alternatives_for_one_path_verify_once,
                a_refusal_is_asked_for_once,
                an_outage_is_met_once,
                one_request_remembers_nothing_for_the_next,
            }
            optional {
                nothing_presented_is_anonymous,
                a_good_key_is_known,
                a_malformed_key_is_refused,
                a_repeated_header_is_refused,
                a_key_that_kinde_refuses_is_refused,
                an_outage_makes_nobody_anonymous,
            }
            outages {
                a_slow_answer_within_the_budget_is_good,
                an_upstream_that_hangs_is_unavailable_after_the_budget,
                a_broken_connection_is_unavailable,
                an_error_of_kindes_is_unavailable,
                a_request_that_kinde_could_not_read_is_unavailable,
                a_limit_at_kinde_is_unavailable_until_its_moment,
                a_moment_is_a_date_or_a_number,
                an_unreadable_answer_is_unavailable,
                a_wrong_address_is_internal_error,
                a_redirect_is_not_followed_and_is_internal_error,
                a_flapping_upstream_is_believed_when_it_answers,
                an_upstream_that_is_gone_is_unavailable,
                a_kinde_that_hangs_keeps_nobody_past_the_budget,
            }
            overload {
                a_cold_start_gets_through_a_kinde_that_takes_few_at_once,
                most_keys_that_kinde_can_take_get_in_under_overload,
                a_moment_on_each_429_pauses_the_key_that_drew_it_alone,
                a_silence_that_kinde_asks_of_everybody_is_kept,
                answers_that_take_most_of_the_budget_are_good_ones,
            }
            policies {
                all_of_several_scopes_are_needed,
                any_of_several_scopes_is_enough,
                policies_nest,
                scopes_match_exactly,
                a_layer_checks_scopes,
                an_organization_key_is_of_any_organization,
                a_user_key_is_of_any_user,
                a_bound_route_is_for_one_organization,
                the_owner_is_checked_before_scopes,
                an_empty_owner_is_an_absent_owner,
                an_operation_asks_for_the_scope_that_kinde_makes_for_it,
            }
            refresh {
                a_key_in_use_is_renewed_early_and_nobody_waits,
                a_renewal_that_fails_leaves_the_key_its_time,
                a_renewal_that_is_refused_ends_the_key,
                nothing_is_renewed_ahead_unless_asked_for,
            }
            removal {
                the_credential_stays_unless_removal_is_asked_for,
                the_handler_does_not_see_the_header,
                the_handler_does_not_see_an_empty_header_either,
                the_handler_sees_a_value_of_another_scheme,
                the_handler_sees_a_token_that_is_ignored,
                of_a_web_sockets_protocols_the_handler_sees_all_but_the_key,
                the_handler_does_not_see_the_query_parameter_but_all_others,
                extractors_still_know_the_key_after_a_layer_removed_it,
            }
            rendering {
                denials_are_problem_details_if_asked_for,
                the_realm_stands_in_every_challenge,
                a_realm_with_quotes_is_escaped,
                scopes_with_odd_characters_are_escaped_in_the_body,
                documented_problems_tell_a_program_what_to_do,
                a_grpc_request_is_refused_in_its_protocol,
                a_renderer_words_the_bodies_of_denials,
                a_renderer_learns_what_the_caller_understands,
                a_renderer_words_no_grpc_answer,
            }
            retries {
                a_failure_that_passes_is_not_noticed,
                a_verification_is_tried_three_times_at_most,
                a_wait_that_kinde_asks_for_is_kept,
                a_wait_past_the_budget_is_answered_at_once,
                a_moment_after_more_than_an_hour_counts_as_none,
                a_failure_that_a_retry_cannot_mend_is_asked_once,
                each_verification_has_one_retry_and_further_ones_are_few,
                a_crowd_shares_the_retries_of_one_verification,
            }
            sources {
                a_header_of_its_own_holds_the_key_alone,
                a_missing_header_of_its_own_is_named,
                another_scheme_is_asked_for_in_the_challenge,
                the_user_name_of_http_basic_is_the_key,
                the_password_of_http_basic_is_the_key,
                a_scheme_may_stand_before_the_key_in_any_header,
                authorization_may_hold_the_key_alone,
                a_web_socket_may_offer_the_key_as_a_protocol,
                a_value_of_another_scheme_is_no_second_key,
                a_token_that_is_no_api_key_can_be_ignored,
                a_query_parameter_is_the_key,
                a_missing_query_parameter_is_named,
                of_several_places_exactly_one_is_used,
                a_missing_key_names_every_place_in_order,
                one_header_may_carry_several_schemes,
                a_key_with_another_prefix_asks_nobody,
            }
            stale {
                no_stale_answer_is_served_unless_asked_for,
                a_stale_answer_serves_while_kinde_cannot_answer,
                an_answer_that_judges_nothing_ends_the_stale_one_for_good,
                an_odd_answer_in_an_outage_ends_no_stale_one,
                a_key_that_kinde_gave_up_gets_in_by_no_stale_answer,
                a_stale_answer_serves_while_a_slow_kinde_renews_it,
                a_stale_answer_serves_while_there_is_no_token,
                a_stale_answer_has_an_end_that_failures_do_not_move,
                no_outage_brings_a_refused_key_back,
                a_route_for_fresh_answers_refuses_stale_ones,
                a_route_for_fresh_answers_waits_for_a_slow_kinde,
            }
            sub_requests {
                cold_sub_requests_are_judged_by_what_they_present,
                warm_sub_requests_are_judged_by_what_they_present,
                one_known_key_does_not_stand_for_an_unknown_one,
                sub_requests_without_a_cache_are_judged_alike,
                a_sub_request_asks_about_its_own_key_alone,
                a_refused_request_makes_no_sub_request,
                a_sub_request_may_present_its_key_elsewhere,
                sub_requests_are_judged_though_credentials_are_removed,
            }
            tokens {
                one_token_serves_all,
                credentials_that_are_refused_are_internal_error,
                a_token_endpoint_that_fails_is_unavailable,
                a_200_without_a_token_is_unavailable,
                a_token_endpoint_that_hangs_is_unavailable_after_the_budget,
                a_revoked_token_is_renewed_without_the_callers_notice,
                a_token_that_lacks_its_scope_is_internal_error,
                a_401_or_403_that_persists_is_internal_error,
                a_token_that_was_accepted_for_another_key_is_not_doubted,
                a_token_stays_in_use_until_its_successor_is_accepted,
            }
            uploads {
                a_refused_upload_gets_its_answer,
                a_refused_upload_is_answered_before_it_is_read,
                an_upload_past_the_limit_is_not_read,
                an_upload_that_waits_for_leave_is_refused_at_once,
            }
            wiring {
                an_unwired_handler_is_internal_error_and_never_open,
            }
        }
    };
}

mod uses;

#[cfg(test)]
mod tests;
