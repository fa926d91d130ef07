//! Values that are not for this authenticator: other schemes, and tokens that it ignores.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const FORWARDED: &str = "x-forwarded-authorization";
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";

fn header() -> CredentialSource {
    CredentialSource::header("X-Api-Key")
}

fn forwarded() -> CredentialSource {
    CredentialSource::header_with_scheme(FORWARDED, "Bearer")
}

#[test]
fn another_scheme_beside_a_key_is_no_second_key() {
    let sources = [CredentialSource::bearer(), forwarded(), header()];
    for name in ["authorization", FORWARDED] {
        for foreign in ["Digest username=\"me\"", "Basic azp4", "DPoP x.y.z", "Bearers k", "Negotiate\tYII="]
        {
            let beside_a_key = with_header(name, foreign).with_header("x-api-key", "k1");
            assert_eq!(extract(&sources, &beside_a_key), key("k1"), "{name}: {foreign:?}");
            assert_eq!(extract(&sources, &with_header(name, foreign)), MALFORMED, "{name}: {foreign:?}");
        }
    }
    let all_foreign = with_header("authorization", "Digest x").with_header(FORWARDED, "Basic azp4");
    assert_eq!(extract(&sources, &all_foreign), MALFORMED);
    let one_key = with_header("authorization", "Digest x").with_header(FORWARDED, "Bearer k1");
    assert_eq!(extract(&sources, &one_key), key("k1"));
    assert_eq!(extract(&sources, &one_key.with_header("x-api-key", "k1")), SEVERAL);
}

#[test]
fn a_malformed_key_of_ours_is_a_second_key() {
    let sources = [CredentialSource::bearer(), CredentialSource::basic_password(), header()];
    for malformed in
        ["Bearer two words", "Bearer", "Bearer\tk", "Bearer: k", "bearer k,", "Basic !", "k1", "\u{e9} x"]
    {
        let request = with_header("authorization", malformed).with_header("x-api-key", "k1");
        assert_eq!(extract(&sources, &request), SEVERAL, "{malformed:?}");
    }
    let request = with_header("authorization", "Bearer k1").with_header("x-api-key", "Digest x");
    assert_eq!(extract(&sources, &request), SEVERAL, "this header has no schemes");
}

#[test]
fn a_bare_authorization_knows_other_schemes_too() {
    let sources = [CredentialSource::header("Authorization"), header()];
    let beside_a_key =
        |value: &str| extract(&sources, &with_header("authorization", value).with_header("x-api-key", "k1"));
    assert_eq!(beside_a_key("Bearer k2"), key("k1"));
    assert_eq!(beside_a_key("Digest x"), key("k1"));
    for ours in ["k2", "k2,", "\u{e9}"] {
        assert_eq!(beside_a_key(ours), SEVERAL, "{ours:?}");
    }
}

#[test]
fn two_lines_of_another_scheme_are_refused() {
    let twice = with_header("authorization", "Digest x").with_header("authorization", "Digest x");
    assert_eq!(extract(&[CredentialSource::bearer(), header()], &twice), SEVERAL);
}

fn ignoring(sources: &[CredentialSource], request: &PlainRequest) -> Result<Option<String>, Malformed> {
    ignoring_by(&["k_live_", "k_test_"], sources, request)
}

fn ignoring_by(
    prefixes: &[&str],
    sources: &[CredentialSource],
    request: &PlainRequest,
) -> Result<Option<String>, Malformed> {
    let accepted_prefixes = prefixes.iter().copied().map(str::to_owned).collect();
    let settings = ExtractionSettings { accepted_prefixes, ignore_other_tokens: true, ..settings(sources) };
    extract_by(settings, request)
}

