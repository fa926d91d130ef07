use super::*;

#[test]
fn challenges_name_each_location_once_and_the_first_scheme() {
    let described = |sources: &[CredentialSource]| {
        let settings = settings(sources);
        (settings.challenge_scheme().to_owned(), settings.location_names().join(" or "))
    };
    let header = || CredentialSource::header("X-Api-Key");
    let query = || CredentialSource::insecure_query_parameter("api_key");
    let basic = CredentialSource::basic_user_name;
    let token = || CredentialSource::authorization("Token");
    let forwarded = |scheme| CredentialSource::header_with_scheme("X-Forwarded-Authorization", scheme);
    let upper_case = CredentialSource::insecure_query_parameter("API_KEY");
    for (sources, scheme, names) in [
        (vec![CredentialSource::bearer()], "Bearer", "authorization header"),
        (vec![token()], "Token", "authorization header"),
        (vec![basic(), token()], "Basic", "authorization header"),
        (vec![header()], "Bearer", "X-Api-Key header"),
        (vec![query()], "Bearer", "api_key query parameter"),
        (vec![CredentialSource::basic_password(), basic()], "Basic", "authorization header"),
        (vec![CredentialSource::header("AUTHORIZATION"), token()], "Token", "authorization header"),
        // A challenge asks for an `Authorization`, so no other header's scheme is named.
        (
            vec![forwarded("Token"), forwarded("Other"), basic()],
            "Basic",
            "X-Forwarded-Authorization header or authorization header",
        ),
        (vec![CredentialSource::web_socket_protocol()], "Bearer", "sec-websocket-protocol header"),
        (vec![query(), upper_case], "Bearer", "api_key query parameter or API_KEY query parameter"),
        (
            vec![header(), basic(), token(), query()],
            "Basic",
            "X-Api-Key header or authorization header or api_key query parameter",
        ),
    ] {
        assert_eq!(described(&sources), (scheme.to_owned(), names.to_owned()), "{sources:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let refused = |sources: &[CredentialSource]| settings(sources).build().err().map(|error| error.setting());
    for sources in [
        vec![],
        vec![CredentialSource::authorization("")],
        vec![CredentialSource::authorization("two words")],
        vec![CredentialSource::authorization("basic")],
        vec![CredentialSource::header_with_scheme("", "Bearer")],
        vec![CredentialSource::header_with_scheme("X Forwarded", "Bearer")],
        vec![CredentialSource::header_with_scheme("X-Forwarded-Authorization", "two words")],
        vec![CredentialSource::header_with_scheme("X-Forwarded-Authorization", "Basic")],
        vec![CredentialSource::header("Sec-WebSocket-Protocol")],
        vec![CredentialSource::header_with_scheme("Sec-WebSocket-Protocol", "Bearer")],
        vec![CredentialSource::basic_password(), CredentialSource::basic_password()],
        vec![CredentialSource::header("authorization"), CredentialSource::header("Authorization")],
        vec![CredentialSource::bearer(), CredentialSource::header_with_scheme("AUTHORIZATION", "Bearer")],
        vec![CredentialSource::web_socket_protocol(), CredentialSource::web_socket_protocol()],
        vec![CredentialSource::header("X Api Key")],
        vec![CredentialSource::insecure_query_parameter("")],
        vec![CredentialSource::bearer(), CredentialSource::authorization("bearer")],
        vec![CredentialSource::header("x-api-key"), CredentialSource::header("X-API-KEY")],
    ] {
        assert_eq!(refused(&sources), Some("credential_sources"), "{sources:?}");
    }
    let empty_prefix =
        ExtractionSettings { accepted_prefixes: vec![String::new()], ..ExtractionSettings::default() };
    assert_eq!(empty_prefix.build().err().map(|error| error.setting()), Some("accepted_prefixes"));
    let every_token_is_ours =
        ExtractionSettings { ignore_other_tokens: true, ..ExtractionSettings::default() };
    assert_eq!(every_token_is_ours.build().err().map(|error| error.setting()), Some("ignore_other_tokens"));
}
