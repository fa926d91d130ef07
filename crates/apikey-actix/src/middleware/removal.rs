use std::cell::Cell;

use actix_web::dev::ServiceRequest;
use apikey_core::{Authenticator, Denial};

use crate::memo;
use crate::request::{Head, held};

/// Takes credentials out at one place of one worker's app.
///
/// If other code holds a clone of the request, it can't be changed, and actix says so only by a panic. A middleware may hold
/// every request. Then each would print a panic. So while no request could be changed at this place, only the 1st, 2nd,
/// 4th, 8th and each 16th of them is tried, and the others are refused without a panic. It must not stop altogether: that
/// one request was held does not mean that the next one is.
#[derive(Debug, Default)]
pub struct Removal {
    refused: Cell<u64>,
    has_worked: Cell<bool>,
}

impl Removal {
    /// # Errors
    /// [`Denial`], if the request can't be changed.
    pub(super) fn take(
        &self,
        request: &mut ServiceRequest,
        authenticator: &Authenticator,
    ) -> Result<(), Denial> {
        if !authenticator.removes_credential() {
            return Ok(());
        }
        let number = self.refused.get() + 1;
        let is_tried = self.has_worked.get() || number.is_multiple_of(16) || number.is_power_of_two();
        let outcome = if is_tried { memo::take(request, authenticator) } else { Err(held()) };
        match outcome {
            Ok(()) => self.has_worked.set(true),
            Err(_) => self.refused.set(number),
        }
        outcome.map_err(|denial| denial.answering(&Head(request.request())))
    }
}
