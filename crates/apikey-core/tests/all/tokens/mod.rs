//! The service's own token. All calls share it, it is renewed early, and it is never fetched in a storm.

mod doubt;
mod fetch;
mod junk;
mod lifetime;

use std::sync::Arc;
use std::time::Duration;

use apikey_core::{
    FailureClass, KindeSettings, KindeVerifier, MachineToMachine, ManualClock, Verifier, VerifierError,
};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate, NegativeAnswer, ScriptedAnswer};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// A little longer than a token is beyond doubt after Kinde accepted it for another key.
const OF_LATE: Duration = Duration::from_secs(61);

async fn verify(verifier: &KindeVerifier, secret: &str) -> &'static str {
    kind(&verifier.verify(&key(secret)).await)
}

fn said(error: &VerifierError) -> String {
    error.to_string()
}

/// Verifies all of these at once, and returns the outcomes.
async fn verify_all(verifier: &Arc<KindeVerifier>, secrets: Vec<String>) -> Vec<&'static str> {
    spawn_all(verifier, secrets).join_all().await
}

fn spawn_all(verifier: &Arc<KindeVerifier>, secrets: Vec<String>) -> JoinSet<&'static str> {
    let mut tasks = JoinSet::new();
    for secret in secrets {
        let verifier = Arc::clone(verifier);
        tasks.spawn(async move { verify(&verifier, &secret).await });
    }
    tasks
}

fn junk(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k_live_junk_{name}_{number}")).collect()
}

fn all_are(answers: &[&str], expected: &str) -> bool {
    answers.iter().all(|answer| *answer == expected)
}
