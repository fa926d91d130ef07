use std::time::Duration;

use apikey_core::VerifierError;
use apikey_rocket::{ApiKeys, Authenticator, Verification};
use apikey_testkit::FakeVerifier;
use rocket::config::LogLevel;
use rocket::http::{Accept, Header};
use rocket::local::asynchronous::Client;
use rocket::{Build, Config, Rocket};

/// Knows `admin` and `user`, each with the scope of its name, and can't judge `odd`.
pub(crate) fn verifier() -> FakeVerifier {
    FakeVerifier::new()
        .with_key("admin", Verification::active("key_admin").with_scopes(["admin"]))
        .with_key("user", Verification::active("key_user").with_scopes(["user"]))
        .with_failure("odd", VerifierError::outage("down"))
}

/// The cache is off: every request is verified.
pub(crate) fn keys(verifier: &FakeVerifier) -> Authenticator {
    Authenticator::builder(verifier.clone()).cache_time_to_live(Duration::ZERO).build().unwrap()
}

pub(crate) fn quiet() -> Rocket<Build> {
    quiet_with(Config::default())
}

pub(crate) fn quiet_with(config: Config) -> Rocket<Build> {
    // While a `Rocket` is made, Rocket's logger reports the requests of all others, and allocates. It stands back where there
    // is a logger: this is the one that does nothing.
    let _ = log::set_logger(log::logger());
    rocket::custom(Config { log_level: LogLevel::Off, ..config })
}

/// A Rocket with the fairing over [`verifier`].
pub(crate) fn protected() -> Rocket<Build> {
    quiet().attach(ApiKeys::fairing(keys(&verifier())))
}

pub(crate) async fn client(rocket: Rocket<Build>) -> Client {
    Client::untracked(rocket).await.unwrap()
}

/// Status and body.
pub(crate) async fn ask(client: &Client, path: &str, key: Option<&str>) -> (u16, String) {
    let mut request = client.get(path.to_owned());
    if let Some(key) = key {
        request.add_header(Header::new("Authorization", format!("Bearer {key}")));
    }
    let response = request.dispatch().await;
    (response.status().code, response.into_string().await.unwrap_or_default())
}

/// Status, content type and body, for a caller that prefers this type.
pub(crate) async fn ask_for(client: &Client, path: &str, accept: Accept) -> (u16, String, String) {
    let response = client.get(path.to_owned()).header(accept).dispatch().await;
    let content_type = response.content_type().map(|content_type| content_type.to_string());
    let status = response.status().code;
    (status, content_type.unwrap_or_default(), response.into_string().await.unwrap_or_default())
}

pub(crate) const MISSING: &str = r#"{"error":"No authorization header","code":"MISSING_KEY"}"#;
pub(crate) const INVALID: &str = r#"{"error":"Invalid API key","code":"INVALID_KEY"}"#;
