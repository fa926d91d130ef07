//! What a probe found.

use std::fmt;

/// What the probe found. [`Display`](fmt::Display) prints all of it.
///
/// It holds no key, only what a key had. It does hold names of scopes that the server's refusals name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "the findings are in here"]
pub struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<String>,
    pub(crate) operations: usize,
    pub(crate) requests: u64,
}

impl Report {
    /// Where the server and the document disagree, and what could not be checked.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What the probe did not look at, and why. A note says nothing against the server.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether there is no finding. There may be notes.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many operations the document has.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// How many requests the probe has sent.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    pub(crate) fn find(&mut self, kind: FindingKind, operation: Option<&str>, text: impl Into<String>) {
        let operation = operation.map(str::to_owned);
        self.findings.push(Finding { kind, operation, text: text.into() });
    }

    /// Replaces texts that must not be read, such as a key that the server has sent back.
    pub(crate) fn hide<'a>(&mut self, secrets: impl IntoIterator<Item = &'a str>) {
        for secret in secrets {
            let texts = self.findings.iter_mut().map(|finding| &mut finding.text).chain(&mut self.notes);
            for text in texts.filter(|text| text.contains(secret)) {
                *text = text.replace(secret, "[a key]");
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(formatter, "finding: {finding}")?;
        }
        for note in &self.notes {
            writeln!(formatter, "note: {note}")?;
        }
        let (findings, operations, requests) = (self.findings.len(), self.operations, self.requests);
        write!(
            formatter,
            "{} in {}, after {}",
            counted(findings, "finding"),
            counted(operations, "operation"),
            counted(requests, "request")
        )
    }
}

/// A number and its unit.
pub(crate) fn counted<N: fmt::Display + PartialEq + From<u8>>(number: N, unit: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// One disagreement of the server and its document, or one thing that could not be checked.
///
/// [`Display`](fmt::Display) says what was seen and what to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    kind: FindingKind,
    operation: Option<String>,
    text: String,
}

impl Finding {
    /// What kind of finding this is.
    #[must_use]
    pub fn kind(&self) -> FindingKind {
        self.kind
    }

    /// Method and path, such as `GET /users/{id}`. `None` if the finding concerns the whole run.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Some(operation) => write!(formatter, "{operation}: {}", self.text),
            None => formatter.write_str(&self.text),
        }
    }
}

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// Nothing guards the route: it takes a request without a key, and one with a key that nobody issued.
    Unguarded,
    /// The route lets a request without a key in, although the document asks for one. It does verify keys.
    KeyOptional,
    /// The route refuses a request without a key, although the document says that none is needed.
    KeyRequired,
    /// The route lets a key in that nobody issued.
    KeyNotVerified,
    /// The route lets a key in whose scopes are too few for the document.
    TooOpen,
    /// The route refuses a key whose scopes are enough for the document.
    TooStrict,
    /// A refusal names other scopes than the document.
    OtherScopes,
    /// The route lets a key in that has another owner than the document says.
    OwnerNotChecked,
    /// The route refuses a request with another status than 401 or 403, or with the wrong one of the two.
    WrongStatus,
    /// The server does not have the route.
    NoSuchRoute,
    /// The document does not have the route.
    Undocumented,
    /// Requests got no answer, or one that tells nothing about the guard: 429, 5xx, or the same with and without a key.
    NotChecked,
}
