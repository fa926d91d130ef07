use super::*;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

/// At 08:49:37 by the wall clock.
fn wait(status: u16, fields: &[(&'static str, &str)]) -> Option<u64> {
    let now = "1994-11-06T08:49:37Z".parse().unwrap();
    RetryAfter::read(status, &headers(fields), now).wait.map(|wait| wait.as_secs())
}

#[test]
fn seconds_are_read_up_to_an_hour() {
    for (value, expected) in [
        ("0", Some(0)),
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("3600", Some(3600)),
        ("3601", None),
        ("99999999999999999999999", None),
        ("-1", None),
        ("+5", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
    ] {
        for status in [429, 503, 500] {
            assert_eq!(wait(status, &[("retry-after", value)]), expected, "{value:?}");
        }
        assert_eq!(wait(429, &[("ratelimit-reset", value)]), expected, "{value:?}");
    }
}

#[test]
fn dates_are_read_in_every_form_of_http() {
    for date in
        ["Sun, 06 Nov 1994 08:49:47 GMT", "Sunday, 06-Nov-94 08:49:47 GMT", "Sun Nov  6 08:49:47 1994"]
    {
        assert_eq!(wait(503, &[("retry-after", date)]), Some(10), "by the wall clock: {date}");
        let sent_at = ("date", "Sun, 06 Nov 1994 08:49:40 GMT");
        assert_eq!(wait(503, &[("retry-after", date), sent_at]), Some(7), "by the answer's own: {date}");
        let unreadable = ("date", "today");
        assert_eq!(wait(503, &[("retry-after", date), unreadable]), Some(10), "{date}");
    }
}

#[test]
fn dates_that_are_past_or_far_away_count_as_none() {
    for date in
        ["Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 09:49:38 GMT", "Sun, 06 Nov 2094 08:49:37 GMT"]
    {
        assert_eq!(wait(503, &[("retry-after", date)]), None, "{date}");
    }
    assert_eq!(wait(503, &[("retry-after", "Sun, 06 Nov 1994 09:49:37 GMT")]), Some(3600));
}

#[test]
fn the_reset_of_a_limit_counts_on_a_429_only() {
    for status in [200, 401, 500, 503] {
        assert_eq!(wait(status, &[("ratelimit-reset", "5")]), None, "{status}");
    }
    assert_eq!(wait(429, &[("ratelimit-reset", "5")]), Some(5));
    assert_eq!(wait(429, &[("ratelimit-reset", "5"), ("retry-after", "2")]), Some(2));
    assert_eq!(wait(429, &[("ratelimit-reset", "5"), ("retry-after", "soon")]), Some(5));
    assert_eq!(wait(429, &[("ratelimit-reset", "5"), ("retry-after", "7200")]), Some(5));
}

#[test]
fn an_unreadable_retry_after_is_there_all_the_same() {
    let read = |fields: &[_]| RetryAfter::read(503, &headers(fields), Timestamp::now());
    for value in ["soon", "", "-1", "86400"] {
        assert_eq!(read(&[("retry-after", value)]), RetryAfter { has_header: true, wait: None }, "{value:?}");
    }
    assert_eq!(read(&[]), RetryAfter::default());
}
