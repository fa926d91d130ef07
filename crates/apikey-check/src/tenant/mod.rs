//! `apikey-check tenant`: asks Kinde what its documentation leaves open, and prints an anonymous record of the answers.

mod record;
mod shape;
mod vocabulary;

use apikey_core::{InspectionToken, KindeInspection, KindeResponse, MachineToMachine, VerifierError};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::config::{inspection, settings};
use crate::console::{say, tell};
use crate::input::Input;
use record::{mode, of_answers, of_response, of_silence, of_skipped, reading};

/// How often a key is asked about that should be refused and is not.
const MOST_TRIES: u32 = 10;

const WELCOME: &str = "\
This asks Kinde about a key that you make for it. Make one in Kinde now, and throw it away afterwards: its last step is its
revocation. What is printed at the end holds no secret, no name, no id and no host of yours.";

/// Asks all questions. Returns whether Kinde answered every one that was asked.
///
/// # Errors
/// Says why nothing could be asked.
pub(crate) async fn run() -> Result<bool, String> {
    let kinde = inspection().map_err(|error| format!("{error}. `apikey-check config` checks every step"))?;
    let without_scope = without_scope()?;
    let mut input = Input::new().map_err(|error| format!("there is no standard input: {error}"))?;
    tell(WELCOME);
    let key = input.secret("throw-away API key")?;
    if key.is_empty() {
        return Err("the API key is empty".to_owned());
    }
    let mut survey = Survey { kinde, key, answers: Vec::new(), is_complete: true };
    survey.ask_at_once(without_scope.as_ref()).await?;
    for (question, what_to_do) in [
        ("the key, made inactive", "Make the key inactive in Kinde, and press Enter"),
        ("the key, revoked", "Revoke the key in Kinde, and press Enter"),
    ] {
        survey.ask_after_a_change(&mut input, question, what_to_do).await?;
    }
    say(format_args!("{:#}", of_answers(survey.answers)));
    Ok(survey.is_complete)
}

/// The client of `KINDE_CHECK_CLIENT_ID`, whose tokens lack the scope.
fn without_scope() -> Result<Option<KindeInspection>, String> {
    let read = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    match (read("KINDE_CHECK_CLIENT_ID"), read("KINDE_CHECK_CLIENT_SECRET").map(Zeroizing::new)) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => {
            let credentials = MachineToMachine::new(id.trim(), secret.trim());
            let settings = settings().map(|settings| settings.machine_to_machine(credentials));
            settings.and_then(KindeInspection::new).map(Some).map_err(|error| error.to_string())
        }
        _ => Err("set both KINDE_CHECK_CLIENT_ID and KINDE_CHECK_CLIENT_SECRET, or neither".to_owned()),
    }
}

struct Survey {
    kinde: KindeInspection,
    key: Zeroizing<String>,
    answers: Vec<Map<String, Value>>,
    /// Whether an answer came to every question that was asked.
    is_complete: bool,
}

type Answered = Result<KindeResponse, VerifierError>;

impl Survey {
    /// Asks what needs nobody's help.
    async fn ask_at_once(&mut self, without_scope: Option<&KindeInspection>) -> Result<(), String> {
        match self.kinde.token_response().await {
            Ok(None) => self.skip("a token", "APIKEY_AUTH is none"),
            Ok(Some(response)) => self.answers.push(of_response("a token", &response)),
            Err(error) => self.was_silent("a token", &error),
        }
        let active = self.kinde.verify_response(&self.key, InspectionToken::Own).await;
        let key_id = active.as_ref().ok().and_then(key_id);
        self.note("the key, active", active, false);

        let unknown = made_up_key()?;
        let answered = self.kinde.verify_response(&unknown, InspectionToken::Own).await;
        self.note("an unknown key", answered, true);
        let answered = self.kinde.verify_response("malformed", InspectionToken::Own).await;
        self.note("a malformed key", answered, true);

        let answered = self.kinde.verify_response(&self.key, InspectionToken::None).await;
        self.note("the key, without a token", answered, false);
        let answered = self.kinde.verify_response(&unknown, InspectionToken::None).await;
        self.note("an unknown key, without a token", answered, false);
        let answered = self.kinde.verify_response(&self.key, InspectionToken::MadeUp).await;
        self.note("the key, with a made-up token", answered, false);

        let question = "the key, with a token that lacks the scope";
        match without_scope {
            None => self.skip(question, "KINDE_CHECK_CLIENT_ID is not set"),
            Some(other) => {
                let answered = other.verify_response(&self.key, InspectionToken::Own).await;
                self.note(question, answered, false);
            }
        }
        let question = "the details of the key";
        match key_id {
            None => self.skip(question, "Kinde named no key id"),
            Some(key_id) => {
                let answered = self.kinde.key_response(&key_id, InspectionToken::Own).await;
                self.note_response(question, answered);
            }
        }
        let unknown_id = format!("api_key_{}", made_up_hexadecimal()?.as_str());
        let answered = self.kinde.key_response(&unknown_id, InspectionToken::Own).await;
        self.note_response("the details of an unknown key", answered);
        Ok(())
    }

