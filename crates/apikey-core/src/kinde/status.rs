//! What the status of a response means, at either endpoint.

use super::retry_after::RetryAfter;
use super::setting_names::SettingNames;
use crate::verifier::VerifierError;

/// The longest body that is read, in bytes; Kinde's have a few hundred.
pub(super) const LONGEST_BODY: usize = 64 * 1024;

/// An answer's status, and until when Kinde asks to be left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) retry_after: RetryAfter,
}

/// Whether the status alone decides what an answer means: then its body is not waited for.
pub(crate) fn status_decides(status: u16) -> bool {
    match status {
        405 | 408 | 421 | 429 => true,
        200..300 | 400..500 => false,
        _ => true,
    }
}

/// The failure that a status proves by itself, at either endpoint. `who` begins the sentence.
pub(super) fn failure_by_status(head: Head, who: &str, names: SettingNames) -> VerifierError {
    let (status, domain) = (head.status, names.domain);
    let is_overload = status == 429 || (status == 503 && head.retry_after.has_header);
    if is_overload {
        let overload = VerifierError::overload(format!("{who} asks for time (status {status})"));
        return match head.retry_after.wait {
            Some(wait) => overload.retry_after(wait),
            None => overload,
        };
    }
    match status {
        300..400 => VerifierError::set_up(format!(
            "{who} redirects elsewhere (status {status}): check {domain}, which must be the host itself"
        )),
        405 => VerifierError::set_up(format!("{who} refuses the call (status {status}): check {domain}")),
        _ => VerifierError::outage(format!("{who} answered with status {status}")),
    }
}