#[test]
fn a_token_that_is_no_api_key_is_nothing_presented() {
    let long = format!("Bearer {}", "x".repeat(4000));
    let jwt = format!("Bearer {JWT}");
    for nothing in [
        jwt.as_str(),
        &long,
        "Bearer two words",
        "Bearer",
        "Bearer k_liv",
        "Bearer K_LIVE_1",
        "Bearer \"k_live_1\"",
        "Digest x",
        "Digest k_live_1",
        "DPoP k_live_1",
        "Bearers k_live_1",
        "nonsense",
        "\u{e9}",
        "",
    ] {
        let request = with_header("authorization", nothing);
        assert_eq!(ignoring(&[CredentialSource::bearer()], &request), Ok(None), "{nothing:?}");
        let beside_a_key = request.with_header("x-api-key", "k_test_1");
        assert_eq!(
            ignoring(&[CredentialSource::bearer(), header()], &beside_a_key),
            key("k_test_1"),
            "{nothing:?}"
        );
    }
}

#[test]
fn a_text_that_begins_as_a_key_must_be_one() {
    let long = format!("Bearer k_live_{}", "x".repeat(506));
    let of = |value: &str| ignoring(&[CredentialSource::bearer()], &with_header("authorization", value));
    for malformed in [
        long.as_str(),
        "Bearer k_live_1 x",
        "Bearer k_live_1,",
        "Bearer\tk_live_1",
        "Bearer \t k_live_1",
        "Bearer k_live_\u{e9}",
        "k_live_1",
        "k_live_1,",
    ] {
        assert_eq!(of(malformed), MALFORMED, "{malformed:?}");
    }
    assert_eq!(of("Bearer k_live_1"), key("k_live_1"));
    assert_eq!(of("Bearer k_test_"), key("k_test_"));
}

#[test]
fn repeated_values_are_refused_even_if_both_are_ignored() {
    let twice = with_header("authorization", "Bearer x").with_header("authorization", "Bearer x");
    assert_eq!(ignoring(&[CredentialSource::bearer()], &twice), SEVERAL);
    let query = [CredentialSource::insecure_query_parameter("token")];
    assert_eq!(ignoring(&query, &PlainRequest::new().with_query("token=x&token=y")), SEVERAL);
    let members = format!("apikey, base64url.apikey.{0}, base64url.apikey.{0}", URL_SAFE_NO_PAD.encode("x"));
    let request = with_header("sec-websocket-protocol", members);
    assert_eq!(ignoring(&[CredentialSource::web_socket_protocol()], &request), SEVERAL);
}

#[test]
fn an_encoded_text_is_ours_by_its_decoded_beginning() {
    let user_name = [CredentialSource::basic_user_name()];
    let password = [CredentialSource::basic_password()];
    let web_socket = [CredentialSource::web_socket_protocol()];
    let basic_value = |value: String| with_header("authorization", value);
    let protocols = |value: String| with_header("sec-websocket-protocol", value);
    let member = |text: &str| format!("base64url.apikey.{}", URL_SAFE_NO_PAD.encode(text));
    for (sources, request, expected) in [
        (&user_name, basic_value(basic("k_live_1:x")), key("k_live_1")),
        (&user_name, basic_value(basic("me:k_live_1")), Ok(None)),
        (&user_name, basic_value(basic(&format!("me:{}", "x".repeat(4000)))), Ok(None)),
        (&user_name, basic_value(basic(&format!("k_live_1:{}", "x".repeat(4000)))), MALFORMED),
        (&user_name, basic_value(basic("k_live_1")), MALFORMED),
        (&user_name, basic_value(format!("{}!", basic("k_live_1:x").trim_end_matches('='))), MALFORMED),
        (&user_name, basic_value("Basic !!!".to_owned()), Ok(None)),
        (&user_name, basic_value("Basic a".to_owned()), Ok(None)),
        (&password, basic_value(basic("me:k_live_1")), key("k_live_1")),
        (&password, basic_value(basic("k_live_1:x")), Ok(None)),
        (&password, basic_value(basic("k_live_1")), Ok(None)),
        (&password, basic_value(basic("me:k_live_1:x")), MALFORMED),
        (&password, basic_value(basic(&format!("{}:k_live_1", "u".repeat(4000)))), MALFORMED),
        (&web_socket, protocols(format!("apikey, {}", member("k_live_1"))), key("k_live_1")),
        (&web_socket, protocols(format!("apikey, {}", member(JWT))), Ok(None)),
        (&web_socket, protocols(format!("apikey, {}", member(&"x".repeat(4000)))), Ok(None)),
        (&web_socket, protocols(member(JWT)), Ok(None)),
        (&web_socket, protocols("apikey, base64url.apikey.".to_owned()), Ok(None)),
        (&web_socket, protocols(member("k_live_1")), MALFORMED),
        (&web_socket, protocols(format!("apikey, {}=", member("k_live_1"))), MALFORMED),
        (&web_socket, protocols(format!("apikey, {}", member("k_live_1 x"))), MALFORMED),
        (&web_socket, protocols(format!("apikey, {}", member(&"k_live_".repeat(80)))), MALFORMED),
    ] {
        assert_eq!(ignoring(sources, &request), expected, "{sources:?}: {:?}", request_text(&request));
    }
}

