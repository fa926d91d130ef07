use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::lines;
use crate::authenticator::Authenticator;
use crate::denial::{Denial, DenialCode};
use crate::extract::CredentialSource;
use crate::key::{Credential, PresentedKey};
use crate::request::PlainRequest;
use crate::verification::Judgement;
use crate::verifier::{Verifier, VerifierError};

/// Checks how a key is found in a request.
///
/// The input is a list of lines:
///
/// - `+bearer`, `+scheme <scheme>`, `+basic`, `+header <name>`, `+query <name>`: a location of keys. Without any, it
///   is `Authorization: Bearer`.
/// - `^<prefix>`: an accepted prefix.
/// - `?<query>`: the request's query. The last one counts.
/// - anything else: a header line, `<name>:<value>`.
///
/// # Panics
/// If a promise is broken.
pub fn extraction(input: &[u8]) {
    let case = Case::read(input);
    let Some(authenticator) = case.authenticator() else { return };
    let found = extract(&authenticator, &case.request(&[], case.query.clone()));
    let found = match &found {
        Ok(key) => Ok(key.as_ref().map(PresentedKey::expose)),
        Err(denial) => {
            assert_eq!(denial.message(), denial.code().message());
            Err(denial.code())
        }
    };
    let presented = case.presented();
    match (found, &presented) {
        (Err(DenialCode::MultipleKeys), Err(Several)) | (Ok(None), Ok(None)) => {}
        (Ok(Some(key)), Ok(Some(presented))) => {
            assert!(is_token68(key.as_bytes()) && (1..=512).contains(&key.len()), "{key:?} is no key");
            assert!(case.accepts(key), "{key:?} has no accepted prefix");
            assert!(case.holds(key), "{key:?} is not in the request");
            assert!(presented.spells(key), "{key:?} is not what is presented");
        }
        (Err(DenialCode::InvalidFormat), Ok(Some(presented))) => {
            if let Some(key) = presented.well_formed() {
                assert!(!case.accepts(&key), "{key:?} is well-formed and accepted, but was refused");
            }
        }
        _ => panic!("{found:?}, but presented is {presented:?}"),
    }
    if case.is_plain() {
        assert_eq!(found, plain_bearer(&case), "as the plain case is defined");
    }
    let removed: Vec<&str> = authenticator.removed_headers().collect();
    let query = case.query.as_deref();
    let query = query.map(|query| match authenticator.target_without_credential("/", Some(query)) {
        Some(target) => target.strip_prefix("/?").unwrap_or_default().to_owned(),
        None => query.to_owned(),
    });
    let left = extract(&authenticator, &case.request(&removed, query)).map(|key| key.is_some());
    assert_eq!(left, Ok(false), "a credential is left after its removal");
}

/// An input in its parts.
#[derive(Default)]
struct Case {
    sources: Vec<Source>,
    prefixes: Vec<String>,
    query: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
}

#[derive(PartialEq)]
enum Source {
    Scheme(String),
    Basic,
    Header(String),
    Query(String),
}

/// Keys in two locations, or one location that is used twice.
#[derive(Debug)]
struct Several;

/// The content of the one location that is used, and the forms that a key may have there.
#[derive(Debug)]
struct Presented {
    value: Vec<u8>,
    schemes: Vec<String>,
    basic: bool,
    whole: bool,
}

impl Case {
    fn read(input: &[u8]) -> Self {
        let mut case = Self::default();
        for line in lines(input) {
            let text = || String::from_utf8_lossy(line.get(1..).unwrap_or_default()).into_owned();
            match line {
                [] => {}
                [b'+', ..] => case.sources.extend(Source::read(&text())),
                [b'^', ..] => case.prefixes.push(text()),
                [b'?', ..] => case.query = Some(text()),
                _ => {
                    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
                    let (name, value) = line.split_at(colon);
                    let name = String::from_utf8_lossy(name).into_owned();
                    case.headers.push((name, value.get(1..).unwrap_or_default().to_vec()));
                }
            }
        }
        if case.sources.is_empty() {
            case.sources.push(Source::Scheme("Bearer".to_owned()));
        }
        case
    }

