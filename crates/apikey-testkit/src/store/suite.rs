//! The list of all promises, as the macro that makes a test of each.

/// Makes a test of each [promise](crate::store::promises). The expression makes a [`StoreSubject`](crate::store::StoreSubject),
/// and is evaluated for each test. The tests may share a server, because all use names of their own.
///
/// ```
/// mod memory {
///     apikey_testkit::store_tests!(apikey_testkit::store::MemoryStore::new());
/// }
/// ```
#[macro_export]
macro_rules! store_tests {
    ($subject:expr) => {
        $crate::store_tests! { @tests $subject;
            calls {
                a_store_that_works_passes_its_check,
                a_call_that_was_given_up_leaves_the_connection_usable,
                each_reply_goes_to_its_own_caller,
                a_rediscovered_store_works_again,
            }
            entries {
                nothing_is_found_if_nothing_is_kept,
                an_entry_comes_back_byte_for_byte,
                an_entry_of_64_kib_is_kept_and_a_larger_one_refused,
                a_later_entry_stays,
                an_entry_ends_after_its_time,
                entries_have_names_of_their_own,
                the_clock_goes_on,
            }
            log {
                an_empty_log_shows_nothing,
                records_are_shown_in_their_order,
                a_pull_shows_what_follows_the_tip,
                an_origin_is_appended_once,
                a_tip_with_another_id_is_another_log,
                a_tip_that_is_gone_is_another_log,
                many_records_come_in_pages,
                old_records_are_dropped_but_not_the_newest_of_them,
                what_was_appended_is_in_every_later_pull,
                logs_have_names_of_their_own,
                a_record_has_the_time_of_its_appending,
                a_run_keeps_its_name,
                a_record_of_8_kib_is_appended_and_a_larger_one_refused,
            }
            windows {
                a_window_fills,
                a_window_ends_after_its_time,
                what_is_given_back_can_be_taken_again,
                attempts_under_way_do_not_use_a_window_up,
                nothing_is_given_back_to_another_window,
                no_crowd_takes_more_than_the_limit,
                nothing_fits_into_a_limit_of_zero,
                windows_have_names_of_their_own,
            }
        }
    };
    (@tests $subject:expr; $($theme:ident { $($promise:ident,)* })*) => {
        $(
            mod $theme {
                #[allow(unused_imports)]
                use super::*;
                $(
                    #[test]
                    fn $promise() {
                        let subject = $subject;
                        $crate::store::promises::run($crate::store::promises::$theme::$promise(&subject));
                    }
                )*
            }
        )*
    };
}