    /// Asks about the key after somebody has changed it.
    async fn ask_after_a_change(
        &mut self,
        input: &mut Input,
        question: &str,
        what_to_do: &str,
    ) -> Result<(), String> {
        let mut prompt = format!("{what_to_do}. To skip this step, type s and press Enter.");
        let mut latest = None;
        for _ in 0..MOST_TRIES {
            let answer = input.answer(&prompt)?;
            if answer.is_none_or(|answer| answer.trim() == "s") {
                break;
            }
            let answered = self.kinde.verify_response(&self.key, InspectionToken::Own).await;
            let is_accepted = answered.as_ref().is_ok_and(|response| {
                self.kinde.judge(response).is_ok_and(|judgement| judgement.is_accepted())
            });
            latest = Some(answered);
            if !is_accepted {
                break;
            }
            prompt =
                "Kinde still accepts the key. To ask again, press Enter; to go on, type s and press Enter."
                    .to_owned();
        }
        match latest {
            Some(answered) => self.note(question, answered, true),
            None => self.skip(question, "by the user"),
        }
        Ok(())
    }

    /// Notes an answer of the verify endpoint. `is_bad`: the key is one that Kinde should refuse.
    fn note(&mut self, question: &str, answered: Answered, is_bad: bool) {
        let response = match answered {
            Ok(response) => response,
            Err(error) => return self.was_silent(question, &error),
        };
        let judged = self.kinde.judge(&response);
        let mut record = of_response(question, &response);
        record.insert("library".to_owned(), reading(&judged).into());
        if is_bad && !judged.as_ref().is_ok_and(apikey_core::Judgement::is_accepted) {
            let mode = mode(response.status(), response.body(), &judged);
            let mode = mode.map_or("none".to_owned(), |mode| format!("{mode:?}").to_lowercase());
            record.insert("emulator".to_owned(), mode.into());
        }
        self.answers.push(record);
    }

    fn note_response(&mut self, question: &str, answered: Answered) {
        match answered {
            Ok(response) => self.answers.push(of_response(question, &response)),
            Err(error) => self.was_silent(question, &error),
        }
    }

    fn was_silent(&mut self, question: &str, error: &VerifierError) {
        self.is_complete = false;
        self.answers.push(of_silence(question, error));
    }

    fn skip(&mut self, question: &str, why: &str) {
        self.answers.push(of_skipped(question, why));
    }
}

fn key_id(response: &KindeResponse) -> Option<String> {
    let body: Value = serde_json::from_slice(response.body()?).ok()?;
    body.get("key_id")?.as_str().map(str::to_owned)
}

fn made_up_key() -> Result<Zeroizing<String>, String> {
    Ok(Zeroizing::new(format!("k_live_{}", made_up_hexadecimal()?.as_str())))
}

fn made_up_hexadecimal() -> Result<Zeroizing<String>, String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| format!("the operating system gives no random numbers: {error}"))?;
    Ok(Zeroizing::new(format!("{:032x}", u128::from_ne_bytes(random))))
}
