//! The measurements, as a table for people and as JSON for programs.

use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The case.
    pub case: String,
    /// The bound.
    pub bound: String,
    /// The measurement.
    pub measured: String,
    /// Whether the bound holds.
    pub ok: bool,
}

impl Row {
    /// A line of the table.
    pub fn new(
        case: impl Into<String>,
        bound: impl Into<String>,
        measured: impl Into<String>,
        ok: bool,
    ) -> Self {
        Self { case: case.into(), bound: bound.into(), measured: measured.into(), ok }
    }
}

/// The results of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The seed that repeats the traffic.
    pub seed: u64,
    /// The table.
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether every bound holds.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.rows.iter().all(|row| row.ok)
    }

    /// The table, as Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = "| case | bound | measured | ok |\n| --- | --- | --- | --- |\n".to_owned();
        for Row { case, bound, measured, ok } in &self.rows {
            let ok = if *ok { "yes" } else { "NO" };
            let _ = writeln!(table, "| {case} | {bound} | {measured} | {ok} |");
        }
        table
    }
}

/// The value below which this part of the sorted samples lies. 0 without samples.
#[must_use]
pub fn quantile(samples: &mut [Duration], part: f64) -> Duration {
    samples.sort_unstable();
    let last = samples.len().saturating_sub(1);
    samples.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
}

/// Bytes in words.
#[must_use]
pub fn mebibytes(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_bound_breaks_the_report() {
        let mut report = Report { seed: 1, rows: vec![Row::new("a", "0", "0", true)] };
        assert!(report.is_ok());
        report.rows.push(Row::new("b", "0", "1", false));
        assert!(!report.is_ok());
        assert!(report.table().ends_with("| a | 0 | 0 | yes |\n| b | 0 | 1 | NO |\n"), "{}", report.table());
    }

    #[test]
    fn quantiles_are_samples() {
        let mut samples = [3, 1, 2].map(Duration::from_secs);
        assert_eq!(quantile(&mut samples, 0.5), Duration::from_secs(2));
        assert_eq!(quantile(&mut samples, 1.0), Duration::from_secs(3));
        assert_eq!(quantile(&mut [], 0.5), Duration::ZERO);
    }
}
