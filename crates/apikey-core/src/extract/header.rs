//! A key in a header: bare, or after a scheme.

use super::accepted::Accepted;
use super::encoding::Base64;
use super::{Found, Malformed};
use crate::key::{Credential, LONGEST_KEY};

/// The header of the default, in lower case.
pub(super) const AUTHORIZATION: &str = "authorization";

/// A header with a key, and the forms that the key may have there.
pub(super) struct Header {
    /// In lower case.
    pub(super) name: String,
    pub(super) forms: Vec<Form>,
}

impl Header {
    pub(super) fn has_form_of(&self, other: &Self) -> bool {
        self.forms.iter().any(|form| other.forms.iter().any(|other| form.is_same_as(other)))
    }

    /// What stands in the header. `values` has one for each of its lines.
    pub(super) fn find<'a>(
        &self,
        mut values: impl Iterator<Item = &'a [u8]>,
        accepted: &Accepted,
    ) -> Result<Found<'a>, Malformed> {
        let first = values.next();
        if values.next().is_some() {
            return Err(Malformed::SeveralKeys);
        }
        match first.map(without_whitespace) {
            None | Some([]) => Ok(Found::Nothing),
            Some(value) => self.judge(value, accepted),
        }
    }

    fn judge<'a>(&self, value: &'a [u8], accepted: &Accepted) -> Result<Found<'a>, Malformed> {
        let mut has_our_scheme = false;
        for form in &self.forms {
            let text = match form.scheme() {
                Some(scheme) => credentials_of(value, scheme),
                // A caller that has no key may send the scheme alone, so that is no key.
                None if self.is_scheme(value) => None,
                None => Some(value),
            };
            let Some(text) = text else { continue };
            has_our_scheme |= !matches!(form, Form::Whole);
            let key = match form {
                Form::Scheme(_) | Form::Whole => Credential::borrowed(text),
                Form::Basic(part) => basic(text, *part),
            };
            match key {
                Some(key) if accepted.accepts(key.as_bytes()) => return Ok(Found::Key(key)),
                _ => {}
            }
        }
        let must_be_ours = has_our_scheme && !accepted.ignores_others;
        if must_be_ours || !self.is_foreign(value, accepted) {
            Err(Malformed::Format)
        } else {
            Ok(Found::Foreign)
        }
    }

    /// Whether a value that holds no accepted key is meant for somebody else. If other tokens are ignored, a value is
    /// ours only if its text begins as our keys do.
    #[cold]
    fn is_foreign(&self, value: &[u8], accepted: &Accepted) -> bool {
        let may_be_bare = self.forms.iter().any(|form| matches!(form, Form::Whole));
        match self.split_scheme(value) {
            Some((scheme, rest)) if self.is_scheme(scheme) => {
                let is_ours = |form: &Form| {
                    form.has_scheme(scheme) && form.has_text(rest, &|text| accepted.accepts(text))
                };
                accepted.ignores_others && !self.forms.iter().any(is_ours)
            }
            Some(_) if !accepted.ignores_others || !may_be_bare => true,
            _ => accepted.ignores_others && !accepted.accepts(value),
        }
    }

    /// The scheme of a value `<scheme> <anything>`, and what follows it. `None` if this header has no schemes.
    fn split_scheme<'a>(&self, value: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let has_schemes = self.name == AUTHORIZATION || self.forms.iter().any(|form| form.scheme().is_some());
        if has_schemes { scheme_and_rest(value) } else { None }
    }

    /// Whether the text is one of the configured schemes.
    fn is_scheme(&self, text: &[u8]) -> bool {
        self.forms.iter().any(|form| form.has_scheme(text))
    }
}

pub(super) enum Form {
    /// `<scheme> 1*SP token68`.
    Scheme(String),
    /// A part of HTTP Basic's `user-id ":" password`.
    Basic(BasicPart),
    /// The whole value.
    Whole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BasicPart {
    UserName,
    Password,
}

impl Form {
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scheme(one), Self::Scheme(two)) => one.eq_ignore_ascii_case(two),
            (Self::Basic(one), Self::Basic(two)) => one == two,
            (Self::Whole, Self::Whole) => true,
            _ => false,
        }
    }

    /// The scheme that stands before the key, if there is one.
    fn scheme(&self) -> Option<&str> {
        match self {
            Self::Scheme(scheme) => Some(scheme),
            Self::Basic(_) => Some("basic"),
            Self::Whole => None,
        }
    }

    fn has_scheme(&self, scheme: &[u8]) -> bool {
        self.scheme().is_some_and(|known| known.as_bytes().eq_ignore_ascii_case(scheme))
    }

    /// Whether `begins_as_ours` is true for the text that would be the key, if it were well-formed. `rest` is what
    /// follows the scheme.
    fn has_text(&self, rest: &[u8], begins_as_ours: &dyn Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Scheme(_) => begins_as_ours(rest),
            // No prefix of a key holds a colon, so the user name begins with one if all of it does.
            Self::Basic(BasicPart::UserName) => begins_as_ours(&Base64::STANDARD.decode_beginning(rest)),
            Self::Basic(part) => {
                part.of(&Base64::STANDARD.decode_beginning(rest)).is_some_and(begins_as_ours)
            }
            Self::Whole => false,
        }
    }
}

impl BasicPart {
    /// This part of `user-id ":" password`. The user name ends at the first colon.
    fn of(self, credentials: &[u8]) -> Option<&[u8]> {
        let mut parts = credentials.splitn(2, |byte| *byte == b':');
        let (user_name, password) = (parts.next()?, parts.next()?);
        Some(match self {
            Self::UserName => user_name,
            Self::Password => password,
        })
    }
}

/// What follows `<scheme> 1*SP`, if the value has that scheme (RFC 9110, section 11.4).
fn credentials_of<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (found, rest) = value.split_at_checked(scheme.len())?;
    // Nearly every caller writes the scheme as it is configured, and an exact comparison is faster.
    let is_scheme = found == scheme.as_bytes() || found.eq_ignore_ascii_case(scheme.as_bytes());
    if !is_scheme || rest.first() != Some(&b' ') {
        return None;
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    rest.get(spaces..)
}

/// Splits `<scheme> <anything>`. `None` if the value does not begin with a scheme and whitespace.
fn scheme_and_rest(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = value.iter().position(|byte| !is_tchar(*byte)).filter(|end| *end > 0)?;
    let (scheme, rest) = value.split_at_checked(end)?;
    let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if spaces > 0 { Some((scheme, rest.get(spaces..)?)) } else { None }
}

/// `tchar` (RFC 9110, section 5.6.2).
pub(super) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Removes optional whitespace around a header value, or around a member of one (RFC 9110, section 5.5).
pub(super) fn without_whitespace(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The longest `user-id:password` that is decoded, in bytes.
const LONGEST_BASIC: usize = 2 * LONGEST_KEY;

fn basic(encoded: &[u8], part: BasicPart) -> Option<Credential<'static>> {
    if encoded.len() > LONGEST_BASIC.div_ceil(3) * 4 {
        return None;
    }
    let credentials = Base64::STANDARD.decode(encoded)?;
    Credential::decoded(part.of(&credentials)?)
}
