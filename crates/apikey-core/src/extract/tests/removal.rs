//! What a handler sees after the credential was taken out of a request.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn removing(sources: &[CredentialSource]) -> ExtractionSettings {
    ExtractionSettings { remove_credential: true, ..settings(sources) }
}

type Headers = Vec<(&'static str, Vec<u8>)>;

/// The headers and the query that are left.
fn left(extraction: &Extraction, headers: &Headers, query: &str) -> (Headers, String) {
    let head = headers.iter().fold(PlainRequest::new(), |head, (name, value)| head.with_header(name, value));
    let mut rest = headers.clone();
    for (changed, value) in extraction.headers_without_credential(&head.with_query(query)) {
        let first = rest.iter().position(|(name, _)| *name == changed).unwrap();
        let name = rest[first].0;
        rest.retain(|(name, _)| *name != changed);
        rest.extend(value.map(|value| (name, value)));
    }
    let query = extraction.query_without_credential(query).unwrap_or_else(|| query.to_owned());
    (rest, query)
}

fn of(settings: ExtractionSettings, headers: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect();
    let (rest, _) = left(&settings.build().unwrap(), &headers, "");
    rest.into_iter().map(|(name, value)| (name, String::from_utf8(value).unwrap())).collect()
}

fn seen(headers: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn the_credential_is_removed_only_where_asked_for() {
    let sources = [CredentialSource::bearer(), CredentialSource::insecure_query_parameter("api_key")];
    let request = with_header("authorization", "Bearer k1");
    let keeps = settings(&sources).build().unwrap();
    assert_eq!(keeps.headers_without_credential(&request), []);
    assert_eq!(keeps.query_without_credential("api_key=k"), None);
    let removes = removing(&sources).build().unwrap();
    assert_eq!(removes.headers_without_credential(&request), [("authorization", None)]);
    assert_eq!(removes.headers_without_credential(&PlainRequest::new()), []);
    assert!(!keeps.removes_credential() && removes.removes_credential());
    let without = |query| removes.query_without_credential(query);
    assert_eq!(without("a=1&api_key=k&b=%20&api%5Fkey="), Some("a=1&b=%20".to_owned()));
    assert_eq!(without("a=1"), None);
}

#[test]
fn a_web_sockets_key_is_always_removed() {
    let extraction = settings(&[CredentialSource::web_socket_protocol()]).build().unwrap();
    assert!(extraction.removes_credential());
}

#[test]
fn every_credential_of_ours_goes_even_if_it_is_malformed() {
    let sources = || removing(&[CredentialSource::bearer(), CredentialSource::header("X-Api-Key")]);
    for value in ["Bearer k1", "bearer  k1", "Bearer two words", "Bearer", "k1", ""] {
        assert_eq!(of(sources(), &[("authorization", value), ("accept", "*/*")]), seen(&[("accept", "*/*")]));
        assert_eq!(of(sources(), &[("x-api-key", value)]), seen(&[]));
    }
    assert_eq!(of(sources(), &[("authorization", "Bearer k1"), ("authorization", "Digest x")]), seen(&[]));
}

#[test]
fn a_value_of_another_scheme_stays() {
    let sources = [CredentialSource::bearer(), CredentialSource::header("X-Api-Key")];
    let foreign = ("authorization", "Digest username=\"me\"");
    assert_eq!(of(removing(&sources), &[foreign, ("x-api-key", "k1")]), seen(&[foreign]));
    assert_eq!(of(removing(&sources), &[foreign]), seen(&[foreign]));
}

#[test]
fn an_ignored_token_stays() {
    let sources = [
        CredentialSource::bearer(),
        CredentialSource::header("X-Api-Key"),
        CredentialSource::web_socket_protocol(),
        CredentialSource::insecure_query_parameter("token"),
    ];
    let ignoring = || ExtractionSettings {
        accepted_prefixes: vec!["k_".to_owned()],
        ignore_other_tokens: true,
        ..settings(&sources)
    };
    let jwt = ("authorization", "Bearer eyJ.eyJ.x");
    let protocols = ("sec-websocket-protocol", "apikey,  base64url.apikey.eA");
    assert_eq!(of(ignoring(), &[jwt, protocols, ("x-api-key", "k_1")]), seen(&[jwt, protocols]));
    assert_eq!(of(ignoring(), &[("authorization", "Bearer k_1 x")]), seen(&[]));
    let extraction = ignoring().build().unwrap();
    assert_eq!(extraction.query_without_credential("a=1&token=eyJ"), None);
    assert_eq!(extraction.query_without_credential("a=1&token=k_1"), Some("a=1".to_owned()));
    assert_eq!(extraction.query_without_credential("token=eyJ&a=1&token=x"), Some("a=1".to_owned()));
}

#[test]
fn of_a_web_sockets_protocols_the_key_alone_goes() {
    let name = "sec-websocket-protocol";
    let sources = || settings(&[CredentialSource::web_socket_protocol()]);
    for (lines, rest) in [
        (vec!["apikey, base64url.apikey.azE"], Some("apikey")),
        (vec!["chat.v2,base64url.apikey.azE ,\tapikey"], Some("chat.v2, apikey")),
        (vec!["apikey", "base64url.apikey.azE", "chat"], Some("apikey, chat")),
        (vec!["apikey, base64url.apikey.azE, base64url.apikey.azI"], Some("apikey")),
        (vec!["apikey, base64url.apikey.!"], Some("apikey")),
        (vec!["base64url.apikey.azE"], None),
        (vec!["base64url.apikey.azE", ","], None),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
        let rest: Vec<_> = rest.into_iter().map(|rest| (name, rest)).collect();
        assert_eq!(of(sources(), &headers), seen(&rest), "{lines:?}");
    }
    for untouched in ["apikey,, chat", "", " , "] {
        assert_eq!(of(sources(), &[(name, untouched)]), seen(&[(name, untouched)]));
    }
}

proptest! {
    /// The headers come from a table that says for each whether it stays. No name stands there twice.
    #[test]
    fn after_a_removal_no_key_is_left_and_all_else_is(
        authorization in 0..6_usize,
        api_key in 0..3_usize,
        protocols in 0..4_usize,
        query in 0..4_usize,
        ignores: bool,
    ) {
        let member = URL_SAFE_NO_PAD.encode("k_1");
        let ours = format!("apikey, base64url.apikey.{member}");
        // The value, and what is left of it: in general, and if other tokens are ignored.
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        let kept = |value: &str| (bytes(value), bytes(value), bytes(value));
        let gone = |value: &str| (bytes(value), None, None);
        let other = |value: &str| (bytes(value), None, bytes(value));
        let absent = || (None, None, None);
        let authorizations = [
            absent(),
            gone("Bearer k_1"),
            gone("Bearer k_1 x"),
            kept("Digest \u{e9}"),
            other("Bearer eyJ"),
            kept("Basic eDp5"),
        ];
        let api_keys = [absent(), gone("k_1"), other("eyJ")];
        let lists = [
            absent(),
            kept("chat,apikey"),
            (bytes(&ours), bytes("apikey"), bytes("apikey")),
            (bytes("apikey,base64url.apikey.eA"), bytes("apikey"), bytes("apikey,base64url.apikey.eA")),
        ];
        let queries = [("", "", ""), ("a=1", "a=1", "a=1"), ("q=k_1&a", "a", "a"), ("a&q=eyJ", "a", "a&q=eyJ")];
        let settings = ExtractionSettings {
            accepted_prefixes: vec!["k_".to_owned()],
            ignore_other_tokens: ignores,
            ..settings(&[
                CredentialSource::bearer(),
                CredentialSource::header("x-api-key"),
                CredentialSource::web_socket_protocol(),
                CredentialSource::insecure_query_parameter("q"),
            ])
        };
        let extraction = settings.build().unwrap();
        let all = [
            ("authorization", authorizations[authorization].clone()),
            ("x-api-key", api_keys[api_key].clone()),
            ("sec-websocket-protocol", lists[protocols].clone()),
            ("x-other", kept("\u{e9}, k_1")),
        ];
        let headers = all.iter().filter_map(|(name, (value, ..))| Some((*name, value.clone()?))).collect();
        let (mut rest, query_left) = left(&extraction, &headers, queries[query].0);
        let kept_of = |usual: &Option<Vec<u8>>, ignoring: &Option<Vec<u8>>| {
            if ignores { ignoring.clone() } else { usual.clone() }
        };
        let mut expected: Headers = all
            .iter()
            .filter_map(|(name, (_, usual, ignoring))| Some((*name, kept_of(usual, ignoring)?)))
            .collect();
        rest.sort();
        expected.sort();
        prop_assert_eq!(&rest, &expected);
        prop_assert_eq!(&query_left, if ignores { queries[query].2 } else { queries[query].1 });
        let request = rest.iter().fold(PlainRequest::new(), |head, (name, value)| head.with_header(name, value));
        let request = request.with_query(query_left);
        let found = extraction.look(&request).unwrap();
        prop_assert!(!matches!(found, Found::Key(_)));
        prop_assert_eq!(extraction.headers_without_credential(&request), []);
    }
}
