//! The steps of the walk: the requests in their order, and the answers that the contract requires.

use apikey_testkit::emulator::SeededKey;
use apikey_testkit::raw;
use example_shared::answers::{MeAnswer, OptionalAnswer, OrganizationAnswer};
use example_shared::{CONTENT_TYPE, Reply, Store, assistant, data, workflow};

/// One request and the answer it must get.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) upstream: Upstream,
    pub(super) request: Request,
    pub(super) expected: Expected,
}

/// The state of Kinde during a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    /// Kinde answers.
    Up,
    /// Its verify endpoint answers 503.
    Down,
}

/// A request. Each value of `authorization` is one header.
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) authorization: Vec<String>,
    pub(super) body: Option<&'static str>,
}

/// The contract's answer.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) status: u16,
    /// Lower-case names. Other headers are not compared.
    pub(super) headers: Vec<(&'static str, Rule)>,
    pub(super) body: String,
    /// How many verify calls the request makes. `None`: retries decide.
    pub(super) upstream_calls: Option<u64>,
}

/// The rule for a header.
#[derive(Debug)]
pub(super) enum Rule {
    /// Once, with this value.
    Exactly(String),
    /// Absent.
    Absent,
    /// Once, a whole number from 1.
    WholeSeconds,
}

impl Request {
    /// The request as bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut headers: Vec<(&str, &str)> =
            self.authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
        match self.body {
            None => raw::request(self.method, self.path, &headers, b""),
            Some(body) => {
                headers.push(("Content-Type", CONTENT_TYPE));
                raw::request(self.method, self.path, &headers, body.as_bytes())
            }
        }
    }
}

impl Step {
    fn calls(mut self, calls: u64) -> Self {
        self.expected.upstream_calls = Some(calls);
        self
    }

    fn during_an_outage(mut self) -> Self {
        self.upstream = Upstream::Down;
        self
    }
}

/// The keys of the walk.
pub(super) struct Keys<'a> {
    reader: &'a SeededKey,
    writer: &'a SeededKey,
    admin: &'a SeededKey,
    organization: &'a SeededKey,
    other_organization: &'a SeededKey,
    user: &'a SeededKey,
    automation: &'a SeededKey,
    inactive: &'a SeededKey,
    revoked: &'a SeededKey,
}

impl<'a> Keys<'a> {
    /// Picks them from the emulator's standard set.
    pub(super) fn new(keys: &'a [SeededKey]) -> Result<Self, String> {
        let find = |label| {
            let found = keys.iter().find(|key| key.label == label);
            found.ok_or_else(|| format!("the emulator's standard keys have none labelled '{label}'"))
        };
        Ok(Self {
            reader: find("reader")?,
            writer: find("writer")?,
            admin: find("admin")?,
            organization: find("organization")?,
            other_organization: find("other-organization")?,
            user: find("user")?,
            automation: find("automation")?,
            inactive: find("inactive")?,
            revoked: find("revoked")?,
        })
    }
}

/// Looks like a key, but is none.
const UNKNOWN: &str = "k_live_00000000000000000000000000000000";
/// Another one, which the server cannot know.
const NEVER_SEEN: &str = "k_live_11111111111111111111111111111111";

const INVALID_TOKEN: &str = r#"Bearer realm="api", error="invalid_token""#;

/// All steps. The functions of the servers render the expected answers to accepted requests, from a store of the
/// walk's own that gets the same changes.
pub(super) fn steps(keys: &Keys<'_>) -> Vec<Step> {
    let store = Store::new();
    let mut steps = guides_checks(keys, &store);
    steps.extend(refusals(keys));
    steps.extend(routes(keys, &store));
    steps.extend(cache_and_outage(keys, &store));
    steps
}

