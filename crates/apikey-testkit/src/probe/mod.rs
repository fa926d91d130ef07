//! Checks that a running server guards its routes as its OpenAPI document says.
//!
//! [`Probe::run`] sends requests for every operation of the document. It presents keys that an
//! [`Emulator`] has made. So it works with a server in any language that verifies its keys there:
//! start the server with [`Emulator::environment`]. A server that verifies its keys at Kinde refuses all of them.
//!
//! ```
//! use apikey_testkit::emulator::Emulator;
//! use apikey_testkit::probe::Probe;
//! # use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?;
//! // ... start the server with `emulator.environment()`, and read its document ...
//! let document = json!({
//!     "openapi": "3.1.0",
//!     "paths": {"/users": {"get": {"security": [{"key": ["read:users"]}]}}},
//!     "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
//! });
//! let probe = Probe::new(&document, "http://127.0.0.1:3000")?.routes([("GET", "/users"), ("POST", "/users")]);
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let closed = format!("http://{}", listener.local_addr()?);
//! # drop(listener);
//! # let probe = Probe::new(&document, &closed)?.routes([("GET", "/users"), ("POST", "/users")]);
//! let report = probe.run(&emulator).await;
//! println!("{report}");
//! # assert_eq!(report.findings().len(), 2, "{report}");
//! # Ok(()) }
//! ```
//!
//! In a test, end with `assert!(report.is_clean(), "{report}")`.
//!
//! **It calls every operation, also those that delete,** with keys that may do everything. Never point it at a server
//! whose data you need.
//!
//! # What it checks
//!
//! | the request has | the answer must be |
//! | --- | --- |
//! | no key | 401. If the operation is open (`security: []`) or its key is optional (`{}`): neither 401 nor 403 |
//! | a key that nobody issued | 401, also if the key is optional |
//! | a key without scopes | 403, with a `required_scopes` that has the scopes of the document |
//! | a key with other scopes | 403, or neither 401 nor 403, as the document says. It tries every set of up to five scopes. If the operation has more: each alternative, each less one scope, and all scopes less one |
//! | a key with similar scopes, such as `READ:USERS`, `read` or `read:*` | 403 |
//! | a key with all scopes and the wrong owner | 403, if the operation has the member `x-apikey-owner` |
//!
//! `x-apikey-owner` is an array of `"organization"` and `"user"`: the key must belong to such an owner, or to both. All
//! other keys belong to both. `"certain-organization"` is one that the document does not name. Then a refusal of a key that may do
//! everything is right, too. `x-apikey-scopes` is what `required_scopes` has, if that is more than `security` says. In a scheme,
//! `x-apikey-scheme` is the word in front of the key in a header.
//!
//! The reader of `required_scopes` takes any JSON body that has the member, or that has an object with it. A 403 without it is
//! a note.
//!
//! # What it reads
//!
//! OpenAPI 3.0 to 3.2 and Swagger 2.0, as JSON, with the operations of other methods (`additionalOperations`). It takes
//! these schemes: `http` with `bearer` or `basic` (the key is the user name), and `apiKey` in a header, the query or a
//! cookie. `oauth2` and `openIdConnect` count as `bearer` if an operation asks for scopes and takes no API key besides. All
//! others are notes.
//!
//! It fills path parameters, required parameters and bodies from `example`, `examples`, `default`, `enum` and the type. If
//! a server refuses a request before it looks at the key, an `example` helps.
//!
//! # What it does not see
//!
//! A route that the server has and the document lacks, unless [`Probe::routes`] lists it. And what only some values of
//! a parameter open: it sends one request of each kind.

mod body;
mod check;
mod client;
mod combinations;
mod document;
mod error;
mod example;
mod format;
mod holding;
mod inputs;
mod node;
mod operation;
mod report;
mod routes;
mod run;
mod security;
mod template;
mod ways;

use std::time::Duration;

use serde_json::Value;

pub use error::ProbeError;
pub use report::{Finding, FindingKind, Report};

use crate::emulator::Emulator;
use client::Client;
use document::Operation;
use report::counted;
use routes::Route;
use run::{Run, Stop};

const PATIENCE: Duration = Duration::from_secs(10);
const MOST_REQUESTS: u64 = 10_000;
/// After so many operations in a row without an answer, the server is taken for dead.
const MOST_SILENT: usize = 3;

/// A check of a server against its document; see the [module](self).
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before `run`"]
pub struct Probe {
    client: Client,
    operations: Vec<Operation>,
    routes: Option<Vec<Route>>,
    most_requests: u64,
}

impl Probe {
    /// Reads an OpenAPI document. The server is `http://` with host and port, such as `http://127.0.0.1:3000`. The
    /// path of the document's first `servers` entry is put before every path.
    ///
    /// # Errors
    ///
    /// If the document is malformed, refers to another file or has no operation. The error has the JSON pointer. Also if the
    /// server is no such URL.
    pub fn new(document: &Value, server: &str) -> Result<Probe, ProbeError> {
        let client = Client::new(server, PATIENCE)?;
        let operations = document::operations(document)?;
        Ok(Probe { client, operations, routes: None, most_requests: MOST_REQUESTS })
    }

    /// Lists the routes that the server has, each with its method. Every route that the document lacks becomes a finding.
    ///
    /// Paths are whole, also if the document has a `servers` entry with a path. Parameters may be written as `{id}`, `<id>`,
    /// `:id`, `{id:[0-9]+}`, `{*rest}` or `<rest..>`. Their names don't matter.
    pub fn routes<M: AsRef<str>, P: AsRef<str>>(mut self, routes: impl IntoIterator<Item = (M, P)>) -> Self {
        let routes = routes.into_iter().map(|(method, path)| Route::new(method.as_ref(), path.as_ref()));
        self.routes = Some(routes.collect());
        self
    }

    /// How long the probe waits for an answer, and then for its body. Default 10 seconds.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.client.patience = timeout;
        self
    }

    /// How many requests the probe sends at most. Default 10,000.
    pub fn max_requests(mut self, requests: u64) -> Self {
        self.most_requests = requests;
        self
    }

    /// Sends all requests, one after the other, and reports what it found. The keys stay in the emulator.
    pub async fn run(&self, emulator: &Emulator) -> Report {
        let mut run = Run::new(&self.client, emulator, self.most_requests);
        run.report.operations = self.operations.len();
        let mut silent = 0;
        for (index, operation) in self.operations.iter().enumerate() {
            let reason = match operation::check(&mut run, operation).await {
                Some(Stop::Limit) => {
                    format!("the limit of {} was reached. Raise it", counted(self.most_requests, "request"))
                }
                Some(Stop::Silence(_)) if silent + 1 == MOST_SILENT => {
                    format!(
                        "the server did not answer for {MOST_SILENT} operations in a row. Look whether it still runs"
                    )
                }
                Some(Stop::Silence(_)) => {
                    silent += 1;
                    continue;
                }
                None => {
                    silent = 0;
                    continue;
                }
            };
            let left: Vec<&str> = self.operations[index..].iter().map(|operation| &*operation.name).collect();
            let text = format!("not or not wholly checked: {}: {reason}", left.join(", "));
            run.report.find(FindingKind::NotChecked, None, text);
            break;
        }
        match &self.routes {
            Some(routes) => routes::check(&mut run, routes, &self.operations).await,
            None => run.report.notes.push(
                "whether the server has routes that the document lacks was not checked: give the probe a list of its routes"
                    .to_owned(),
            ),
        }
        run.finished()
    }
}
