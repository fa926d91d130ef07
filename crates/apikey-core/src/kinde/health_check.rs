//! Checks whether verifying works, with a made-up key.

use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Client;

use super::endpoint::{Question, VerifyEndpoint};
use super::fetch::Token;
use super::http::{Connection, Response};
use super::json::is_object;
use super::meaning::{Doubt, Meaning};
use crate::key::PresentedKey;
use crate::telemetry::Endpoint;
use crate::verifier::{FailureClass, Health, VerifierError};

/// Keeps a client for health checks only. A check takes the client out, and puts it back only if Kinde is up. So a check
/// makes a new connection if the one before failed or was cancelled.
#[derive(Default)]
pub(super) struct HealthCheck(Mutex<Option<Client>>);

impl HealthCheck {
    /// Runs one check.
    pub(super) async fn run(&self, endpoint: &VerifyEndpoint) -> Health {
        let client = match self.lock().take().map_or_else(|| endpoint.http().client(), Ok) {
            Ok(client) => client,
            Err(error) => return Health::Down(error),
        };
        let health = ask(endpoint, &client).await.unwrap_or_else(by_class);
        if health == Health::Up {
            *self.lock() = Some(client);
        }
        health
    }

    fn lock(&self) -> MutexGuard<'_, Option<Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(endpoint: &VerifyEndpoint, client: &Client) -> Result<Health, VerifierError> {
    let token = match endpoint.tokens() {
        Some(tokens) => Some(tokens.as_it_is().await?),
        None => None,
    };
    let token = token.as_deref();
    let key = made_up_key()?;
    let authorization = token.map(|token| &token.authorization);
    let mut response = endpoint.call(&key, authorization, Connection::Own(client), Endpoint::Health).await?;
    let health = health(endpoint, &response, token, &key);
    if health == Health::Up {
        response.was_usable();
    }
    Ok(health)
}

fn health(
    endpoint: &VerifyEndpoint,
    response: &Response,
    token: Option<&Token>,
    key: &PresentedKey,
) -> Health {
    let (question, key) = (Question::IsValid(key), endpoint.fingerprint(key));
    match endpoint.read(response) {
        Meaning::Judged(_) => {
            endpoint.was_accepted(question, token, key);
            Health::Up
        }
        // Either Kinde refuses the made-up key like this, or a firewall sent the page. Kinde sends JSON.
        Meaning::TokenDoubted(Doubt::Bare401 | Doubt::Bare403) => {
            if response.body().is_some_and(is_object) {
                Health::Up
            } else {
                Health::Unknown
            }
        }
        // Kinde accepts this token for other keys, so this is how it refuses a key that it does not know.
        Meaning::TokenDoubted(Doubt::Refused) if endpoint.is_trusted(question, token, &key) => Health::Up,
        Meaning::TokenDoubted(doubt) => Health::Refused(endpoint.not_judged(doubt, question, token, &key)),
        Meaning::NotJudged(error) if error.class() == FailureClass::Unjudged => {
            if response.body().is_some_and(is_object) {
                Health::Up
            } else {
                Health::Down(VerifierError::outage("the response to the health check is not a JSON object"))
            }
        }
        Meaning::NotJudged(error) => by_class(error),
    }
}

fn by_class(error: VerifierError) -> Health {
    match error.class() {
        FailureClass::Overload => Health::Overload(error),
        FailureClass::SetUp | FailureClass::ServiceRefused => Health::Refused(error),
        FailureClass::Outage | FailureClass::Unjudged => Health::Down(error),
    }
}

/// Makes up a key that looks like Kinde's and that nobody has.
pub(super) fn made_up_key() -> Result<PresentedKey, VerifierError> {
    let no_key = || VerifierError::outage("no random key for the health check could be made");
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| no_key().with_source(error))?;
    PresentedKey::parse(&format!("k_live_{:032x}", u128::from_ne_bytes(random))).map_err(|_| no_key())
}
