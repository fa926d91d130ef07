//! Other locations for a key. Each is off unless the settings ask for it.

use apikey_core::{AuthenticatorBuilder, CredentialSource};

use crate::{adapter::Subject, client::get, expected::*, world::World};

async fn with_sources<const N: usize>(subject: Subject, sources: [CredentialSource; N]) -> World {
    World::with(subject, |builder| builder.credential_sources(sources)).await
}

fn api_key_header() -> CredentialSource {
    CredentialSource::header("X-Api-Key")
}

fn api_key_parameter() -> CredentialSource {
    CredentialSource::insecure_query_parameter("api_key")
}

/// The text in base64, with these two characters for the last values.
fn base64(text: &str, specials: [u8; 2]) -> String {
    let letters = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9');
    let alphabet: Vec<u8> = letters.chain(specials).collect();
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for sextet in 0..=three.len() {
            encoded.push(char::from(alphabet[(bits >> (18 - 6 * sextet)) as usize & 63]));
        }
    }
    encoded
}

/// `user-id:password` as HTTP Basic encodes it.
fn basic(user_and_password: &str) -> String {
    let encoded = base64(user_and_password, *b"+/");
    let padding = &"=="[..(4 - encoded.len() % 4) % 4];
    format!("Basic {encoded}{padding}")
}

/// The key as a protocol that the client of a WebSocket offers.
pub(super) fn protocol(secret: &str) -> String {
    format!("base64url.apikey.{}", base64(secret, *b"-_"))
}

/// A token that is no API key, and longer than any.
pub(super) fn jwt() -> String {
    format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", "eyJzdWIiOiJtZSJ9".repeat(100))
}

