//! `apikey-check config`: the steps on the way to Kinde, each with its result.

mod environment;
mod steps;

use apikey_core::KindeInspection;

use crate::console::say;
pub(crate) use environment::{inspection, settings};
use steps::{Outcome, Step};

/// Tries the steps in their order, up to the first that fails. Returns whether none failed.
pub(crate) async fn run() -> bool {
    let kinde = match inspection() {
        Ok(kinde) => {
            tell("environment", &Outcome::Passed(environment::summary(&kinde)));
            Some(kinde)
        }
        Err(error) => {
            tell("environment", &Outcome::Failed { problem: error.to_string(), fix: None });
            None
        }
    };
    let failed = first_failure(kinde.as_ref()).await;
    match failed {
        None => say("\nThe set-up works."),
        Some(name) => say(format_args!("\nThe step {name} failed. Change what it names, and start again.")),
    }
    failed.is_none()
}

/// The name of the step that failed.
async fn first_failure(kinde: Option<&KindeInspection>) -> Option<&'static str> {
    let mut failed = kinde.is_none().then_some("environment");
    let mut addresses = Vec::new();
    for step in Step::ALL {
        let outcome = match kinde {
            Some(kinde) if failed.is_none() => step.run(kinde, &mut addresses).await,
            _ => Outcome::NotTried,
        };
        tell(step.name(), &outcome);
        if let Outcome::Failed { .. } = outcome {
            failed = Some(step.name());
        }
    }
    failed
}

fn tell(name: &str, outcome: &Outcome) {
    let (result, text) = match outcome {
        Outcome::Passed(text) => ("ok", text.as_str()),
        Outcome::Open(text) => ("?", *text),
        Outcome::NotNeeded(text) => ("-", *text),
        Outcome::NotTried => ("-", "not tried"),
        Outcome::Failed { problem, .. } => ("FAILED", problem.as_str()),
    };
    say(format_args!("{name:<11}  {result:<6}  {text}"));
    if let Outcome::Failed { fix: Some(fix), .. } = outcome {
        say(format_args!("{:<11}  {:<6}  {fix}", "", "fix:"));
    }
}
