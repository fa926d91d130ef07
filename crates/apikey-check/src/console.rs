//! Prints lines. A reader that is gone is no reason to fail.

use std::fmt::Display;
use std::io::Write as _;

/// Prints a line of the result.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Tells what to do, beside the result.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints why the program can't do what it was told.
pub(crate) fn complain(problem: &str) {
    let _ = writeln!(std::io::stderr().lock(), "apikey-check: {problem}");
}