    /// `None` if the settings are refused.
    fn authenticator(&self) -> Option<Authenticator> {
        let sources = self.sources.iter().map(|source| match source {
            Source::Scheme(scheme) => CredentialSource::authorization(scheme),
            Source::Basic => CredentialSource::basic_user_name(),
            Source::Header(name) => CredentialSource::header(name),
            Source::Query(name) => CredentialSource::insecure_query_parameter(name),
        });
        let builder = Authenticator::builder(Nobody).credential_sources(sources).remove_credential(true);
        let builder = builder.accepted_prefixes(self.prefixes.clone());
        builder.cache_capacity(1).cache_time_to_live(Duration::ZERO).attempt_limit(None).build().ok()
    }

    /// The request, without the headers of these names.
    fn request(&self, removed: &[&str], query: Option<String>) -> PlainRequest {
        let mut request = PlainRequest::new();
        for (name, value) in &self.headers {
            if !removed.iter().any(|removed| removed.eq_ignore_ascii_case(name)) {
                request = request.with_header(name, value);
            }
        }
        match query {
            Some(query) => request.with_query(query),
            None => request,
        }
    }

    /// Whether `Authorization: Bearer` is the only location.
    fn is_plain(&self) -> bool {
        self.sources == [Source::Scheme("Bearer".to_owned())] && self.prefixes.is_empty()
    }

    fn accepts(&self, key: &str) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice()).collect()
    }

    /// What the request presents, counted location by location.
    fn presented(&self) -> Result<Option<Presented>, Several> {
        let mut all: Vec<Presented> = Vec::new();
        let mut seen: Vec<(bool, String)> = Vec::new();
        for source in &self.sources {
            let (place, values) = match source {
                Source::Scheme(_) | Source::Basic => {
                    ((false, "authorization".to_owned()), trimmed(&self.values("authorization")))
                }
                Source::Header(name) => ((false, name.to_ascii_lowercase()), trimmed(&self.values(name))),
                Source::Query(name) => ((true, name.clone()), self.parameters(name)),
            };
            if seen.contains(&place) {
                continue;
            }
            seen.push(place);
            if values.len() > 1 {
                return Err(Several);
            }
            let forms = self.sources.iter().filter_map(|form| match form {
                Source::Scheme(scheme) => Some(scheme.clone()),
                _ => None,
            });
            let whole = matches!(source, Source::Header(_) | Source::Query(_));
            let schemes = if whole { Vec::new() } else { forms.collect() };
            let basic = !whole && self.sources.contains(&Source::Basic);
            let filled = values.into_iter().filter(|value| !value.is_empty());
            all.extend(filled.map(|value| Presented { value, schemes: schemes.clone(), basic, whole }));
        }
        if all.len() > 1 { Err(Several) } else { Ok(all.pop()) }
    }

    /// The decoded values of a parameter, without empty ones.
    fn parameters(&self, name: &str) -> Vec<Vec<u8>> {
        let pairs = self.query.as_deref().unwrap_or_default().split('&');
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let named = pairs.filter(|(found, _)| percent_decoded(found.as_bytes()) == name.as_bytes());
        named.map(|(_, value)| percent_decoded(value.as_bytes())).collect()
    }

    /// Whether the key occurs in the request: as it is, percent-encoded, or before a colon in base64.
    fn holds(&self, key: &str) -> bool {
        let encoded = in_base64(key);
        let holds =
            |text: &[u8], part: &str| text.windows(part.len()).any(|window| window == part.as_bytes());
        let in_header = |(_, value): &(String, Vec<u8>)| holds(value, key) || holds(value, &encoded);
        let query = percent_decoded(self.query.as_deref().unwrap_or_default().as_bytes());
        self.headers.iter().any(in_header) || holds(&query, key)
    }
}

impl Source {
    fn read(line: &str) -> Option<Self> {
        let (kind, name) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "bearer" => Some(Self::Scheme("Bearer".to_owned())),
            "scheme" => Some(Self::Scheme(name.to_owned())),
            "basic" => Some(Self::Basic),
            "header" => Some(Self::Header(name.to_owned())),
            "query" => Some(Self::Query(name.to_owned())),
            _ => None,
        }
    }
}

