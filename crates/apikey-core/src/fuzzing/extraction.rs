//! How a key is found in a request: the check, and the inputs that it reads.

mod oracle;

use std::time::Duration;

use super::lines;
use crate::authenticator::Authenticator;
use crate::denial::Denial;
use crate::denial_code::DenialCode;
use crate::extract::CredentialSource;
use crate::key::{Credential, PresentedKey};
use crate::request::PlainRequest;
use crate::verification::Judgement;
use crate::verifier::{Verifier, VerifierError};

/// Checks how a key is found in a request.
///
/// The input is a list of lines:
///
/// - `+bearer`, `+scheme <scheme>`, `+basic`, `+password`, `+header <name>`, `+header <name> <scheme>`, `+protocol`,
///   `+query <name>`: a location of keys. Without any, it is `Authorization: Bearer`.
/// - `^<prefix>`: an accepted prefix.
/// - `!`: other tokens are ignored.
/// - `?<query>`: the request's query. The last one counts.
/// - anything else: a header line, `<name>:<value>`.
///
/// # Panics
/// If a promise is broken.
pub fn extraction(input: &[u8]) {
    let case = Case::read(input);
    let Some(authenticator) = case.authenticator() else { return };
    let found = extract(&authenticator, &case.request());
    let found = match &found {
        Ok(key) => Ok(key.as_ref().map(PresentedKey::expose)),
        Err(denial) => {
            assert_eq!(denial.message(), denial.code().message());
            Err(denial.code())
        }
    };
    assert_eq!(found, case.expected().as_ref().map(Option::as_deref).map_err(|code| *code));
    if case.is_plain() {
        assert_eq!(found, plain_bearer(&case), "as the plain case is defined");
    }
    let rest = case.after_removal(&authenticator);
    assert!(rest.presents_nothing_of_ours(), "a credential is left after its removal");
    assert_eq!(rest.foreign(), case.foreign(), "the removal changed what is not ours");
    assert!(authenticator.headers_without_credential(&rest.request()).is_empty(), "one removal is enough");
}

/// An input in its parts.
#[derive(Default, Clone)]
struct Case {
    sources: Vec<Source>,
    prefixes: Vec<String>,
    ignores_others: bool,
    query: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
}

/// A location of keys, and the form of a key there.
#[derive(Clone, PartialEq)]
struct Source {
    location: Location,
    form: Form,
}

#[derive(Debug, Clone, PartialEq)]
enum Location {
    /// The name is in lower case.
    Header(String),
    Protocol,
    Query(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Scheme(String),
    UserName,
    Password,
    Whole,
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
                [b'!'] => case.ignores_others = true,
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
            case.sources.extend(Source::read("bearer"));
        }
        case
    }

    /// `None` if the settings are refused.
    fn authenticator(&self) -> Option<Authenticator> {
        let sources = self.sources.iter().map(|source| match (&source.form, &source.location) {
            (Form::Scheme(scheme), Location::Header(name)) if name == "authorization" => {
                CredentialSource::authorization(scheme)
            }
            (Form::Scheme(scheme), Location::Header(name)) => {
                CredentialSource::header_with_scheme(name, scheme)
            }
            (Form::UserName, _) => CredentialSource::basic_user_name(),
            (Form::Password, _) => CredentialSource::basic_password(),
            (_, Location::Header(name)) => CredentialSource::header(name),
            (_, Location::Protocol) => CredentialSource::web_socket_protocol(),
            (_, Location::Query(name)) => CredentialSource::insecure_query_parameter(name),
        });
        let builder = Authenticator::builder(Nobody).credential_sources(sources).remove_credential(true);
        let builder = builder.accepted_prefixes(self.prefixes.clone());
        let builder = builder.ignore_other_tokens(self.ignores_others);
        builder.cache_capacity(1).cache_time_to_live(Duration::ZERO).attempt_limit(None).build().ok()
    }

    fn request(&self) -> PlainRequest {
        let add = |request: PlainRequest, (name, value): &(String, Vec<u8>)| request.with_header(name, value);
        let request = self.headers.iter().fold(PlainRequest::new(), add);
        match &self.query {
            Some(query) => request.with_query(query),
            None => request,
        }
    }

    /// The request as a handler sees it.
    fn after_removal(&self, authenticator: &Authenticator) -> Self {
        let mut rest = self.clone();
        for (changed, value) in authenticator.headers_without_credential(&self.request()) {
            rest.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(changed));
            rest.headers.extend(value.map(|value| (changed.to_owned(), value)));
        }
        let target = authenticator.target_without_credential("/", self.query.as_deref());
        if let Some(target) = target {
            rest.query = Some(target.strip_prefix("/?").unwrap_or_default().to_owned());
        }
        rest
    }

    /// Whether `Authorization: Bearer` is the only location.
    fn is_plain(&self) -> bool {
        self.sources == Vec::from_iter(Source::read("bearer")) && self.prefixes.is_empty()
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice()).collect()
    }
}

impl Source {
    fn read(line: &str) -> Option<Self> {
        let (kind, name) = line.split_once(' ').unwrap_or((line, ""));
        let at = |name: &str, form| {
            let location = Location::Header(name.to_ascii_lowercase());
            Some(Self { location, form })
        };
        match (kind, name.split_once(' ')) {
            ("bearer", _) => at("authorization", Form::Scheme("Bearer".to_owned())),
            ("scheme", _) => at("authorization", Form::Scheme(name.to_owned())),
            ("basic", _) => at("authorization", Form::UserName),
            ("password", _) => at("authorization", Form::Password),
            ("header", Some((name, scheme))) => at(name, Form::Scheme(scheme.to_owned())),
            ("header", None) => at(name, Form::Whole),
            ("protocol", _) => Some(Self { location: Location::Protocol, form: Form::Whole }),
            ("query", _) => Some(Self { location: Location::Query(name.to_owned()), form: Form::Whole }),
            _ => None,
        }
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

/// A verifier that is never called, because extraction makes no call.
struct Nobody;

#[async_trait::async_trait]
impl Verifier for Nobody {
    async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
        Err(VerifierError::outage("nobody is there"))
    }
}