fn request_text(request: &PlainRequest) -> Vec<String> {
    ["authorization", "sec-websocket-protocol"]
        .iter()
        .flat_map(|name| request.header_values(name))
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// Places of a key. The text is put there as it is, in the encoding of the place.
const PLACES: [&str; 7] = ["bearer", "forwarded", "bare", "header", "user name", "password", "web socket"];

fn presenting(place: &str, text: &str) -> (CredentialSource, PlainRequest) {
    match place {
        "bearer" => (CredentialSource::bearer(), with_header("authorization", format!("Bearer {text}"))),
        "forwarded" => (forwarded(), with_header(FORWARDED, format!("Bearer {text}"))),
        "bare" => (CredentialSource::header("authorization"), with_header("authorization", text)),
        "header" => (header(), with_header("x-api-key", text)),
        "user name" => {
            let value = basic(&format!("{text}:x"));
            (CredentialSource::basic_user_name(), with_header("authorization", value))
        }
        "password" => {
            let value = basic(&format!("x:{text}"));
            (CredentialSource::basic_password(), with_header("authorization", value))
        }
        _ => {
            let value = format!("apikey, base64url.apikey.{}", URL_SAFE_NO_PAD.encode(text));
            (CredentialSource::web_socket_protocol(), with_header("sec-websocket-protocol", value))
        }
    }
}

proptest! {
    #[test]
    fn the_prefix_tells_what_is_ignored_at_every_place(
        prefixes in prop::collection::vec("[ab_]{1,3}", 1..4),
        text in "[ab_]{1,4}|[ab_]{1,3}[ab_. ,\u{e9}=]{0,5}[ab=,]|[ab_]{500,520}|[^ \t:]{1,6}",
    ) {
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let is_ours = prefixes.iter().any(|prefix| text.starts_with(prefix));
        let body = text.trim_end_matches('=');
        let is_key = text.len() <= 512
            && !body.is_empty()
            && body.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        let expected = match (is_ours, is_key) {
            (false, _) => Ok(None),
            (true, true) => key(&text),
            (true, false) => MALFORMED,
        };
        for place in PLACES {
            let (source, request) = presenting(place, &text);
            prop_assert_eq!(ignoring_by(&prefixes, &[source], &request), expected.clone(), "{}", place);
            // The same, beside a key at another place.
            let (source, _) = presenting(place, &text);
            let sources = [source, CredentialSource::insecure_query_parameter("q")];
            let query = format!("q={}", prefixes[0]);
            let beside = if expected == Ok(None) { key(prefixes[0]) } else { SEVERAL };
            prop_assert_eq!(ignoring_by(&prefixes, &sources, &request.with_query(query)), beside, "{}", place);
        }
    }
}
