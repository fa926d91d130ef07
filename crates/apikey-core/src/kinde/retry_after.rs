//! Reads how long Kinde asks callers to wait.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// A longer wait is ignored, because no service means it.
const LONGEST: Duration = Duration::from_secs(3600);
const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// What the headers of a response say about the next call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RetryAfter {
    /// Whether there is a `Retry-After` header, readable or not. With one, a 503 means an overload.
    pub(crate) has_header: bool,
    /// How long to wait, if a header says so, and if that is at most 3600 s.
    pub(crate) wait: Option<Duration>,
}

impl RetryAfter {
    /// Reads `Retry-After`, else `RateLimit-Reset`. The latter counts with a 429 only, because Kinde may send it with every
    /// response. A date in `Retry-After` is compared with the response's own `Date`, or with `now` if it has none.
    pub(super) fn read(status: u16, headers: &HeaderMap, now: Timestamp) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let retry_after = text(RETRY_AFTER).and_then(|value| {
            seconds(value).or_else(|| {
                let sent_at = text(DATE).and_then(date).unwrap_or(now);
                Duration::try_from(date(value)?.duration_since(sent_at)).ok()
            })
        });
        let is_named = |wait: &Duration| *wait <= LONGEST;
        let reset = || text(RATE_LIMIT_RESET).filter(|_| status == 429).and_then(seconds).filter(is_named);
        Self {
            has_header: headers.contains_key(RETRY_AFTER),
            wait: retry_after.filter(is_named).or_else(reset),
        }
    }
}

/// Reads a number of seconds: digits only, without the sign that `parse` would accept.
fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().map_or(Duration::MAX, Duration::from_secs))
}

/// Reads a date in one of the three forms of HTTP (RFC 9110, section 5.6.7).
fn date(text: &str) -> Option<Timestamp> {
    const MAIL: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    const EARLIER: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    MAIL.parse_timestamp(text).ok().or_else(|| {
        let parsed =
            EARLIER.iter().find_map(|format| strtime::parse(format, text).ok()?.to_datetime().ok())?;
        jiff::tz::Offset::UTC.to_timestamp(parsed).ok()
    })
}

#[cfg(test)]
mod tests;
