//! Removing the credential from the request before the handler sees it.

use apikey_core::{AuthenticatorBuilder, CredentialSource};

use super::sources::{jwt, protocol};
use crate::{adapter::Subject, client::get, expected::*, routes::seen_body, world::World};

async fn removing(subject: Subject) -> Option<World> {
    removing_with(subject, |builder| builder).await
}

async fn removing_with(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> Option<World> {
    if subject.differences().cannot_remove_credential {
        println!("left out: this framework can't take a header out of a request");
        return None;
    }
    let sources = [
        CredentialSource::bearer(),
        CredentialSource::header("X-Api-Key"),
        CredentialSource::insecure_query_parameter("api_key"),
    ];
    let set_up = |builder: AuthenticatorBuilder| {
        configure(builder.credential_sources(sources).remove_credential(true))
    };
    Some(World::with(subject, set_up).await)
}

/// What `/seen` answers to a handler that sees these headers.
fn seen(headers: &[(&str, &str)], query: &str) -> String {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    String::from_utf8(seen_body(headers, Some(query))).expect("a body is JSON")
}

pub async fn the_credential_stays_unless_removal_is_asked_for(subject: Subject) {
    let world = World::new(subject).await;
    let authorization = format!("Bearer {}", world.reader.secret);
    let request = get("/seen?page=2&api_key=x").key(&world.reader).header("X-Api-Key", "mine");
    let headers = [("authorization", authorization.as_str()), ("x-api-key", "mine")];
    world.send(request).await.is_json(&seen(&headers, "page=2&api_key=x"));
    world.ask("/seen", &world.reader).await.is_json(&seen(&headers[..1], ""));
}

pub async fn the_handler_does_not_see_the_header(subject: Subject) {
    let Some(world) = removing(subject).await else { return };
    world.ask("/seen?page=2", &world.reader).await.is_json(&seen(&[], "page=2"));
    let own = get("/seen").header("X-Api-Key", &world.reader.secret);
    world.send(own).await.is_json(&seen(&[], ""));
    assert_eq!(world.calls(), 1);
}

pub async fn the_handler_does_not_see_an_empty_header_either(subject: Subject) {
    let Some(world) = removing(subject).await else { return };
    let request = get("/seen").key(&world.reader).header("X-Api-Key", "");
    world.send(request).await.is_json(&seen(&[], ""));
}

pub async fn the_handler_sees_a_value_of_another_scheme(subject: Subject) {
    let Some(world) = removing(subject).await else { return };
    let digest = "Digest  username=\"me\", realm=\"a\"";
    let request = |target: &str| get(target).authorization(digest).header("X-Api-Key", &world.reader.secret);
    world.send(request("/seen")).await.is_json(&seen(&[("authorization", digest)], ""));
    // A layer and three extractors see the value, and ask once.
    world.send(request("/layered-twice")).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
    world.send(get("/layered-twice").authorization(digest)).await.is_denied(&invalid_format());
    world.send(get("/optional").authorization(digest)).await.is_denied(&invalid_format());
    assert_eq!(world.calls(), 0);
}

pub async fn the_handler_sees_a_token_that_is_ignored(subject: Subject) {
    let ignoring =
        |builder: AuthenticatorBuilder| builder.accepted_prefixes(["k_live_"]).ignore_other_tokens(true);
    let Some(world) = removing_with(subject, ignoring).await else { return };
    let (jwt, secret) = (format!("Bearer {}", jwt()), &world.reader.secret);
    let request = get("/seen?api_key=eyJ").authorization(&jwt).header("X-Api-Key", secret);
    world.send(request).await.is_json(&seen(&[("authorization", &jwt)], "api_key=eyJ"));
    let request = get(format!("/seen?api_key={secret}")).authorization(&jwt).header("X-Api-Key", "eyJ");
    let headers = [("authorization", jwt.as_str()), ("x-api-key", "eyJ")];
    world.send(request).await.is_json(&seen(&headers, ""));
    world.ask("/seen", &world.reader).await.is_json(&seen(&[], ""));
    assert_eq!(world.calls(), 1);
}

pub async fn of_a_web_sockets_protocols_the_handler_sees_all_but_the_key(subject: Subject) {
    if subject.differences().cannot_remove_credential {
        println!("left out: this framework can't take a header out of a request");
        return;
    }
    let sources = [CredentialSource::bearer(), CredentialSource::web_socket_protocol()];
    let world = World::with(subject, |builder| builder.credential_sources(sources)).await;
    let (name, member) = ("Sec-WebSocket-Protocol", protocol(&world.reader.secret));
    let one_line = get("/seen").header(name, format!("apikey,{member}, chat.v2"));
    let apikey_and_chat = seen(&[("sec-websocket-protocol", "apikey, chat.v2")], "");
    world.send(one_line).await.is_json(&apikey_and_chat);
    let lines = get("/seen").header(name, "apikey").header(name, &member).header(name, "chat.v2");
    world.send(lines).await.is_json(&apikey_and_chat);
    // This location implies the removal of all keys.
    let other = get("/seen").key(&world.reader).header(name, "chat.v2, ,chat");
    world.send(other).await.is_json(&seen(&[("sec-websocket-protocol", "chat.v2, ,chat")], ""));
    let request = get("/layered-twice").header(name, format!("apikey, {member}"));
    world.send(request).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
}

pub async fn the_handler_does_not_see_the_query_parameter_but_all_others(subject: Subject) {
    let Some(world) = removing(subject).await else { return };
    let secret = &world.reader.secret;
    for (query, left) in [
        (format!("api_key={secret}"), ""),
        (format!("page=2&api_key={secret}"), "page=2"),
        (format!("api%5Fkey={secret}&page=2&q=a%20b"), "page=2&q=a%20b"),
    ] {
        world.send(get(format!("/seen?{query}"))).await.is_json(&seen(&[], left));
    }
}

pub async fn extractors_still_know_the_key_after_a_layer_removed_it(subject: Subject) {
    let Some(world) = removing(subject).await else { return };
    world.ask("/layered-twice", &world.reader).await.is_me(&world.reader);
    world.ask("/twice", &world.reader).await.is_me(&world.reader);
    world.ask("/layered", &world.admin).await.is_me(&world.admin);
    assert_eq!(world.calls(), 2);
    world.send(get("/layered-twice")).await.is_denied(
        &missing_key().saying("No authorization header or X-Api-Key header or api_key query parameter"),
    );
}
