//! What an event of Kinde's says, and what follows from it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// How old an event may be. Kinde repeats a delivery for up to 36 hours, with the same moment in it or a later one.
pub(crate) const OLDEST: Duration = Duration::from_secs(48 * 60 * 60);
/// How far the clocks of Kinde and of this machine may be apart.
const SKEW: Duration = Duration::from_secs(5 * 60);
/// A number above this counts milliseconds. As seconds, it would be the year 5138.
const MOST_SECONDS: f64 = 1e11;

/// An event that is recent enough.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    pub(crate) id: Box<str>,
    pub(crate) effect: Effect,
}

/// What an event has to do with keys.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// The user was deleted or suspended.
    User(Box<str>),
    /// The organization was deleted.
    Organization(Box<str>),
    /// It concerns no key.
    Nothing,
}

/// Why a payload is no event to act on.
#[derive(Debug, PartialEq)]
pub(crate) enum Unusable {
    /// It is no event. An access token of the same business may have the same signature.
    NoEvent,
    /// It is too old, or comes from the future.
    Untimely,
    /// It must have an effect, and does not say on whom.
    NoSubject,
}

impl Event {
    /// Reads the payload of a token whose signature was verified.
    pub(crate) fn read(payload: &[u8], now: Timestamp) -> Result<Self, Unusable> {
        let payload: Value = serde_json::from_slice(payload).map_err(|_| Unusable::NoEvent)?;
        let text = |name| payload.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(kind), Some(id), Some(moment)) =
            (text("type"), text("event_id"), payload.get("timestamp").and_then(moment))
        else {
            return Err(Unusable::NoEvent);
        };
        let age = now.duration_since(moment);
        let (past, future) = (Duration::try_from(age), Duration::try_from(-age));
        if !past.is_ok_and(|age| age <= OLDEST) && !future.is_ok_and(|ahead| ahead <= SKEW) {
            return Err(Unusable::Untimely);
        }
        let subject = |of: &str, name: &str| {
            let subject = payload.get("data")?.get(of)?.get(name)?.as_str()?;
            (!subject.is_empty()).then(|| subject.into())
        };
        let effect = match kind {
            "user.deleted" => subject("user", "id").map(Effect::User),
            "user.updated" if is_suspended(&payload) => subject("user", "id").map(Effect::User),
            "organization.deleted" => subject("organization", "code").map(Effect::Organization),
            _ => Some(Effect::Nothing),
        };
        Ok(Self { id: id.into(), effect: effect.ok_or(Unusable::NoSubject)? })
    }
}

impl Event {
    /// The length of the longest id in it, in bytes.
    pub(super) fn longest_id(&self) -> usize {
        let subject = match &self.effect {
            Effect::User(id) | Effect::Organization(id) => id.len(),
            Effect::Nothing => 0,
        };
        subject.max(self.id.len())
    }
}

/// Anything but a plain no counts as suspended: to forget a key costs one call to Kinde.
fn is_suspended(payload: &Value) -> bool {
    let stated = payload.get("data").and_then(|data| data.get("user")?.get("is_suspended"));
    !matches!(stated, None | Some(Value::Null | Value::Bool(false)))
}

/// Reads a moment: a text by RFC 3339, as Kinde writes it, or the seconds or milliseconds since 1970.
fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let milliseconds = if number.abs() > MOST_SECONDS { number } else { number * 1e3 };
            // A number that is too large for this becomes the largest one, which is no moment.
            Timestamp::from_millisecond(milliseconds as i64).ok()
        }
        _ => None,
    }
}
