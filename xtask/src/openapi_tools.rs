//! The programs of others that check an OpenAPI document: Redocly, from npm, and Schemathesis, from PyPI.

use std::path::PathBuf;
use std::process::Command;

use crate::cargo::root;

/// Where the programs are. It is a virtual environment of Python's, which has Node.js, too.
pub fn folder() -> PathBuf {
    root().join("target/openapi")
}

/// Redocly, which checks a document by rules. Node.js runs it.
pub fn redocly() -> Command {
    let mut command = Command::new(folder().join("bin/node"));
    command.arg(folder().join("node_modules/@redocly/cli/bin/cli.js"));
    // It would tell its maker of this run, and ask for its newest version.
    command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    command
}

/// Schemathesis, which sends requests that it makes from a document, and compares the answers with it.
pub fn schemathesis() -> Command {
    Command::new(folder().join("bin/schemathesis"))
}
