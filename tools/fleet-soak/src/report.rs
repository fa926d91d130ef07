//! The results, as a table for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::checker::Findings;
use crate::clock::{Span, seconds};

/// What one case has shown.
#[derive(Debug, Default)]
pub struct Row {
    /// Its name.
    pub case: String,
    /// How many requests were answered.
    pub requests: u64,
    /// What the history shows.
    pub findings: Findings,
    /// How long it took until all were linked again.
    pub linked_again: Option<Duration>,
    /// What else it measured.
    pub measured: String,
    /// What is wrong besides the findings.
    pub problems: Vec<String>,
}

impl Row {
    /// Whether every bound holds.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty() && self.findings.wrong.is_empty() && self.findings.failures.is_empty()
    }

    /// Everything that is wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &String> {
        self.problems.iter().chain(&self.findings.wrong).chain(&self.findings.failures)
    }
}

/// The table, as Markdown.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut table = "| case | requests | decisions checked | removals | older answers within bounds | 503 | failures | wrong | \
                     linked again | measured | ok |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for row in rows {
        let Findings { decisions, removals, older, unavailable, failures, wrong, .. } = &row.findings;
        let linked = row.linked_again.map_or("-".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
        let within = older.saturating_sub(wrong.len());
        let (failures, wrong) = (failures.len(), wrong.len());
        let ok = if row.is_ok() { "yes" } else { "NO" };
        let Row { case, requests, measured, .. } = row;
        let _ = writeln!(
            table,
            "| {case} | {requests} | {decisions} | {removals} | {within} | {unavailable} | {failures} | {wrong} | {linked} | \
             {measured} | {ok} |"
        );
    }
    table
}

/// Where sorted spans lie.
#[must_use]
pub fn distribution(spans: &[Span]) -> String {
    let at = |part: f64| {
        let last = spans.len().saturating_sub(1) as f64;
        let span = spans.get((last * part).round() as usize).copied().unwrap_or_default();
        format!("{:.1} ms", seconds(span) * 1_000.0)
    };
    format!("{} removals: median {}, p99 {}, longest {}", spans.len(), at(0.5), at(0.99), at(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MILLISECOND;

    #[test]
    fn one_wrong_decision_breaks_a_row() {
        let mut row = Row { case: "a".to_owned(), requests: 5, ..Row::default() };
        assert!(row.is_ok());
        row.findings.wrong.push("late".to_owned());
        assert!(!row.is_ok() && row.wrong().eq(["late"]));
        assert!(table(&[row]).ends_with("| a | 5 | 0 | 0 | 0 | 0 | 0 | 1 | - |  | NO |\n"));
    }

    #[test]
    fn a_distribution_names_the_longest() {
        let spans: Vec<Span> = (0..=100).map(|number| number * MILLISECOND).collect();
        assert_eq!(distribution(&spans), "101 removals: median 50.0 ms, p99 99.0 ms, longest 100.0 ms");
    }
}
