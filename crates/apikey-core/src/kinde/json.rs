//! Reads JSON without copies. Texts are borrowed from the response's buffer, which is overwritten when dropped.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Why a body judges nothing.
pub(super) const NOT_THE_JSON: &str = "the response is not the JSON that was expected";

/// A member of an object, of any type. Reading it never fails, because one odd member must not hide the others.
#[derive(Debug)]
pub(crate) enum Member<'a> {
    Boolean(bool),
    Number(u64),
    /// Borrowed, unless the text is written with escapes.
    Text(Cow<'a, str>),
    List(Vec<Member<'a>>),
    /// An object. Names may be repeated.
    Object(Vec<(Cow<'a, str>, Member<'a>)>),
    /// Null, or a number that is negative or has a fraction.
    Odd,
}

impl<'a> Member<'a> {
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The member of an object with this name. `None` if it is not there, or is there twice.
    pub(super) fn into_member(self, name: &str) -> Option<Self> {
        let Self::Object(members) = self else { return None };
        let mut named = members.into_iter().filter(|(known, _)| known == name);
        let first = named.next();
        first.filter(|_| named.next().is_none()).map(|(_, member)| member)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Member::Boolean(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Member::Number(value))
    }

    fn visit_i64<E: Error>(self, _negative: i64) -> Result<Self::Value, E> {
        Ok(Member::Odd)
    }

    fn visit_f64<E: Error>(self, _not_whole: f64) -> Result<Self::Value, E> {
        Ok(Member::Odd)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Member::Odd)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = list.next_element()? {
            members.push(member);
        }
        Ok(Member::List(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, member)) = map.next_entry::<Member<'de>, Member<'de>>()? {
            members.extend(name.text().map(|name| (name, member)));
        }
        Ok(Member::Object(members))
    }
}

/// Reads a JSON object in UTF-8. serde alone would also read a struct from an array, and would accept bytes that are not
/// UTF-8 in members that it skips.
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let body = std::str::from_utf8(body).ok()?;
    if !body.trim_ascii_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(body).ok()
}

/// Whether the body is a JSON object.
pub(super) fn is_object(body: &[u8]) -> bool {
    object::<IgnoredAny>(body).is_some()
}
