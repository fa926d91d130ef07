//! The service's own question: whether verifying works, asked with a made-up key.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Client;

use super::client::KindeVerifier;
use super::http::{Answer, Way};
use super::json::is_object;
use super::token::Token;
use super::wire::{Doubt, Meaning};
use crate::key::{Fingerprint, PresentedKey};
use crate::verifier::{FailureClass, Health, VerifierError};

/// The client whose connection the question uses, and nobody else. It is away while a question is under way, and comes
/// back only if Kinde was well: so the next question after a failure, or after one that was given up, makes a new
/// connection.
#[derive(Default)]
pub(super) struct OwnConnection(Mutex<Option<Client>>);

impl OwnConnection {
    fn take(&self) -> Option<Client> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, client: Client) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
    }
}

impl KindeVerifier {
    /// Asks whether verifying works.
    pub(super) async fn question(&self) -> Health {
        let client = match self.own_connection.take().map_or_else(|| self.http().client(), Ok) {
            Ok(client) => client,
            Err(error) => return Health::Down(error),
        };
        let health = self.question_on(&client).await.unwrap_or_else(by_class);
        if health == Health::Up {
            self.own_connection.keep(client);
        }
        health
    }

    async fn question_on(&self, client: &Client) -> Result<Health, VerifierError> {
        let token = match self.tokens() {
            Some(tokens) => Some(tokens.as_it_is().await?),
            None => None,
        };
        let key = made_up_key()?;
        let print = self.fingerprint(&key);
        let authorization = token.as_ref().map(|token| &token.authorization);
        let answer = self.call(&key, authorization, Way::Own(client)).await?;
        Ok(self.health(&answer, token.as_ref(), print))
    }

    fn health(&self, answer: &Answer, token: Option<&Arc<Token>>, key: Fingerprint) -> Health {
        let token = token.map(Arc::as_ref);
        match self.read(answer) {
            Meaning::Judged(_) => {
                self.was_accepted(token, key);
                Health::Up
            }
            // It may be the made-up key that is refused so, or a firewall's page; JSON is Kinde's.
            Meaning::TokenDoubted(Doubt::Bare401 | Doubt::Bare403) => {
                if answer.body().is_some_and(is_object) { Health::Up } else { Health::Unknown }
            }
            // Then it is what Kinde says of a key that it does not know.
            Meaning::TokenDoubted(Doubt::Refused) if self.is_trusted(token, &key) => Health::Up,
            Meaning::TokenDoubted(doubt) => Health::Refused(self.not_judged(doubt, token, &key)),
            Meaning::NotJudged(error) if error.class() == FailureClass::Unjudged => {
                if answer.body().is_some_and(is_object) {
                    Health::Up
                } else {
                    Health::Down(VerifierError::outage("the answer to our own question is no JSON object"))
                }
            }
            Meaning::NotJudged(error) => by_class(error),
        }
    }
}

fn by_class(error: VerifierError) -> Health {
    match error.class() {
        FailureClass::Overload => Health::Overload(error),
        FailureClass::SetUp | FailureClass::ServiceRefused => Health::Refused(error),
        FailureClass::Outage | FailureClass::Unjudged => Health::Down(error),
    }
}

/// A key as Kinde's look, which nobody has.
fn made_up_key() -> Result<PresentedKey, VerifierError> {
    let no_key = || VerifierError::outage("no key for our own question could be made up");
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| no_key().with_source(error))?;
    PresentedKey::parse(&format!("k_live_{:032x}", u128::from_ne_bytes(random))).map_err(|_| no_key())
}
