mod other_tokens;
mod removal;
mod settings;
mod web_socket;

use super::*;
use crate::request::{PlainRequest, is_preflight};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

fn settings(sources: &[CredentialSource]) -> ExtractionSettings {
    ExtractionSettings { sources: sources.to_vec(), ..ExtractionSettings::default() }
}

fn bearer(value: impl AsRef<[u8]>) -> Result<Option<String>, Malformed> {
    extract(&[CredentialSource::bearer()], &PlainRequest::new().with_header("Authorization", value))
}

fn extract(sources: &[CredentialSource], request: &PlainRequest) -> Result<Option<String>, Malformed> {
    extract_by(settings(sources), request)
}

fn extract_by(settings: ExtractionSettings, request: &PlainRequest) -> Result<Option<String>, Malformed> {
    let extraction = settings.build().unwrap();
    Ok(extraction.extract(request)?.map(|key| key.into_presented_key().expose().to_owned()))
}

fn with_header(name: &str, value: impl AsRef<[u8]>) -> PlainRequest {
    PlainRequest::new().with_header(name, value)
}

/// `Basic` with this `user-id:password`.
fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

const MALFORMED: Result<Option<String>, Malformed> = Err(Malformed::Format);
const SEVERAL: Result<Option<String>, Malformed> = Err(Malformed::SeveralKeys);

fn key(key: &str) -> Result<Option<String>, Malformed> {
    Ok(Some(key.to_owned()))
}

#[test]
fn the_scheme_comes_in_any_case_and_with_any_number_of_spaces() {
    for value in
        ["Bearer k_live_1", "bearer k_live_1", "BEARER   k_live_1", "bEaReR  k_live_1", " Bearer k_live_1 "]
    {
        assert_eq!(bearer(value), key("k_live_1"), "{value:?}");
    }
}

#[test]
fn every_token68_is_a_key() {
    let long = format!("{}==", "a".repeat(510));
    for value in ["a", "A-._~+/09", "abc=", "abc==", "k_live_1234567890abcdef", &long] {
        assert_eq!(bearer(format!("Bearer {value}")), key(value));
    }
}

#[test]
fn what_is_not_exactly_one_key_is_malformed() {
    let over_long = format!("Bearer {}", "a".repeat(513));
    for value in [
        "Basic azp4",
        "Token k",
        "k_live_1",
        "Bearer",
        "Bearer\tk",
        "Bearer \tk",
        "Bearer k,",
        "Bearer k k",
        "Bearer k\tk",
        "Bearer k;q=1",
        "Bearer =",
        "Bearer a=b",
        "Bearer \"k\"",
        "Bearerk",
        "Bearer: k",
        "Bearerr k",
        "Bearer k, Bearer k",
        "Bearer k\u{e9}",
        "Bearer k\u{0}",
        ",",
        &over_long,
    ] {
        assert_eq!(bearer(value), MALFORMED, "{value:?}");
    }
    assert_eq!(bearer(b"Bearer \xff\xfe"), MALFORMED);
    assert_eq!(bearer(b"\xff"), MALFORMED);
}

#[test]
fn empty_is_nothing_presented() {
    for value in ["", " ", "\t", " \t "] {
        assert_eq!(bearer(value), Ok(None), "{value:?}");
    }
    assert_eq!(extract(&[CredentialSource::bearer()], &PlainRequest::new()), Ok(None));
}

#[test]
fn a_repeated_header_is_refused_whatever_it_holds() {
    for (one, two) in
        [("Bearer a", "Bearer a"), ("Bearer a", "Bearer b"), ("", ""), ("Bearer a", ""), ("", "x")]
    {
        let request = PlainRequest::new().with_header("Authorization", one).with_header("authorization", two);
        assert_eq!(extract(&[CredentialSource::bearer()], &request), SEVERAL, "{one:?} {two:?}");
    }
}

