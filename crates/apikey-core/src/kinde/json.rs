//! Reads JSON without copies. Texts are borrowed from the response's buffer, which is overwritten when dropped.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

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
    /// An object. Of its members, only the one that [`with_member`](Member::with_member) names is kept, and only if it is there
    /// once.
    Object(Option<Box<Member<'a>>>),
    Null,
    /// A number that is negative or has a fraction.
    Odd,
}

impl<'a> Member<'a> {
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The member of an object that was kept.
    pub(super) fn into_member(self) -> Option<Self> {
        match self {
            Self::Object(member) => member.map(|member| *member),
            _ => None,
        }
    }

    /// Reads a member that is an object or a list of objects, and keeps what each object has under this name. All other members
    /// of the objects are skipped. So they may hold what can't be read, such as half of a surrogate pair. `None` if it is null.
    pub(super) fn with_member<'de: 'a, D: Deserializer<'de>>(
        name: &'static str,
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        let member = MemberReader { kept: Some(name) }.deserialize(deserializer)?;
        Ok(if matches!(member, Self::Null) { None } else { Some(member) })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        MemberReader { kept: None }.deserialize(deserializer)
    }
}

/// Reads a member of any type.
#[derive(Clone, Copy)]
struct MemberReader {
    /// The name of the member that is kept of an object.
    kept: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for MemberReader {
    type Value = Member<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberReader {
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
        Ok(Member::Null)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = list.next_element_seed(self)? {
            members.push(member);
        }
        Ok(Member::List(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(name) = map.next_key::<Member<'de>>()? {
            if self.kept.is_some() && name.text().as_deref() == self.kept {
                kept.push(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let member = kept.pop().map(Box::new);
        Ok(Member::Object(member.filter(|_| kept.is_empty())))
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

/// JSON that can be skipped and not read: half of a surrogate pair, a number past all limits, and deep nesting, in any place.
#[cfg(test)]
pub(super) fn odd_json() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let leaf = prop_oneof![
        Just(r#""\ud83d""#.to_owned()),
        Just(r#""\udc00 and more""#.to_owned()),
        Just("1e999".to_owned()),
        Just("-1e999".to_owned()),
        (150..2_000_usize).prop_map(nested),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|list| format!("[{}]", list.join(","))),
            ("[a-z_]{0,8}", inner.clone()).prop_map(|(name, value)| format!(r#"{{"{name}":{value}}}"#)),
            inner.prop_map(|value| format!(r#"{{"code":{value},"api_ids":{value}}}"#)),
        ]
    })
}
