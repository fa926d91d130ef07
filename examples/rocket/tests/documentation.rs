//! Rocket knows its routes, so the document can be compared with them.

use apikey_rocket::{Authenticator, openapi};
use apikey_testkit::FakeVerifier;
use example_shared::Store;
use rocket::Config;
use rocket::config::LogLevel;
use rocket::local::asynchronous::Client;
use serde_json::Value;

#[tokio::test]
async fn the_document_has_every_route_but_its_own() {
    let keys = Authenticator::builder(FakeVerifier::new()).build().unwrap();
    let config = Config { log_level: LogLevel::Off, ..Config::default() };
    let app = example_rocket::app(rocket::custom(config), keys, Store::new(), None).unwrap();
    let client = Client::tracked(app).await.unwrap();
    let document = client.get("/openapi.json").dispatch().await.into_bytes().await.unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let mut undocumented = openapi::mounted(client.rocket());
    undocumented.retain(|(method, path)| document["paths"][path][method.to_lowercase()].is_null());
    undocumented.sort();
    let own = ["/docs/{_}", "/openapi.json"];
    assert_eq!(undocumented, own.map(|path| ("GET".to_owned(), path.to_owned())));
}