#[test]
fn keys_in_two_places_are_refused() {
    let sources = [
        CredentialSource::header("X-Api-Key"),
        CredentialSource::bearer(),
        CredentialSource::insecure_query_parameter("api_key"),
    ];
    let both = PlainRequest::new().with_header("X-Api-Key", "k1").with_header("Authorization", "Bearer k1");
    assert_eq!(extract(&sources, &both), SEVERAL);
    let with_query = PlainRequest::new().with_header("X-Api-Key", "k1").with_query("api_key=k2");
    assert_eq!(extract(&sources, &with_query), SEVERAL);
    let empty_does_not_count = PlainRequest::new().with_header("X-Api-Key", "").with_query("api_key=k2");
    assert_eq!(extract(&sources, &empty_does_not_count), key("k2"));
}

#[test]
fn the_query_is_read_only_if_a_key_may_stand_in_it() {
    let reads = |sources: &[CredentialSource]| settings(sources).build().unwrap().reads_query();
    assert!(!reads(&[CredentialSource::bearer(), CredentialSource::web_socket_protocol()]));
    assert!(reads(&[CredentialSource::bearer(), CredentialSource::insecure_query_parameter("api_key")]));
}

#[test]
fn other_sources_are_off_unless_asked_for() {
    let request = PlainRequest::new().with_header("X-Api-Key", "k1").with_query("api_key=k2&access_token=k3");
    assert_eq!(extract(&[CredentialSource::bearer()], &request), Ok(None));
}

#[test]
fn a_header_holds_the_key_alone() {
    let of = |value: &str| {
        extract(
            &[CredentialSource::header("X-Api-Key")],
            &PlainRequest::new().with_header("x-api-key", value),
        )
    };
    assert_eq!(of("k_live_1"), key("k_live_1"));
    assert_eq!(of("Bearer k_live_1"), MALFORMED);
}

#[test]
fn a_basic_user_name_is_a_key_and_the_password_is_not_looked_at() {
    let of = |credentials: &str| {
        extract(&[CredentialSource::basic_user_name()], &with_header("authorization", basic(credentials)))
    };
    assert_eq!(of("k_live_1:"), key("k_live_1"));
    assert_eq!(of("k_live_1:a:b"), key("k_live_1"));
    for value in ["k_live_1", ":", ":k_live_1", "two words:", "k\u{e9}:"] {
        assert_eq!(of(value), MALFORMED, "{value:?}");
    }
    let with_password = |length: usize| format!("k:{}", "p".repeat(length - 2));
    assert_eq!(of(&with_password(1024)), key("k"));
    assert_eq!(of(&format!("{}:{}", "k".repeat(512), "p".repeat(511))), key(&"k".repeat(512)));
    // Base64 rounds up to the next three bytes.
    assert_eq!(of(&with_password(1027)), MALFORMED);
    assert_eq!(of(&with_password(2000)), MALFORMED);
}

#[test]
fn a_basic_password_is_a_key_and_the_user_name_is_not_looked_at() {
    let of = |credentials: &str| {
        extract(&[CredentialSource::basic_password()], &with_header("authorization", basic(credentials)))
    };
    for credentials in ["me:k_live_1", ":k_live_1", "two words \u{e9}:k_live_1"] {
        assert_eq!(of(credentials), key("k_live_1"));
    }
    for malformed in ["k_live_1", "", "me:", "me:k:1", "k_live_1:", "me:two words", "me:k\u{e9}"] {
        assert_eq!(of(malformed), MALFORMED, "{malformed:?}");
    }
    assert_eq!(of(&format!("{}:{}", "u".repeat(511), "k".repeat(512))), key(&"k".repeat(512)));
    assert_eq!(of(&format!("me:{}", "k".repeat(513))), MALFORMED);
}