pub async fn a_header_of_its_own_holds_the_key_alone(subject: Subject) {
    let world = with_sources(subject, [api_key_header()]).await;
    let secret = &world.reader.secret;
    for (name, value) in
        [("X-Api-Key", secret.clone()), ("x-api-key", secret.clone()), ("X-API-KEY", format!("  {secret}\t"))]
    {
        world.send(get("/me").header(name, value)).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    for value in
        [format!("Bearer {secret}"), format!("{secret} x"), format!("{secret},{secret}"), "k".repeat(513)]
    {
        world.send(get("/me").header("X-Api-Key", value)).await.is_denied(&invalid_format());
    }
    let twice = get("/me").header("X-Api-Key", secret).header("x-api-key", "");
    world.send(twice).await.is_denied(&multiple_keys());
    assert_eq!(world.calls(), 0);
}

pub async fn a_missing_header_of_its_own_is_named(subject: Subject) {
    let world = with_sources(subject, [api_key_header()]).await;
    let missing = missing_key().saying("No X-Api-Key header");
    world.send(get("/me")).await.is_denied(&missing);
    world.send(get("/me").header("X-Api-Key", "")).await.is_denied(&missing);
    // The adapter does not look at Authorization any more.
    world.ask("/me", &world.reader).await.is_denied(&missing);
    assert_eq!(world.calls(), 0);
}

pub async fn another_scheme_is_asked_for_in_the_challenge(subject: Subject) {
    let world = with_sources(subject, [CredentialSource::authorization("ApiKey")]).await;
    let secret = &world.reader.secret;
    for scheme in ["ApiKey", "apikey", "APIKEY "] {
        let request = get("/me").authorization(format!("{scheme} {secret}"));
        world.send(request).await.is_me(&world.reader);
    }
    world.send(get("/me")).await.is_denied(&missing_key().challenging("ApiKey", "api"));
    let invalid_format = invalid_format().challenging("ApiKey", "api");
    world.ask("/me", &world.reader).await.is_denied(&invalid_format);
    let required = ["read:users", "write:users"];
    let insufficient = insufficient_scope("write:users", &required, &["read:users"]);
    let request = get("/scoped").authorization(format!("ApiKey {secret}"));
    world.send(request).await.is_denied(&insufficient.challenging("ApiKey", "api"));
    assert_eq!(world.calls(), 1);
}

pub async fn the_user_name_of_http_basic_is_the_key(subject: Subject) {
    let world = with_sources(subject, [CredentialSource::basic_user_name()]).await;
    let secret = &world.reader.secret;
    for value in [
        basic(&format!("{secret}:")),
        basic(&format!("{secret}:password")),
        basic(&format!("{secret}:a:b")),
        basic(&format!("{secret}:")).trim_end_matches('=').to_owned(),
        basic(&format!("{secret}:\u{fc}")).replace("Basic", "basic"),
    ] {
        world.send(get("/me").authorization(value)).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    let invalid_format = invalid_format().challenging("Basic", "api");
    for value in [
        basic(secret),
        basic(":password"),
        basic(&format!("{secret} :")),
        format!("Basic {secret}:"),
        "Basic".to_owned(),
        "Basic !!!!".to_owned(),
        basic(&format!("{}:", "k".repeat(513))),
        format!("Bearer {secret}"),
    ] {
        world.send(get("/me").authorization(value)).await.is_denied(&invalid_format);
    }
    world.send(get("/me")).await.is_denied(&missing_key().challenging("Basic", "api"));
    assert_eq!(world.calls(), 0);
}

pub async fn the_password_of_http_basic_is_the_key(subject: Subject) {
    let world = with_sources(subject, [CredentialSource::basic_password()]).await;
    let secret = &world.reader.secret;
    for credentials in [format!("me:{secret}"), format!(":{secret}"), format!("two words \u{fc}:{secret}")] {
        world.send(get("/me").authorization(basic(&credentials))).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    let invalid_format = invalid_format().challenging("Basic", "api");
    for credentials in
        [secret.clone(), format!("{secret}:"), format!("me:{secret}:"), format!("me: {secret}")]
    {
        world.send(get("/me").authorization(basic(&credentials))).await.is_denied(&invalid_format);
    }
    world.send(get("/me")).await.is_denied(&missing_key().challenging("Basic", "api"));
    assert_eq!(world.calls(), 0);
}

pub async fn a_scheme_may_stand_before_the_key_in_any_header(subject: Subject) {
    let name = "X-Forwarded-Authorization";
    let world = with_sources(subject, [CredentialSource::header_with_scheme(name, "Bearer")]).await;
    let secret = &world.reader.secret;
    for value in [format!("Bearer {secret}"), format!("bearer   {secret}\t")] {
        world.send(get("/me").header(name, value)).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    for value in
        [secret.clone(), "Bearer".to_owned(), format!("Bearer {secret} x"), format!("Token {secret}")]
    {
        world.send(get("/me").header(name, value)).await.is_denied(&invalid_format());
    }
    let twice = get("/me").header(name, format!("Bearer {secret}")).header(name, "");
    world.send(twice).await.is_denied(&multiple_keys());
    let missing = missing_key().saying("No X-Forwarded-Authorization header");
    world.ask("/me", &world.reader).await.is_denied(&missing);
    assert_eq!(world.calls(), 0);
}

pub async fn authorization_may_hold_the_key_alone(subject: Subject) {
    let sources = [CredentialSource::header("Authorization"), CredentialSource::bearer()];
    let world = with_sources(subject, sources).await;
    let secret = &world.reader.secret;
    world.send(get("/me").authorization(secret)).await.is_me(&world.reader);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
    for value in ["Bearer".to_owned(), "bearer ".to_owned(), format!("{secret},"), format!("Token {secret}")]
    {
        world.send(get("/me").authorization(value)).await.is_denied(&invalid_format());
    }
    world.send(get("/me")).await.is_denied(&missing_key());
    assert_eq!(world.calls(), 0);
}

pub async fn a_web_socket_may_offer_the_key_as_a_protocol(subject: Subject) {
    if subject.differences().cannot_remove_credential {
        println!("left out: this framework can't take a header out of a request");
        return;
    }
    let world = with_sources(subject, [CredentialSource::web_socket_protocol()]).await;
    let (name, member) = ("Sec-WebSocket-Protocol", protocol(&world.reader.secret));
    for request in [
        get("/me").header(name, format!("apikey, {member}")),
        get("/me").header(name, format!("{member},,apikey ,\tchat.v2")),
        get("/me").header(name, &member).header(name, "apikey"),
    ] {
        world.send(request).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    for value in [
        member.clone(),
        format!("chat, {member}"),
        format!("APIKEY, {member}"),
        format!("apikey, {member}="),
        format!("apikey, {member}~"),
        "apikey, base64url.apikey.".to_owned(),
        format!("apikey, {}", protocol("two words")),
        format!("apikey, {}", protocol(&"k".repeat(513))),
    ] {
        world.send(get("/me").header(name, value)).await.is_denied(&invalid_format());
    }
    let twice = get("/me").header(name, format!("apikey, {member}")).header(name, &member);
    world.send(twice).await.is_denied(&multiple_keys());
    let missing = missing_key().saying("No sec-websocket-protocol header");
    for nothing in ["", "apikey", "chat, apikey", "base64url.bearer.azE, apikey"] {
        world.send(get("/me").header(name, nothing)).await.is_denied(&missing);
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_value_of_another_scheme_is_no_second_key(subject: Subject) {
    let name = "X-Forwarded-Authorization";
    let sources =
        [CredentialSource::bearer(), CredentialSource::header_with_scheme(name, "Bearer"), api_key_header()];
    let world = with_sources(subject, sources).await;
    let secret = &world.reader.secret;
    let digest = "Digest username=\"me\"";
    for request in [
        get("/me").authorization(digest).header("X-Api-Key", secret),
        get("/me").authorization(digest).header(name, format!("Bearer {secret}")),
        get("/me").key(&world.reader).header(name, digest),
        get("/optional").authorization(digest).header(name, "Basic azo=").header("X-Api-Key", secret),
    ] {
        let answer = world.send(request.clone()).await;
        if request.bytes().starts_with(b"GET /me") {
            answer.is_me(&world.reader);
        } else {
            answer.is_json(r#"{"authenticated":true,"key_id":"api_key_reader"}"#);
        }
    }
    assert_eq!(world.calls(), 1);
    for path in ["/me", "/optional"] {
        let alone = get(path).authorization(digest).header(name, "Basic azo=");
        world.send(alone).await.is_denied(&invalid_format());
        for second in ["Bearer", "Bearer two words", "nonsense"] {
            let both = get(path).authorization(second).header("X-Api-Key", secret);
            world.send(both).await.is_denied(&multiple_keys());
        }
        let twice = get(path).authorization(digest).authorization(digest).header("X-Api-Key", secret);
        world.send(twice).await.is_denied(&multiple_keys());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_token_that_is_no_api_key_can_be_ignored(subject: Subject) {
    let set_up = |builder: AuthenticatorBuilder| {
        let sources = [CredentialSource::bearer(), api_key_header()];
        let builder = builder.credential_sources(sources).accepted_prefixes(["k_live_", "k_test_"]);
        builder.ignore_other_tokens(true)
    };
    let world = World::with(subject, set_up).await;
    let secret = &world.reader.secret;
    let missing = missing_key().saying("No authorization header or X-Api-Key header");
    let anonymous = r#"{"authenticated":false,"key_id":null}"#;
    for other in
        [format!("Bearer {}", jwt()), "Digest username=\"me\"".to_owned(), "Bearer K_LIVE_1".to_owned()]
    {
        world.send(get("/me").authorization(&other)).await.is_denied(&missing);
        world.send(get("/layered").authorization(&other)).await.is_denied(&missing);
        world.send(get("/optional").authorization(&other)).await.is_json(anonymous);
        let beside_a_key = get("/me").authorization(&other).header("X-Api-Key", secret);
        world.send(beside_a_key).await.is_me(&world.reader);
        let twice = get("/me").authorization(&other).authorization(&other);
        world.send(twice).await.is_denied(&multiple_keys());
    }
    world.send(get("/optional").header("X-Api-Key", jwt())).await.is_json(anonymous);
    assert_eq!(world.calls(), 1);
    for ours in
        ["Bearer k_live_1 x", "Bearer k_test_,", "Bearer\tk_live_1", &format!("Bearer k_live_{}", jwt())]
    {
        world.send(get("/optional").authorization(ours)).await.is_denied(&invalid_format());
        let both = get("/me").authorization(ours).header("X-Api-Key", secret);
        world.send(both).await.is_denied(&multiple_keys());
    }
    assert_eq!(world.calls(), 0);
    world.send(get("/optional").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
}

pub async fn a_query_parameter_is_the_key(subject: Subject) {
    let world = with_sources(subject, [api_key_parameter()]).await;
    let secret = &world.reader.secret;
    let escaped = secret.replace('_', "%5F");
    for query in [
        format!("api_key={secret}"),
        format!("page=2&api_key={secret}&sort=up"),
        format!("api_key={escaped}"),
        format!("api%5Fkey={secret}"),
        format!("API_KEY=other&api_key={secret}"),
    ] {
        world.send(get(format!("/me?{query}"))).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    for query in [
        format!("api_key={secret}%20x"),
        format!("api_key={secret}+x%2C"),
        format!("api_key=Bearer%20{secret}"),
        "api_key=%C3%A9".to_owned(),
        "api_key=%FF".to_owned(),
        "api_key=a%00b".to_owned(),
        format!("api_key={}", "k".repeat(513)),
    ] {
        world.send(get(format!("/me?{query}"))).await.is_denied(&invalid_format());
    }
    for query in [format!("api_key={secret}&api_key={secret}"), format!("api_key={secret}&api%5fkey=")] {
        world.send(get(format!("/me?{query}"))).await.is_denied(&multiple_keys());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_missing_query_parameter_is_named(subject: Subject) {
    let world = with_sources(subject, [api_key_parameter()]).await;
    let missing = missing_key().saying("No api_key query parameter");
    let secret = &world.reader.secret;
    for target in [
        "/me".to_owned(),
        "/me?".to_owned(),
        "/me?api_key=".to_owned(),
        "/me?api_key".to_owned(),
        format!("/me?key={secret}"),
    ] {
        world.send(get(target)).await.is_denied(&missing);
    }
    assert_eq!(world.calls(), 0);
}

pub async fn of_several_places_exactly_one_is_used(subject: Subject) {
    let sources = [CredentialSource::bearer(), api_key_header(), api_key_parameter()];
    let world = with_sources(subject, sources).await;
    let secret = &world.reader.secret;
    let with_query = format!("/me?api_key={secret}");
    for request in [
        get("/me").key(&world.reader),
        get("/me").header("X-Api-Key", secret),
        get(&with_query),
        get("/me?api_key=").header("X-Api-Key", secret).authorization(""),
    ] {
        world.send(request).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    for request in [
        get("/me").key(&world.reader).header("X-Api-Key", secret),
        get("/me").authorization("nonsense").header("X-Api-Key", secret),
        get("/me").key(&world.reader).header("X-Api-Key", "not a key"),
        get(&with_query).header("X-Api-Key", secret),
        get(&with_query).key(&world.writer),
        get(&with_query).header("X-Api-Key", "").header("X-Api-Key", ""),
    ] {
        world.send(request).await.is_denied(&multiple_keys());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_missing_key_names_every_place_in_order(subject: Subject) {
    let sources = [api_key_header(), CredentialSource::bearer(), api_key_parameter()];
    let world = with_sources(subject, sources).await;
    let missing =
        missing_key().saying("No X-Api-Key header or authorization header or api_key query parameter");
    world.send(get("/me")).await.is_denied(&missing);
}

pub async fn one_header_may_carry_several_schemes(subject: Subject) {
    let sources = [CredentialSource::bearer(), CredentialSource::basic_user_name()];
    let world = with_sources(subject, sources).await;
    let secret = &world.reader.secret;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    let request = get("/me").authorization(basic(&format!("{secret}:")));
    world.send(request).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
    let both = get("/me").key(&world.reader).authorization(basic(&format!("{secret}:")));
    world.send(both).await.is_denied(&multiple_keys());
    world.send(get("/me").authorization(format!("Token {secret}"))).await.is_denied(&invalid_format());
    world.send(get("/me")).await.is_denied(&missing_key());
    assert_eq!(world.calls(), 0);
}

pub async fn a_key_with_another_prefix_asks_nobody(subject: Subject) {
    let world = World::with(subject, |builder| builder.accepted_prefixes(["k_live_", "k_old_"])).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.send(get("/me").bearer("k_old_1")).await.is_denied(&invalid_key());
    assert_eq!(world.calls(), 2);
    for secret in ["k_test_1", "K_LIVE_1", "k_live", "x", "xk_live_1", "sk_live_1"] {
        world.send(get("/me").bearer(secret)).await.is_denied(&invalid_format());
    }
    assert_eq!(world.calls(), 0);
}
