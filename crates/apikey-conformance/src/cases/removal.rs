//! Removing the credential from the request before the handler sees it.

use apikey_core::CredentialSource;

use crate::{adapter::Subject, client::get, expected::*, world::World};

async fn removing(subject: Subject) -> Option<World> {
    if subject.differences().cannot_remove_credential {
        println!("left out: this framework can't take a header out of a request");
        return None;
    }
    let sources = [
        CredentialSource::bearer(),
        CredentialSource::header("X-Api-Key"),
        CredentialSource::insecure_query_parameter("api_key"),
    ];
    Some(World::with(subject, |builder| builder.credential_sources(sources).remove_credential(true)).await)
}

fn seen(authorization: bool, x_api_key: bool, query: &str) -> String {
    format!(r#"{{"authorization":{authorization},"x-api-key":{x_api_key},"query":"{query}"}}"#)
}

pub async fn the_credential_stays_unless_removal_is_asked_for(subject: Subject) {
    let world = World::new(subject).await;
    let request = get("/seen?page=2&api_key=x").key(&world.reader).header("X-Api-Key", "mine");
    world.send(request).await.is_json(&seen(true, true, "page=2&api_key=x"));
    world.ask("/seen", &world.reader).await.is_json(&seen(true, false, ""));
}

pub async fn the_handler_does_not_see_the_header(subject: Subject) {
    let Some(world) = removing(subject).await else { return };
    world.ask("/seen?page=2", &world.reader).await.is_json(&seen(false, false, "page=2"));
    let own = get("/seen").header("X-Api-Key", &world.reader.secret);
    world.send(own).await.is_json(&seen(false, false, ""));
    assert_eq!(world.calls(), 1);
}

pub async fn the_handler_does_not_see_an_empty_header_either(subject: Subject) {
    let Some(world) = removing(subject).await else { return };
    let request = get("/seen").key(&world.reader).header("X-Api-Key", "");
    world.send(request).await.is_json(&seen(false, false, ""));
}

pub async fn the_handler_does_not_see_the_query_parameter_but_all_others(subject: Subject) {
    let Some(world) = removing(subject).await else { return };
    let secret = &world.reader.secret;
    for (query, left) in [
        (format!("api_key={secret}"), ""),
        (format!("page=2&api_key={secret}"), "page=2"),
        (format!("api%5Fkey={secret}&page=2&q=a%20b"), "page=2&q=a%20b"),
    ] {
        world.send(get(format!("/seen?{query}"))).await.is_json(&seen(false, false, left));
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