#[test]
fn of_both_parts_of_basic_the_first_accepted_one_counts() {
    let of = |sources: &[CredentialSource], prefixes: &[&str], credentials: &str| {
        let accepted_prefixes = prefixes.iter().copied().map(str::to_owned).collect();
        extract_by(
            ExtractionSettings { accepted_prefixes, ..settings(sources) },
            &with_header("authorization", basic(credentials)),
        )
    };
    let (user_name, password) = (CredentialSource::basic_user_name(), CredentialSource::basic_password());
    let (one_way, other_way) = ([user_name.clone(), password.clone()], [password, user_name]);
    assert_eq!(of(&one_way, &[], "k1:k2"), key("k1"));
    assert_eq!(of(&other_way, &[], "k1:k2"), key("k2"));
    for sources in [one_way, other_way] {
        assert_eq!(of(&sources, &[], ":k2"), key("k2"));
        assert_eq!(of(&sources, &[], "k1:"), key("k1"));
        assert_eq!(of(&sources, &["k"], "me:k2"), key("k2"));
        assert_eq!(of(&sources, &["k"], "k1:x"), key("k1"));
        assert_eq!(of(&sources, &["k"], "me:x"), MALFORMED);
    }
}

#[test]
fn a_scheme_may_stand_before_the_key_in_any_header() {
    let name = "X-Forwarded-Authorization";
    let of = |value: &str| {
        extract(&[CredentialSource::header_with_scheme(name, "Bearer")], &with_header(name, value))
    };
    assert_eq!(of("Bearer k1"), key("k1"));
    assert_eq!(of("bearer   k1"), key("k1"));
    for malformed in ["k1", "Bearer", "Bearer\tk1", "Bearerk1", "Bearer k k", "Token k1", "Bearer: k1"] {
        assert_eq!(of(malformed), MALFORMED, "{malformed:?}");
    }
    for nothing in ["", " "] {
        assert_eq!(of(nothing), Ok(None));
    }
    let twice = with_header(name, "Bearer k1").with_header(name, "Bearer k1");
    assert_eq!(extract(&[CredentialSource::header_with_scheme(name, "Bearer")], &twice), SEVERAL);
    let sources = [
        CredentialSource::header_with_scheme(name, "Bearer"),
        CredentialSource::header_with_scheme("x-forwarded-authorization", "Token"),
        CredentialSource::header(name),
    ];
    for value in ["Bearer k1", "token k1", "k1"] {
        assert_eq!(extract(&sources, &with_header(name, value)), key("k1"));
    }
    assert_eq!(extract(&sources, &with_header("authorization", "Bearer k1")), Ok(None));
}

#[test]
fn authorization_may_hold_the_key_alone() {
    let bare = CredentialSource::header("Authorization");
    let of =
        |sources: &[CredentialSource], value: &str| extract(sources, &with_header("authorization", value));
    assert_eq!(of(std::slice::from_ref(&bare), " k1\t"), key("k1"));
    for malformed in ["Bearer k1", "k1,", "k1 k1", ", k1"] {
        assert_eq!(of(std::slice::from_ref(&bare), malformed), MALFORMED, "{malformed:?}");
    }
    for sources in [[bare.clone(), CredentialSource::bearer()], [CredentialSource::bearer(), bare]] {
        assert_eq!(of(&sources, "k1"), key("k1"));
        assert_eq!(of(&sources, "Bearer k1"), key("k1"));
        // A client whose key is empty sends the scheme alone. That asks nobody about a key "Bearer".
        for malformed in ["Bearer", "bearer ", "Bearer\tk1", "Token k1"] {
            assert_eq!(of(&sources, malformed), MALFORMED, "{malformed:?}");
        }
    }
}

#[test]
fn two_schemes_share_the_authorization_header() {
    let sources = [CredentialSource::bearer(), CredentialSource::basic_user_name()];
    let of = |value: &str| extract(&sources, &PlainRequest::new().with_header("authorization", value));
    assert_eq!(of("Bearer k1"), key("k1"));
    assert_eq!(of("basic azI6"), key("k2"));
    assert_eq!(of("Digest k1"), MALFORMED);
}

