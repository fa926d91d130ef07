//! An event as a line of JSON.

use std::time::Duration;

use apikey_core::{DecisionRecord, Event, Verification, VerificationRecord};
use serde::Serialize;

/// The fields of all events. Those that an event lacks are left out.
#[derive(Serialize, Default)]
struct Line<'a> {
    /// RFC 3339, in UTC, with milliseconds.
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<usize>,
}

/// The line, with its line feed. `None` for a kind of event that this does not know.
pub(super) fn render(event: &Event<'_>) -> Option<Vec<u8>> {
    let line = match event {
        Event::Decided(decision) => Line::from(decision),
        Event::VerificationEnded(verification) => Line::from(verification),
        Event::BreakerChanged(state) => {
            Line { event: "breaker", state: Some(state.as_str()), ..Line::default() }
        }
        Event::TokenRenewal(renewal) => {
            Line { event: "token_renewal", result: Some(renewal.as_str()), ..Line::default() }
        }
        Event::Purged { by, name, removed, .. } => Line {
            event: "purge",
            by: Some(by.as_str()),
            name: *name,
            removed: Some(*removed),
            ..Line::default()
        },
        _ => return None,
    };
    let line = Line { time: format!("{:.3}", jiff::Timestamp::now()), ..line };
    let mut line = serde_json::to_vec(&line).ok()?;
    line.push(b'\n');
    Some(line)
}

impl<'a> From<&DecisionRecord<'a>> for Line<'a> {
    fn from(decision: &DecisionRecord<'a>) -> Self {
        Self {
            event: "decision",
            outcome: Some(decision.outcome.as_str()),
            code: decision.code.map(|code| code.as_str()),
            source: decision.source.map(|source| source.as_str()),
            age_seconds: decision.age.map(seconds),
            policy: decision.policy.map(ToString::to_string),
            route: decision.route,
            request_id: decision.request_id,
            client: decision.client,
            ..Self::of_key(decision.key)
        }
    }
}

impl<'a> From<&VerificationRecord<'a>> for Line<'a> {
    fn from(verification: &VerificationRecord<'a>) -> Self {
        Self {
            event: "verification",
            result: Some(verification.result.as_str()),
            error_type: verification.error_type,
            duration_seconds: Some(seconds(verification.took)),
            ..Self::of_key(verification.key)
        }
    }
}

impl<'a> Line<'a> {
    fn of_key(key: Option<&'a Verification>) -> Self {
        Self {
            key_id: key.map(Verification::key_id),
            organization_code: key.and_then(Verification::organization_code),
            user_id: key.and_then(Verification::user_id),
            ..Self::default()
        }
    }
}

/// Seconds, in whole milliseconds.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_page_lists_every_field() {
        // It names every field, so that a new one must be named here.
        let line = Line {
            time: String::new(),
            event: "",
            outcome: Some(""),
            code: Some(""),
            result: Some(""),
            error_type: Some(""),
            key_id: Some(""),
            organization_code: Some(""),
            user_id: Some(""),
            source: Some(""),
            age_seconds: Some(0.0),
            policy: Some(String::new()),
            route: Some(""),
            request_id: Some(""),
            client: Some(""),
            duration_seconds: Some(0.0),
            state: Some(""),
            by: Some(""),
            name: Some(""),
            removed: Some(0),
        };
        let line = serde_json::to_value(line).unwrap();
        let fields: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();

        let page = include_str!("../../../../docs/observability.md");
        let (_, table) = page.split_once("| field | of | what it tells | OCSF |\n").unwrap();
        let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
        let names = rows.filter_map(|row| row.split('|').nth(1));
        let listed: BTreeSet<&str> = names.flat_map(|names| names.split('`').skip(1).step_by(2)).collect();
        assert_eq!(listed, fields);
    }
}