/// The four checks of the guide.
fn guides_checks(keys: &Keys<'_>, store: &Store) -> Vec<Step> {
    vec![
        step(
            "a valid key reads the data",
            get("/api/data", &[&bearer(keys.reader)]),
            answered(Reply::ok(&data::list(store, &keys.reader.key_id))),
        )
        .calls(1),
        step(
            "an invalid key is refused",
            get("/api/data", &[&format!("Bearer {UNKNOWN}")]),
            denied(401, r#"{"error":"Invalid API key","code":"INVALID_KEY"}"#, Some(INVALID_TOKEN)),
        ),
        step(
            "no key is refused without asking Kinde",
            get("/api/data", &[]),
            denied(
                401,
                r#"{"error":"No authorization header","code":"MISSING_KEY"}"#,
                Some(r#"Bearer realm="api""#),
            ),
        )
        .calls(0),
        step(
            "a revoked key is refused",
            get("/api/data", &[&bearer(keys.revoked)]),
            denied(401, r#"{"error":"API key is not active","code":"KEY_REVOKED"}"#, Some(INVALID_TOKEN)),
        ),
    ]
}

/// The other refusals.
fn refusals(keys: &Keys<'_>) -> Vec<Step> {
    let reader = bearer(keys.reader);
    vec![
        step(
            "an inactive key is refused",
            get("/api/data", &[&bearer(keys.inactive)]),
            denied(401, r#"{"error":"API key is not active","code":"KEY_INACTIVE"}"#, Some(INVALID_TOKEN)),
        ),
        step(
            "another scheme is refused without asking Kinde",
            get("/api/data", &[&format!("Token {}", keys.reader.secret)]),
            denied(
                401,
                r#"{"error":"Invalid authorization format","code":"INVALID_FORMAT"}"#,
                Some(INVALID_TOKEN),
            ),
        )
        .calls(0),
        step(
            "a repeated header is refused without asking Kinde",
            get("/api/data", &[&reader, &bearer(keys.writer)]),
            denied(
                400,
                r#"{"error":"More than one API key presented","code":"MULTIPLE_KEYS"}"#,
                Some(r#"Bearer realm="api", error="invalid_request""#),
            ),
        )
        .calls(0),
        step(
            "a reader may not write",
            post("/api/data", &reader, r#"{"name":"Hedy Lamarr"}"#),
            denied(
                403,
                concat!(
                    r#"{"error":"Insufficient scope. Required: write:users","code":"INSUFFICIENT_SCOPE","#,
                    r#""required_scopes":["read:users","write:users"],"available_scopes":["read:users"]}"#
                ),
                Some(r#"Bearer realm="api", error="insufficient_scope", scope="read:users write:users""#),
            ),
        ),
    ]
}

/// The other routes, with keys that they accept.
fn routes(keys: &Keys<'_>, store: &Store) -> Vec<Step> {
    let record = r#"{"name":"Hedy Lamarr","email":"hedy@example.com"}"#;
    let question = r#"{"message":"How many open tickets are there?"}"#;
    let close = r#"{"workflow":{"name":"close-stale-tickets","idle_days":60}}"#;
    let chat = |key: &SeededKey, organization| {
        answered(assistant::answer(store, question.as_bytes(), organization, &key.key_id).into())
    };
    vec![
        step(
            "a writer creates a record",
            post("/api/data", &bearer(keys.writer), record),
            answered(data::create(store, record.as_bytes(), &keys.writer.key_id).into()),
        ),
        step(
            "an administrator may read what either scope opens",
            get("/api/any", &[&bearer(keys.admin)]),
            answered(Reply::ok(&data::list(store, &keys.admin.key_id))),
        ),
        step(
            "a user's key says who it is",
            get("/api/me", &[&bearer(keys.user)]),
            answered(Reply::ok(&MeAnswer {
                key_id: &keys.user.key_id,
                status: "active",
                scopes: vec!["read:users"],
                org_code: None,
                user_id: Some("kp_alice"),
            })),
        ),
        step(
            "without a key a caller is anonymous if the route allows it",
            get("/api/optional", &[]),
            answered(Reply::ok(&OptionalAnswer::new(None))),
        )
        .calls(0),
        step(
            "but a key that is presented there must pass",
            get("/api/optional", &[&bearer(keys.revoked)]),
            denied(401, r#"{"error":"API key is not active","code":"KEY_REVOKED"}"#, Some(INVALID_TOKEN)),
        ),
        step(
            "an organization's key names its organization",
            get("/api/org", &[&bearer(keys.organization)]),
            answered(Reply::ok(&OrganizationAnswer {
                org_code: "org_acme",
                key_id: &keys.organization.key_id,
            })),
        ),
        step(
            "the assistant answers from the organization's own tickets",
            post("/ai/chat", &bearer(keys.organization), question),
            chat(keys.organization, "org_acme"),
        ),
        step(
            "and another organization gets its own",
            post("/ai/chat", &bearer(keys.other_organization), question),
            chat(keys.other_organization, "org_globex"),
        ),
        step(
            "a workflow closes the organization's stale tickets",
            post("/workflow/automate", &bearer(keys.automation), close),
            answered(
                workflow::automate(store, close.as_bytes(), Some("org_acme"), &keys.automation.key_id).into(),
            ),
        ),
        step(
            "and the assistant knows",
            post("/ai/chat", &bearer(keys.organization), question),
            chat(keys.organization, "org_acme"),
        ),
    ]
}

/// Requests for which Kinde need not be asked, or cannot answer.
fn cache_and_outage(keys: &Keys<'_>, store: &Store) -> Vec<Step> {
    let data = || answered(Reply::ok(&data::list(store, &keys.reader.key_id)));
    let mut unavailable = denied(
        503,
        r#"{"error":"API key verification is temporarily unavailable","code":"VERIFICATION_UNAVAILABLE"}"#,
        None,
    );
    unavailable.headers.push(("retry-after", Rule::WholeSeconds));
    vec![
        step("a key seen before is not asked about again", get("/api/data", &[&bearer(keys.reader)]), data())
            .calls(0),
        step(
            "while Kinde is down, a key never seen is neither accepted nor called invalid",
            get("/api/data", &[&format!("Bearer {NEVER_SEEN}")]),
            unavailable,
        )
        .during_an_outage(),
        step(
            "while Kinde is down, a key seen before still works",
            get("/api/data", &[&bearer(keys.reader)]),
            data(),
        )
        .during_an_outage()
        .calls(0),
    ]
}

fn step(title: &'static str, request: Request, expected: Expected) -> Step {
    Step { title, upstream: Upstream::Up, request, expected }
}

fn bearer(key: &SeededKey) -> String {
    format!("Bearer {}", key.secret)
}

fn get(path: &'static str, authorization: &[&str]) -> Request {
    let authorization = authorization.iter().map(|value| (*value).to_owned()).collect();
    Request { method: "GET", path, authorization, body: None }
}

fn post(path: &'static str, authorization: &str, body: &'static str) -> Request {
    Request { method: "POST", path, authorization: vec![authorization.to_owned()], body: Some(body) }
}

fn json() -> (&'static str, Rule) {
    ("content-type", Rule::Exactly(CONTENT_TYPE.to_owned()))
}

fn answered(reply: Reply) -> Expected {
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    let headers = vec![json(), ("www-authenticate", Rule::Absent)];
    Expected { status: reply.status, headers, body, upstream_calls: None }
}

fn denied(status: u16, body: &str, challenge: Option<&str>) -> Expected {
    let challenge = challenge.map_or(Rule::Absent, |challenge| Rule::Exactly(challenge.to_owned()));
    let no_store = ("cache-control", Rule::Exactly("no-store".to_owned()));
    let headers = vec![json(), no_store, ("www-authenticate", challenge)];
    Expected { status, headers, body: body.to_owned(), upstream_calls: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<SeededKey> {
        let labels = [
            "reader",
            "writer",
            "admin",
            "organization",
            "other-organization",
            "user",
            "automation",
            "inactive",
            "revoked",
        ];
        let key = |label: &'static str| SeededKey {
            label,
            description: "",
            key_id: format!("api_key_{label}"),
            secret: format!("k_live_{label}"),
        };
        labels.map(key).into()
    }

    #[test]
    fn every_step_has_a_title_of_its_own_and_expects_json() {
        let keys = keys();
        let steps = steps(&Keys::new(&keys).unwrap());
        for (index, step) in steps.iter().enumerate() {
            assert!(steps[..index].iter().all(|earlier| earlier.title != step.title), "{}", step.title);
            let body: serde_json::Value = serde_json::from_str(&step.expected.body).unwrap();
            let refused = step.expected.status != 200;
            assert_eq!(body.get("code").is_some(), refused, "{}", step.title);
        }
    }

    #[test]
    fn what_one_step_changes_a_later_one_sees() {
        let keys = keys();
        let steps = steps(&Keys::new(&keys).unwrap());
        let body = |title: &str| &steps.iter().find(|step| step.title == title).unwrap().expected.body;
        assert!(!body("a valid key reads the data").contains("Hedy Lamarr"));
        assert!(body("a key seen before is not asked about again").contains("Hedy Lamarr"));
        assert!(body("the assistant answers from the organization's own tickets").contains("3 of 5"));
        assert!(body("and the assistant knows").contains("2 of 5"));
    }

    #[test]
    fn a_missing_key_is_named() {
        let keys: Vec<_> = keys().into_iter().filter(|key| key.label != "user").collect();
        assert!(Keys::new(&keys).err().unwrap().contains("'user'"));
    }
}
