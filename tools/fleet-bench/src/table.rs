//! The figures, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

/// A figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) bound: Option<String>,
    pub(crate) is_kept: Option<bool>,
}

impl Row {
    /// One that is only reported.
    pub(crate) fn new(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { what: what.into(), measured: measured.into(), bound: None, is_kept: None }
    }

    /// One with a bound.
    pub(crate) fn bound(self, bound: impl Into<String>, is_kept: bool) -> Self {
        Self { bound: Some(bound.into()), is_kept: Some(is_kept), ..self }
    }
}

/// All of them, in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = "\n| what | bound | measured | kept |\n| --- | --- | --- | --- |\n".to_owned();
    for Row { what, measured, bound, is_kept } in rows {
        let kept = is_kept.map_or("", |is_kept| if is_kept { "yes" } else { "NO" });
        let bound = bound.as_deref().unwrap_or("reported");
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {what} | {bound} | {measured} | {kept} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_bound_is_shown() {
        let rows = [Row::new("a", "1"), Row::new("b", "2").bound("1", false)];
        assert!(table(&rows).contains("| a | reported | 1 |  |\n| b | 1 | 2 | NO |"));
    }
}