impl Presented {
    /// The scheme, and what follows the spaces after it.
    fn credentials(&self) -> Option<(&[u8], &[u8])> {
        let space = self.value.iter().position(|byte| *byte == b' ')?;
        let (scheme, rest) = self.value.split_at(space);
        let start = rest.iter().position(|byte| *byte != b' ')?;
        Some((scheme, rest.get(start..)?))
    }

    /// Whether the value presents this key.
    fn spells(&self, key: &str) -> bool {
        if self.whole {
            return self.value == key.as_bytes();
        }
        let Some((scheme, rest)) = self.credentials() else { return false };
        let is_scheme = |known: &String| scheme.eq_ignore_ascii_case(known.as_bytes());
        (self.schemes.iter().any(is_scheme) && rest == key.as_bytes())
            || (self.basic
                && scheme.eq_ignore_ascii_case(b"basic")
                && rest.starts_with(in_base64(key).as_bytes()))
    }

    /// The key that must be found here. Base64 that is padded in the middle may hold another one.
    fn well_formed(&self) -> Option<String> {
        let key = if self.whole {
            self.value.clone()
        } else {
            let (scheme, rest) = self.credentials()?;
            if self.schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes())) {
                rest.to_vec()
            } else if self.basic && scheme.eq_ignore_ascii_case(b"basic") && rest.len() <= 1368 {
                let decoded = STANDARD.decode(rest).or_else(|_| STANDARD_NO_PAD.decode(rest)).ok()?;
                let colon = decoded.iter().position(|byte| *byte == b':')?;
                decoded.get(..colon)?.to_vec()
            } else {
                return None;
            }
        };
        if is_token68(&key) && key.len() <= 512 { String::from_utf8(key).ok() } else { None }
    }
}

/// The key that a request presents, or the denial that says what is wrong.
fn extract(authenticator: &Authenticator, request: &PlainRequest) -> Result<Option<PresentedKey>, Denial> {
    let extracted = authenticator.0.extraction.extract(request);
    extracted
        .map(|key| key.map(Credential::into_presented_key))
        .map_err(|malformed| authenticator.0.style.malformed(malformed))
}

/// The case of Kinde's guide, read by its regular expression `^Bearer +([A-Za-z0-9._~+/-]+=*)$` in any case.
fn plain_bearer(case: &Case) -> Result<Option<&str>, DenialCode> {
    let values = case.values("Authorization");
    if values.len() > 1 {
        return Err(DenialCode::MultipleKeys);
    }
    let Some(value) = values.first() else { return Ok(None) };
    // A value that is not UTF-8 is malformed: the `?` that stands for it is no part of a key or a scheme.
    let value = std::str::from_utf8(value).unwrap_or("?").trim_matches([' ', '\t']);
    if value.is_empty() {
        return Ok(None);
    }
    let (scheme, key) = value.split_once(' ').ok_or(DenialCode::InvalidFormat)?;
    let key = key.trim_start_matches(' ');
    let body = key.trim_end_matches('=');
    let is_good = !body.is_empty()
        && key.len() <= 512
        && body.chars().all(|character| character.is_ascii_alphanumeric() || "-._~+/".contains(character));
    if is_good && scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(key))
    } else {
        Err(DenialCode::InvalidFormat)
    }
}

fn is_token68(bytes: &[u8]) -> bool {
    let end = bytes.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let allowed = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    end > 0 && bytes.iter().take(end).all(|byte| allowed.contains(byte))
}

/// The beginning of the base64 of the key and a colon, whatever follows.
fn in_base64(key: &str) -> String {
    let mut encoded = STANDARD_NO_PAD.encode(format!("{key}:"));
    encoded.truncate((key.len() + 1) * 8 / 6);
    encoded
}

fn trimmed(values: &[&[u8]]) -> Vec<Vec<u8>> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let trim = |value: &&[u8]| {
        let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
        let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
        value.get(start..end).unwrap_or_default().to_vec()
    };
    values.iter().map(trim).collect()
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

/// A verifier that is never called, because extraction makes no call.
struct Nobody;

#[async_trait::async_trait]
impl Verifier for Nobody {
    async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
        Err(VerifierError::outage("nobody is there"))
    }
}
