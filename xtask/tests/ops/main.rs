//! What `ops/` names exists in the code, and the other way round.

mod selectors;

use apikey_core::{METRICS, Metric, MetricKind};
use selectors::{Selector, metric_names, selectors};
use std::collections::BTreeSet;
use std::path::Path;
use xtask::cargo::root;
use xtask::ops::{self, alert_rules, dashboard, faults};

/// Labels that Prometheus sets, or the configuration of its scrapes.
const OF_PROMETHEUS: &[&str] = &["job", "instance", "cluster", "namespace", "le"];
/// The series of a histogram.
const OF_A_HISTOGRAM: &[&str] = &["_bucket", "_sum", "_count"];

fn read(name: &str) -> String {
    ops::read(name).unwrap()
}

fn rules() -> Vec<alert_rules::Rule> {
    alert_rules::rules(&read("alerts.yml")).unwrap()
}

fn panels() -> Vec<dashboard::Panel> {
    dashboard::panels(&read("dashboard.json")).unwrap()
}

/// The metric to which a series belongs.
fn metric_of(series: &str) -> Option<&'static Metric> {
    METRICS.iter().copied().find(|metric| match metric.kind {
        MetricKind::Histogram => {
            OF_A_HISTOGRAM.iter().any(|end| series.strip_suffix(end) == Some(metric.prometheus))
        }
        _ => series == metric.prometheus,
    })
}

/// Every markdown page of the project, with its path.
fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "ops"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                pages.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    pages
}

/// What begins like a metric and is none: labels, and the crates.
fn is_something_else(name: &str) -> bool {
    let is_label =
        METRICS.iter().flat_map(|metric| metric.labels).any(|label| label.name.replace('.', "_") == name);
    let is_crate = ["crates", "tools"].iter().any(|folder| {
        let package = name.replace('_', "-");
        let unprefixed = package.trim_start_matches("apikey-");
        [&*package, unprefixed].iter().any(|package| Path::new(&root().join(folder).join(package)).is_dir())
    });
    is_label || is_crate
}

#[test]
fn every_metric_that_a_page_or_a_file_of_ops_names_exists() {
    let mut files = pages();
    for name in ["alerts.yml", "alerts_test.yml", "dashboard.json"] {
        files.push((format!("ops/{name}"), read(name)));
    }
    let mut unknown = BTreeSet::new();
    for (file, text) in &files {
        for name in metric_names(text) {
            let whole = METRICS.iter().any(|metric| metric.prometheus == name);
            if !whole && metric_of(name).is_none() && !is_something_else(name) {
                unknown.insert(format!("{file}: {name}"));
            }
        }
    }
    assert!(unknown.is_empty(), "METRICS of apikey-core has none of these:\n{unknown:#?}");
}

#[test]
fn the_dashboard_shows_every_metric() {
    let queries: Vec<String> = panels().into_iter().flat_map(|panel| panel.queries).collect();
    let shown: BTreeSet<&str> = queries
        .iter()
        .flat_map(|query| selectors(query))
        .filter_map(|selector| Some(metric_of(selector.series)?.prometheus))
        .collect();
    let missing: Vec<&str> =
        METRICS.iter().map(|metric| metric.prometheus).filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "the dashboard lacks {missing:?}");
}

/// What is wrong with a selector.
fn mistakes(selector: &Selector<'_>) -> Vec<String> {
    let Some(metric) = metric_of(selector.series) else {
        return vec![format!("{} is no series of a metric", selector.series)];
    };
    let mut mistakes = Vec::new();
    for (name, values) in &selector.labels {
        if *name == "le" {
            let exists = |value: &str| apikey_core::DURATION_BUCKETS.iter().any(|le| le.to_string() == value);
            mistakes.extend(values.iter().filter(|value| !exists(value)).map(|le| format!("no bucket {le}")));
        }
        if OF_PROMETHEUS.contains(name) {
            continue;
        }
        let Some(label) = metric.labels.iter().find(|label| label.name.replace('.', "_") == *name) else {
            mistakes.push(format!("{} has no label {name}", selector.series));
            continue;
        };
        let unknown = values.iter().filter(|value| !value.is_empty() && !label.values.contains(value));
        mistakes.extend(unknown.map(|value| format!("{}: {name} is never {value}", selector.series)));
    }
    mistakes
}