#[test]
fn a_query_parameter_is_percent_decoded_once() {
    let of = |query: &str| {
        extract(
            &[CredentialSource::insecure_query_parameter("api_key")],
            &PlainRequest::new().with_query(query),
        )
    };
    assert_eq!(of("a=1&api_key=k_live_1&b=2"), key("k_live_1"));
    assert_eq!(of("api%5Fkey=k%5Flive_1"), key("k_live_1"));
    assert_eq!(of("api_key=k+1"), key("k+1"));
    assert_eq!(of("api_key=k%2B1"), key("k+1"));
    for nothing in ["", "a=1", "api_key", "api_key=", "API_KEY=k", "xapi_key=k"] {
        assert_eq!(of(nothing), Ok(None), "{nothing:?}");
    }
    for malformed in
        ["api_key=%", "api_key=%zz", "api_key=a%20b", "api_key=%ff", "api_key=%25%36%31", "api_key=a b"]
    {
        assert_eq!(of(malformed), MALFORMED, "{malformed:?}");
    }
    assert_eq!(of("api_key=k&api%5Fkey=k"), SEVERAL);
}

#[test]
fn only_accepted_prefixes_get_through() {
    let extraction = ExtractionSettings {
        accepted_prefixes: vec!["k_live_".to_owned(), "k_test_".to_owned()],
        ..ExtractionSettings::default()
    }
    .build()
    .unwrap();
    for (presented, accepted) in
        [("k_live_1", true), ("k_test_1", true), ("k_liv", false), ("K_LIVE_1", false)]
    {
        let request = PlainRequest::new().with_header("authorization", format!("Bearer {presented}"));
        assert_eq!(extraction.extract(&request).is_ok(), accepted, "{presented}");
    }
}

#[test]
fn a_preflight_is_recognised_by_all_its_marks() {
    let full = PlainRequest::new()
        .with_header("Origin", "https://a")
        .with_header("Access-Control-Request-Method", "GET");
    assert!(is_preflight("OPTIONS", &full));
    assert!(!is_preflight("GET", &full));
    assert!(!is_preflight("OPTIONS", &PlainRequest::new().with_header("Origin", "https://a")));
    assert!(!is_preflight(
        "OPTIONS",
        &PlainRequest::new().with_header("Access-Control-Request-Method", "GET")
    ));
}

proptest! {
    /// The grammar, checked in another way: with generated matches of a regular expression, which are then mutated.
    #[test]
    fn bearer_values_are_read_as_the_grammar_says(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let text = String::from_utf8_lossy(&value).into_owned();
        let trimmed = text.trim_matches([' ', '\t']);
        let expected = match trimmed.split_once(' ') {
            _ if trimmed.is_empty() => Ok(None),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => {
                let token = rest.trim_start_matches(' ');
                let body = token.trim_end_matches('=');
                let good = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
                if !body.is_empty() && body.chars().all(good) { key(token) } else { MALFORMED }
            }
            _ => MALFORMED,
        };
        prop_assert_eq!(bearer(&value), expected);
    }

    #[test]
    fn near_misses_are_read_as_the_grammar_says(
        scheme in "[Bb][Ee]arer|Bear|Bearer[:=]",
        gap in "[ \t]{0,3}",
        token in "[a-c._=,\u{e9}\"]{0,6}",
        end in "[ \t]{0,2}[a=,]?",
    ) {
        let value = format!("{scheme}{gap}{token}{end}");
        let accepted = bearer(&value);
        let rest = format!("{gap}{token}{end}");
        let tail = rest.trim_end_matches([' ', '\t']).trim_start_matches(' ');
        let body = tail.trim_end_matches('=');
        let well_formed = scheme.eq_ignore_ascii_case("bearer")
            && rest.starts_with(' ')
            && !body.is_empty() && body.chars().all(|c| "abc._".contains(c));
        prop_assert_eq!(accepted, if well_formed { key(tail) } else { MALFORMED });
    }
}
