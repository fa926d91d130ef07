//! What the status of a response means, for both endpoints.

use super::retry_after::RetryAfter;
use super::setting_names::SettingNames;
use crate::verifier::VerifierError;

/// The longest body that is read, in bytes. Kinde's bodies have a few hundred.
pub(super) const LONGEST_BODY: usize = 64 * 1024;

/// The status of a response, and how long Kinde asks callers to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) retry_after: RetryAfter,
}

/// Whether the status alone decides what a response means. Then nobody waits for its body.
pub(crate) fn status_decides(status: u16) -> bool {
    match status {
        405 | 408 | 421 | 429 => true,
        200..300 | 400..500 => false,
        _ => true,
    }
}

/// The error for a status that decides alone. `who` is the subject of its sentences.
pub(super) fn failure_by_status(head: Head, who: &str, names: SettingNames) -> VerifierError {
    let (status, domain) = (head.status, names.domain);
    let is_overload = status == 429 || (status == 503 && head.retry_after.has_header);
    if is_overload {
        let overload = VerifierError::overload(format!("{who} is overloaded (status {status})"));
        return match head.retry_after.wait {
            Some(wait) => overload.with_retry_after(wait),
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