#[test]
fn every_label_and_value_that_a_query_asks_for_exists() {
    let mut texts: Vec<String> = panels().into_iter().flat_map(|panel| panel.queries).collect();
    texts.extend(rules().into_iter().map(|rule| rule.text));
    let tests = read("alerts_test.yml");
    texts.extend(tests.lines().filter_map(|line| Some(line.split_once("series: '")?.1.to_owned())));
    let wrong: Vec<String> =
        texts.iter().flat_map(|text| selectors(text)).flat_map(|selector| mistakes(&selector)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_alert_has_a_severity_and_a_section_in_the_runbook() {
    let runbook = read("runbook.md");
    let sections: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let names: Vec<String> = rules().into_iter().map(|rule| rule.name).collect();
    assert_eq!(sections, names, "the sections of the runbook must be the alerts, in the same order");
    for rule in rules() {
        let name = &rule.name;
        let anchor = format!("runbook_url: runbook.md#{}\n", name.to_lowercase());
        assert!(rule.text.contains(&anchor), "{name} does not link to its section");
        let severities = ["severity: critical\n", "severity: warning\n"];
        assert!(severities.iter().any(|severity| rule.text.contains(severity)), "{name}");
    }
    for part in ["What it means.", "What callers see.", "What to look at.", "What to do."] {
        assert_eq!(runbook.matches(&format!("**{part}**")).count(), names.len(), "{part}");
    }
}

#[test]
fn every_panel_that_the_runbook_names_exists() {
    let titles: BTreeSet<String> = panels().into_iter().map(|panel| panel.title).collect();
    let runbook = read("runbook.md").replace("**", "");
    let runbook = runbook.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut named = 0;
    for sentence in runbook.split("panel").skip(1) {
        // What follows up to the end of the sentence, such as: `s *Cache entries* and *Evictions*`.
        let sentence = sentence.split(['.', '?']).next().unwrap_or_default();
        for title in sentence.split('*').skip(1).step_by(2) {
            named += 1;
            assert!(titles.contains(title), "the dashboard has no panel {title}");
        }
    }
    assert!(named > 10, "only {named} panels were found in the runbook");
}

#[test]
fn every_alert_has_a_fault_and_a_unit_test() {
    let faults = faults::read(&read("faults.toml")).unwrap();
    let fired: BTreeSet<String> =
        faults.faults.iter().flat_map(|fault| fault.alerts.keys()).cloned().collect();
    let alerts: BTreeSet<String> = rules().into_iter().map(|rule| rule.name).collect();
    assert_eq!(fired, alerts, "the alerts that faults fire must be all alerts");
    let names: BTreeSet<&str> = faults.faults.iter().map(|fault| &*fault.name).collect();
    assert_eq!(names.len(), faults.faults.len(), "each fault needs a name of its own");

    let tests = read("alerts_test.yml");
    for alert in &alerts {
        let name = format!("alertname: {alert}\n");
        let checks = tests.split("- eval_time:").filter(|check| check.contains(&name));
        let (fires, clear): (Vec<&str>, _) = checks.partition(|check| check.contains("exp_alerts:"));
        assert!(!fires.is_empty() && clear.len() >= 3, "{alert} has too few unit tests");
    }
}

#[test]
fn every_kind_of_fault_of_the_emulator_is_tried() {
    let source = root().join("crates/apikey-testkit/src/emulator/control/fault_body.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let body = source.split_once("enum FaultBody {").unwrap().1.split_once("\n}").unwrap().0;
    // A variant begins with four spaces and a capital letter.
    let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let faults = faults::read(&read("faults.toml")).unwrap();
    let commands: Vec<&String> = faults.faults.iter().flat_map(|fault| &fault.start).collect();
    let mut missing = Vec::new();
    for variant in variants {
        let name = variant.split(' ').next().unwrap_or_default();
        let name: String = name
            .char_indices()
            .flat_map(|(at, letter)| {
                let gap = (at > 0 && letter.is_ascii_uppercase()).then_some('_');
                gap.into_iter().chain([letter.to_ascii_lowercase()])
            })
            .collect();
        let kind = format!(r#""kind": "{name}""#);
        if !commands.iter().any(|command| command.contains(&kind)) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "no fault in ops/faults.toml has the kinds {missing:?}");
}
