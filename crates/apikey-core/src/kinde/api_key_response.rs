//! What the responses of `GET /api/v1/api_keys/{key_id}` say about the APIs that a key is for. Pure.

use serde::{Deserialize, Deserializer};

use super::json::{Member, NOT_THE_JSON, object};
use super::meaning::{Meaning, read_response};
use super::setting_names::SettingNames;
use super::status::Head;
use crate::verification::{Judgement, Refusal, Verification};

/// Reads Kinde's description of a key that it has verified. The key is accepted as `verified` if the description lists
/// `api_id`, and refused if it lists only others, or none.
///
/// An error about the key refuses the key, as it does from the verify endpoint. Kinde may have deleted the key since it was
/// verified, and the later answer counts.
pub(crate) fn read_api_key_response(
    head: Head,
    body: Option<&[u8]>,
    api_id: &str,
    verified: &Verification,
    names: SettingNames,
) -> Meaning {
    read_response(head, body, "endpoint for single API keys", names, |body| {
        let api_ids = object::<Body<'_>>(body).ok_or(NOT_THE_JSON)?.api_ids()?;
        let is_listed = api_ids.into_iter().try_fold(false, |found, member| {
            let listed = member.text().ok_or("api_ids holds something other than strings")?;
            Ok::<_, &'static str>(found || listed == api_id)
        })?;
        Ok(match is_listed {
            true => Judgement::accepted(verified.clone()),
            false => Judgement::refused(Refusal::OtherApi),
        })
    })
}

/// The body of a 200. If a member is there twice, the whole body is unreadable.
#[derive(Deserialize)]
struct Body<'a> {
    /// The key, as Kinde's OpenAPI file describes the body.
    #[serde(borrow, default, deserialize_with = "with_api_ids")]
    api_key: Option<Member<'a>>,
    /// Read if the body is the key itself.
    #[serde(borrow)]
    api_ids: Option<Member<'a>>,
}

fn with_api_ids<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<Member<'a>>, D::Error> {
    Member::with_member("api_ids", deserializer)
}

impl<'a> Body<'a> {
    fn api_ids(self) -> Result<Vec<Member<'a>>, &'static str> {
        let api_ids = match self.api_key {
            Some(key) => key.into_member(),
            None => self.api_ids,
        };
        match api_ids {
            Some(Member::List(api_ids)) => Ok(api_ids),
            Some(_) => Err("api_ids is not an array"),
            None => Err("api_ids is missing"),
        }
    }
}

#[cfg(test)]
mod tests;
