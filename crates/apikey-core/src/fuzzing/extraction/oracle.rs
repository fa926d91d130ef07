//! What must be found in a request, worked out in another way than by the code under test.

use super::{Case, Form, Location};
use crate::denial_code::DenialCode;

/// The value at a location, and the forms that a key may have there.
struct Presented {
    location: Location,
    /// As it stands in the request, but without percent-encoding, and without the mark of a protocol.
    value: Vec<u8>,
    forms: Vec<Form>,
    /// Whether the protocol `apikey` is offered. `true` at other locations.
    can_be_answered: bool,
}

/// A text that is read from a value in one form.
struct Reading {
    text: Vec<u8>,
    /// Whether the encoding and the scheme before the text are well-formed.
    is_well_formed: bool,
}

impl Case {
    /// The key that must be found, or the denial.
    pub(super) fn expected(&self) -> Result<Option<String>, DenialCode> {
        let all = self.presented().ok_or(DenialCode::MultipleKeys)?;
        let (foreign, ours): (Vec<_>, Vec<_>) = all.iter().partition(|one| self.is_foreign(one));
        match ours.as_slice() {
            [] if foreign.is_empty() || self.ignores_others => Ok(None),
            [] => Err(DenialCode::InvalidFormat),
            [one] => self.key(one).map(Some).ok_or(DenialCode::InvalidFormat),
            _ => Err(DenialCode::MultipleKeys),
        }
    }

    pub(super) fn presents_nothing_of_ours(&self) -> bool {
        self.presented().is_some_and(|all| all.iter().all(|one| self.is_foreign(one)))
    }

    /// The locations with something that is not ours, and the values there.
    pub(super) fn foreign(&self) -> Vec<(Location, Vec<u8>)> {
        let mut found = Vec::new();
        for location in self.locations() {
            if let Some(Some(one)) = self.presented_at(&location) {
                if self.is_foreign(&one) {
                    found.push((location, one.value));
                }
            }
        }
        found
    }

    fn locations(&self) -> Vec<Location> {
        let mut all: Vec<Location> = Vec::new();
        for source in &self.sources {
            if !all.contains(&source.location) {
                all.push(source.location.clone());
            }
        }
        all
    }

    /// What stands at all locations. `None` if one of them is used twice.
    fn presented(&self) -> Option<Vec<Presented>> {
        let all = self.locations();
        let all: Option<Vec<_>> = all.iter().map(|location| self.presented_at(location)).collect();
        Some(all?.into_iter().flatten().collect())
    }

    /// What stands at a location, if anything does. `None` if it is used twice.
    fn presented_at(&self, location: &Location) -> Option<Option<Presented>> {
        let lines;
        let mut can_be_answered = true;
        let values: Vec<Vec<u8>> = match location {
            Location::Header(name) => {
                self.values(name).into_iter().map(|value| trimmed(value).to_vec()).collect()
            }
            Location::Query(name) => self.parameters(name),
            Location::Protocol => {
                lines = self.values("sec-websocket-protocol").join(b",".as_slice());
                let members: Vec<&[u8]> = lines.split(|byte| *byte == b',').map(trimmed).collect();
                can_be_answered = members.contains(&b"apikey".as_slice());
                let marked = members.into_iter().filter(|member| member.starts_with(b"base64url.apikey."));
                marked.map(|member| member.get(17..).unwrap_or_default().to_vec()).collect()
            }
        };
        let may_be_empty = *location == Location::Protocol;
        let at = |source: &&super::Source| source.location == *location;
        let forms: Vec<Form> = self.sources.iter().filter(at).map(|source| source.form.clone()).collect();
        match values.as_slice() {
            [] => Some(None),
            [value] if value.is_empty() && !may_be_empty => Some(None),
            [value] => {
                let (location, value) = (location.clone(), value.clone());
                Some(Some(Presented { location, value, forms, can_be_answered }))
            }
            _ => None,
        }
    }

    /// The decoded values of a parameter.
    fn parameters(&self, name: &str) -> Vec<Vec<u8>> {
        let pairs = self.query.as_deref().unwrap_or_default().split('&');
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let named = pairs.filter(|(found, _)| percent_decoded(found.as_bytes()) == name.as_bytes());
        named.map(|(_, value)| percent_decoded(value.as_bytes())).collect()
    }

    fn accepts(&self, text: &[u8]) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_bytes()))
    }

    /// The key in the value: what the first form reads that reads an accepted key.
    fn key(&self, presented: &Presented) -> Option<String> {
        let readings = presented.readings().into_iter();
        let mut keys = readings.filter(|reading| {
            let Reading { text, is_well_formed } = reading;
            *is_well_formed && is_token68(text) && text.len() <= 512 && self.accepts(text)
        });
        keys.next().and_then(|reading| String::from_utf8(reading.text).ok())
    }

    fn is_foreign(&self, presented: &Presented) -> bool {
        if !self.ignores_others {
            return presented.scheme_and_rest().is_some_and(|(scheme, _)| !presented.is_scheme(scheme));
        }
        let is_foreign_scheme = presented.scheme_and_rest().is_some_and(|(scheme, _)| {
            !presented.is_scheme(scheme) && !presented.forms.contains(&Form::Whole)
        });
        is_foreign_scheme || !presented.texts().iter().any(|text| self.accepts(text))
    }
}

