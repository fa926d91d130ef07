//! `apikey-check key`: what an API with this set-up decides about a key.

use std::sync::{Arc, Mutex, PoisonError};

use apikey_core::{
    Authenticator, Denial, DenialCode, FirstTry, Health, Judgement, KindeVerifier, Policy, PresentedKey,
    VerifiedKey, Verifier, VerifierError, async_trait,
};

use crate::config::settings;
use crate::console::say;
use crate::input::Input;

/// What the route asks of the key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) scopes: Vec<String>,
    /// Whether one of the scopes is enough.
    pub(crate) any_of: bool,
    pub(crate) owner: Option<Owner>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Organization,
    User,
}

impl Requirement {
    fn policy(&self) -> Policy {
        let scopes = self.scopes.iter().cloned();
        let scopes = if self.any_of { Policy::any(scopes) } else { Policy::all(scopes) };
        match self.owner {
            None => scopes,
            Some(Owner::Organization) => Policy::organization_key().and(scopes),
            Some(Owner::User) => Policy::user_key().and(scopes),
        }
    }
}

/// Judges the key on standard input. Returns whether it is let in.
///
/// # Errors
/// Says why the key could not be asked about.
pub(crate) async fn run(requirement: &Requirement) -> Result<bool, String> {
    let kinde = settings().and_then(KindeVerifier::new);
    let kinde = kinde.map_err(|error| format!("{error}. `apikey-check config` checks every step"))?;
    let verifier = Arc::new(Remembering { kinde, latest: Mutex::default() });
    let keys: Authenticator =
        Authenticator::builder(Arc::clone(&verifier)).build().map_err(|error| error.to_string())?;
    let mut input = Input::new().map_err(|error| format!("there is no standard input: {error}"))?;
    let presented = input.secret("API key")?;
    let parsed = PresentedKey::parse(&presented);
    let verified = match parsed {
        Ok(key) => keys.verify(key).await,
        Err(_) if presented.is_empty() => Err(Denial::assume(DenialCode::MissingKey)),
        Err(_) => Err(Denial::assume(DenialCode::InvalidFormat)),
    };
    match verified {
        Ok(key) => {
            let decision = keys.authorize(&key, &requirement.policy());
            match &decision {
                Ok(()) => say("decision  the key is let in"),
                Err(denial) => tell_denial(denial),
            }
            tell_key(&key);
            Ok(decision.is_ok())
        }
        Err(denial) => {
            tell_denial(&denial);
            if let Some(error) = verifier.latest() {
                say(format_args!("reason    {}", error.reason()));
                say("fix:      `apikey-check config` checks every step on the way to Kinde");
            }
            Ok(false)
        }
    }
}

fn tell_denial(denial: &Denial) {
    say(format_args!("decision  {} {}", denial.status(), denial.code()));
    say(format_args!("message   {}", denial.message()));
    if let Some(scopes) = denial.required_scopes() {
        say(format_args!("required  {}", visible(&scopes.join(" "))));
    }
}

fn tell_key(key: &VerifiedKey) {
    say(format_args!("key id    {}", visible(key.key_id())));
    say(format_args!("status    {}", key.status()));
    let scopes: Vec<&str> = key.scopes().collect();
    say(format_args!(
        "scopes    {}",
        if scopes.is_empty() { "none".to_owned() } else { visible(&scopes.join(" ")) }
    ));
    let owners = [("organization", key.organization_code()), ("user", key.user_id())];
    let owners: Vec<String> =
        owners.iter().filter_map(|(kind, id)| Some(format!("{kind} {}", visible((*id)?)))).collect();
    say(format_args!("owner     {}", if owners.is_empty() { "none".to_owned() } else { owners.join(", ") }));
}

/// A text of Kinde's without characters that a terminal obeys.
fn visible(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// Asks Kinde, and remembers why a key was not judged: the denial does not say it, because it is for callers.
struct Remembering {
    kinde: KindeVerifier,
    latest: Mutex<Option<VerifierError>>,
}

impl Remembering {
    fn remember(&self, judged: Result<Judgement, VerifierError>) -> Result<Judgement, VerifierError> {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = judged.as_ref().err().cloned();
        judged
    }

    fn latest(&self) -> Option<VerifierError> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Verifier for Remembering {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.remember(self.kinde.verify(key).await)
    }

    async fn verify_again(&self, key: &PresentedKey, after: FirstTry) -> Result<Judgement, VerifierError> {
        self.remember(self.kinde.verify_again(key, after).await)
    }

    async fn check(&self) -> Health {
        self.kinde.check().await
    }

    fn realm(&self) -> String {
        self.kinde.realm()
    }

    fn further_checks(&self) -> Vec<String> {
        self.kinde.further_checks()
    }
}
