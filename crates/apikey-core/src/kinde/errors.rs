//! Reads the `errors` of a response, and says whether they are about the key.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::json::{Member, object};
use crate::verification::Refusal;

/// The words that may stand beside `API_KEY` in a code about the key.
const WORDS: [&str; 11] = [
    "INVALID",
    "NOT",
    "VALID",
    "FOUND",
    "REVOKED",
    "INACTIVE",
    "DISABLED",
    "EXPIRED",
    "DELETED",
    "UNKNOWN",
    "MALFORMED",
];
/// Codes about the key that do not contain `API_KEY`.
const CODES: [&str; 4] = ["KEY_REVOKED", "KEY_INACTIVE", "KEY_NOT_FOUND", "INVALID_KEY"];

/// The codes of all errors; `None` stands for an error without a readable code.
#[derive(Debug, Default)]
pub(super) struct Errors<'a>(Vec<Option<Cow<'a, str>>>);

impl<'a> Errors<'a> {
    /// Reads the `errors` of a body: an array or, with a 404, one object. A body that can't be read has no errors.
    pub(super) fn read(body: &'a [u8]) -> Self {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow, default, deserialize_with = "with_codes")]
            errors: Option<Member<'a>>,
        }
        fn with_codes<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<Member<'a>>, D::Error> {
            Member::with_member("code", deserializer)
        }
        let code = |error: Member<'a>| error.into_member().and_then(Member::text);
        Self(match object::<Body<'_>>(body).and_then(|body| body.errors) {
            None => Vec::new(),
            Some(Member::List(errors)) => errors.into_iter().map(code).collect(),
            Some(single) => vec![code(single)],
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the errors has this code, in upper or lower case.
    pub(super) fn has(&self, code: &str) -> bool {
        self.0.iter().flatten().any(|known| known.eq_ignore_ascii_case(code))
    }

    /// Why Kinde refuses the key; `None` if there are no errors, or if one of them is not about the key.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let refusals = self.0.iter().map(|code| refusal_named_by(code.as_deref()?));
        let refusals: Vec<Refusal> = refusals.collect::<Option<_>>()?;
        [Refusal::Revoked, Refusal::Inactive, Refusal::Invalid].into_iter().find(|one| refusals.contains(one))
    }
}

/// Why Kinde refuses the key; `None` if the code is not about the key. A code about keys in general, such as
/// `API_KEYS_QUOTA_EXCEEDED` or `MISSING_SCOPE_READ_API_KEYS`, is not about the key.
fn refusal_named_by(code: &str) -> Option<Refusal> {
    let code = code.to_ascii_uppercase();
    let words: Vec<&str> = code.split('_').collect();
    let is_about_the_key = CODES.contains(&code.as_str())
        || words.windows(2).position(|pair| pair == ["API", "KEY"]).is_some_and(|at| {
            words
                .iter()
                .enumerate()
                .all(|(index, word)| index == at || index == at + 1 || WORDS.contains(word))
        });
    is_about_the_key.then(|| {
        if words.contains(&"REVOKED") {
            Refusal::Revoked
        } else if words.contains(&"INACTIVE") || words.contains(&"DISABLED") {
            Refusal::Inactive
        } else {
            Refusal::Invalid
        }
    })
}