impl Presented {
    /// The scheme and what follows it, if this header has schemes.
    fn scheme_and_rest(&self) -> Option<(&[u8], &[u8])> {
        let Location::Header(name) = &self.location else { return None };
        let is_scheme = |form: &Form| *form != Form::Whole;
        if name != "authorization" && !self.forms.iter().any(is_scheme) {
            return None;
        }
        let space = self.value.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
        let (scheme, rest) = self.value.split_at(space);
        let is_tchar = |byte: &u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte);
        (!scheme.is_empty() && scheme.iter().all(is_tchar)).then(|| (scheme, trimmed(rest)))
    }

    fn is_scheme(&self, text: &[u8]) -> bool {
        self.forms.iter().any(|form| match form {
            Form::Scheme(scheme) => text.eq_ignore_ascii_case(scheme.as_bytes()),
            Form::UserName | Form::Password => text.eq_ignore_ascii_case(b"basic"),
            Form::Whole => false,
        })
    }

    /// What each form reads.
    fn readings(&self) -> Vec<Reading> {
        let after_scheme = |scheme: &str| {
            let (found, rest) = self.value.split_at_checked(scheme.len())?;
            let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
            let rest = rest.get(spaces..).filter(|_| spaces > 0)?;
            found.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
        };
        let basic = |is_password: bool| {
            let rest = after_scheme("basic").filter(|rest| rest.len() <= 1368)?;
            let base64 = Base64::read(rest, *b"+/");
            let colon = base64.text.iter().position(|byte| *byte == b':')?;
            let part = if is_password { base64.text.get(colon + 1..) } else { base64.text.get(..colon) };
            Some(Reading {
                text: part?.to_vec(),
                is_well_formed: base64.is_canonical && base64.may_be_padded,
            })
        };
        let whole = || {
            if self.location == Location::Protocol {
                let base64 = Base64::read(&self.value, *b"-_");
                let is_well_formed = base64.is_canonical && base64.rest.is_empty() && self.can_be_answered;
                return Some(Reading { text: base64.text, is_well_formed });
            }
            (!self.is_scheme(&self.value)).then(|| Reading { text: self.value.clone(), is_well_formed: true })
        };
        let read = |form: &Form| match form {
            Form::Scheme(scheme) => {
                after_scheme(scheme).map(|rest| Reading { text: rest.to_vec(), is_well_formed: true })
            }
            Form::UserName => basic(false),
            Form::Password => basic(true),
            Form::Whole => whole(),
        };
        self.forms.iter().filter_map(read).collect()
    }

    /// The texts that would be keys if they were well-formed.
    fn texts(&self) -> Vec<Vec<u8>> {
        if self.location == Location::Protocol {
            return vec![Base64::read(&self.value, *b"-_").text];
        }
        let Some((scheme, rest)) = self.scheme_and_rest().filter(|(scheme, _)| self.is_scheme(scheme)) else {
            return vec![self.value.clone()];
        };
        let credentials = || Base64::read(rest, *b"+/").text;
        let is_basic = scheme.eq_ignore_ascii_case(b"basic");
        let text = |form: &Form| match form {
            Form::Scheme(known) => scheme.eq_ignore_ascii_case(known.as_bytes()).then(|| rest.to_vec()),
            Form::UserName if is_basic => Some(credentials()),
            Form::Password if is_basic => {
                let credentials = credentials();
                let colon = credentials.iter().position(|byte| *byte == b':')?;
                credentials.get(colon + 1..).map(<[u8]>::to_vec)
            }
            _ => None,
        };
        self.forms.iter().filter_map(text).collect()
    }
}

/// The beginning of a text that is base64, decoded.
struct Base64<'a> {
    text: Vec<u8>,
    /// What follows the last character of base64.
    rest: &'a [u8],
    is_canonical: bool,
    /// Whether what follows is as much padding as there may be, or less.
    may_be_padded: bool,
}

impl<'a> Base64<'a> {
    fn read(encoded: &'a [u8], specials: [u8; 2]) -> Self {
        let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(specials).collect();
        let value = |byte: &u8| alphabet.iter().position(|letter| letter == byte);
        let mut bits: Vec<bool> = Vec::new();
        for value in encoded.iter().map_while(value) {
            bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
        }
        let characters = bits.len() / 6;
        let bytes = bits.chunks_exact(8);
        let is_canonical = characters % 4 != 1 && !bytes.remainder().contains(&true);
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        let rest = encoded.get(characters..).unwrap_or_default();
        let may_be_padded = rest.iter().all(|byte| *byte == b'=') && rest.len() <= (4 - characters % 4) % 4;
        Self { text: bytes.map(byte).collect(), rest, is_canonical, may_be_padded }
    }
}

fn is_token68(bytes: &[u8]) -> bool {
    let end = bytes.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let allowed = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    end > 0 && bytes.iter().take(end).all(|byte| allowed.contains(byte))
}

fn trimmed(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

fn percent_decoded(mut text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::new();
    while let [first, rest @ ..] = text {
        let byte = match text {
            [b'%', high, low, ..] => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
        text = if byte.is_some() { text.get(3..).unwrap_or_default() } else { rest };
    }
    decoded
}
