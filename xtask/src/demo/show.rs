//! The demo's output on the terminal.

use super::walk::{Request, Step, Upstream};
use crate::servers::Binary;
use apikey_testkit::emulator::SeededKey;
use apikey_testkit::raw::RawResponse;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// How many characters of a key the walk shows.
const SHOWN_OF_A_KEY: usize = 12;
/// How many characters the walk shows of the start of a body and of its end. It compares the whole body.
const SHOWN_OF_A_BODY: usize = 180;
/// The headers that the contract names.
const SHOWN_HEADERS: &[&str] = &["content-type", "cache-control", "www-authenticate", "retry-after"];

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";

/// Standard output. It has colours if it is a terminal and `NO_COLOR` is unset.
pub(super) struct Screen {
    colour: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stdout().is_terminal() && !refused }
    }

    pub(super) fn note(&self, text: &str) {
        write(text);
    }

    pub(super) fn opening(&self, server: &Binary, url: &str, emulator: &str) {
        let name = self.paint(BOLD, server.package);
        write(&format!("{name} listens on {url}, the Kinde emulator on {emulator}.\n"));
    }

    pub(super) fn request(&self, number: usize, step: &Step, url: &str) {
        let title = self.paint(BOLD, format!("{number}. {}", step.title));
        let down = match step.upstream {
            Upstream::Up => String::new(),
            Upstream::Down => self.paint(DIM, "  [the emulator's verify endpoint answers 503]"),
        };
        write(&format!("{title}{down}\n   $ {}", curl(&step.request, url, shortened)));
    }

    /// An answer, its calls to Kinde, all calls so far, and its differences from the contract.
    pub(super) fn answer(
        &self,
        response: &RawResponse,
        calls: u64,
        calls_in_all: u64,
        differences: &[String],
    ) {
        let mut text = format!("   {}\n", self.paint(BOLD, response.status));
        for (name, value) in
            response.headers.iter().filter(|(name, _)| SHOWN_HEADERS.contains(&name.as_str()))
        {
            text += &self.paint(DIM, format!("   {name}: {}\n", String::from_utf8_lossy(value)));
        }
        let body = String::from_utf8_lossy(&response.body);
        text += &format!("   {}\n", both_ends(&body, SHOWN_OF_A_BODY));
        let counter = format!("calls to Kinde: {calls} for this request, {calls_in_all} in all");
        if differences.is_empty() {
            text += &format!("   {} as the contract says; {counter}\n", self.paint(GREEN, "✔"));
        } else {
            text += &format!("   {} not as the contract says; {counter}\n", self.paint(RED, "✘"));
        }
        for difference in differences {
            text += &format!("     {}\n", self.paint(RED, difference));
        }
        write(&text);
    }

    pub(super) fn verdict(&self, differences: &[String]) {
        if differences.is_empty() {
            write(&format!("\n{} Every answer is as it must be.", self.paint(GREEN, "✔")));
            return;
        }
        write(&format!("\n{} These are not as they must be:", self.paint(RED, "✘")));
        for difference in differences {
            write(&format!("  {difference}"));
        }
    }

    /// The beginning of what a fleet shows.
    pub(super) fn act(&self, title: &str) {
        write(&format!("\n{}", self.paint(BOLD, title)));
    }

    /// What a server of a fleet answered to a request with this key.
    pub(super) fn of_fleet(&self, framework: &str, secret: &str, response: &RawResponse, calls: u64) {
        let status = self.paint(BOLD, response.status);
        let key = beginning(secret, SHOWN_OF_A_KEY);
        let counter = self.paint(DIM, format!("calls to Kinde: {calls}"));
        write(&format!("   {framework:<6}  GET /api/me  {key:<13}  {status}  {counter}"));
    }

    /// The end of what a fleet shows: what is not as it must be, or what was seen.
    pub(super) fn act_ends(&self, found: &[String], seen: &str) {
        if found.is_empty() {
            write(&format!("   {} {seen}", self.paint(GREEN, "✔")));
        }
        for difference in found {
            write(&format!("   {} {}", self.paint(RED, "✘"), self.paint(RED, difference)));
        }
    }

    /// All keys, and a curl line for every route.
    pub(super) fn keys(&self, url: &str, emulator: &str, keys: &[SeededKey]) {
        let mut text = format!("\n{}\n", self.paint(BOLD, "Keys"));
        let width = keys.iter().map(|key| key.label.len()).max().unwrap_or_default();
        let secret_width = keys.iter().map(|key| key.secret.len()).max().unwrap_or_default();
        for key in keys {
            let description = self.paint(DIM, key.description);
            text += &format!("  {:width$}  {:secret_width$}  {description}\n", key.label, key.secret);
        }
        text += &format!("\n{}\n", self.paint(BOLD, "Lines to paste"));
        for (label, method, path, body) in ROUTES {
            if let Some(key) = keys.iter().find(|key| key.label == *label) {
                let authorization = vec![format!("Bearer {}", key.secret)];
                let request = Request { method, path, authorization, body: *body };
                text += &format!("  {}\n", curl(&request, url, str::to_owned));
            }
        }
        text += &format!("\n{}\n", self.paint(BOLD, "Kinde goes down, and comes back"));
        text += &format!(
            "  curl -X PUT {emulator}/_emulator/faults/verify -d '{{\"kind\":\"status\",\"status\":503}}'\n"
        );
        text += &format!("  curl -X DELETE {emulator}/_emulator/faults/verify\n");
        text += "\nServing. Ctrl-C ends it.";
        write(&text);
    }

    fn paint(&self, code: &str, text: impl Display) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// A request for every route: the label of its key, its method, path and body.
const ROUTES: &[(&str, &str, &str, Option<&str>)] = &[
    ("reader", "GET", "/api/data", None),
    ("writer", "POST", "/api/data", Some(r#"{"name":"Hedy Lamarr"}"#)),
    ("admin", "GET", "/api/any", None),
    ("user", "GET", "/api/me", None),
    ("reader", "GET", "/api/optional", None),
    ("organization", "GET", "/api/org", None),
    ("organization", "POST", "/ai/chat", Some(r#"{"message":"Which tickets are open?"}"#)),
    ("automation", "POST", "/workflow/automate", Some(r#"{"workflow":"close-stale-tickets"}"#)),
    ("inactive", "GET", "/api/data", None),
    ("revoked", "GET", "/api/data", None),
];

/// The request as a curl command. `credential` renders each credential.
fn curl(request: &Request, url: &str, credential: impl Fn(&str) -> String) -> String {
    let mut line = format!("curl -i {url}{}", request.path);
    for value in &request.authorization {
        line += &format!(" -H 'Authorization: {}'", credential(value));
    }
    if let Some(body) = request.body {
        line += &format!(" -H 'Content-Type: application/json' -d '{body}'");
    } else if request.method != "GET" {
        line += &format!(" -X {}", request.method);
    }
    line
}

/// A header value with its last word shortened.
fn shortened(value: &str) -> String {
    match value.rsplit_once(' ') {
        Some((scheme, key)) => format!("{scheme} {}", beginning(key, SHOWN_OF_A_KEY)),
        None => beginning(value, SHOWN_OF_A_KEY),
    }
}

fn beginning(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text, without its middle if it is long.
fn both_ends(text: &str, characters: usize) -> String {
    let length = text.chars().count();
    if length <= 2 * characters {
        return text.to_owned();
    }
    let end: String = text.chars().skip(length - characters).collect();
    format!("{} {end}", beginning(text, characters))
}

/// Writes a line. The demo goes on if the reader is gone, for example after `| head`.
fn write(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{text}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_shown_as_curl_with_a_short_key() {
        let request = Request {
            method: "POST",
            path: "/api/data",
            authorization: vec!["Bearer k_live_0123456789abcdef".into(), "Bearer short".into()],
            body: Some("{}"),
        };
        assert_eq!(
            curl(&request, "http://h", shortened),
            "curl -i http://h/api/data -H 'Authorization: Bearer k_live_01234…' -H 'Authorization: Bearer short' \
             -H 'Content-Type: application/json' -d '{}'"
        );
    }

    #[test]
    fn a_line_to_paste_has_the_whole_key() {
        let authorization = vec!["Bearer k_live_0123456789abcdef".to_owned()];
        let request = Request { method: "GET", path: "/api/data", authorization, body: None };
        assert_eq!(
            curl(&request, "http://h", str::to_owned),
            "curl -i http://h/api/data -H 'Authorization: Bearer k_live_0123456789abcdef'"
        );
    }

    #[test]
    fn a_long_body_is_shown_by_both_its_ends() {
        assert_eq!(both_ends("ääää0000öööö", 4), "ääää… öööö");
        for whole in ["", "ä", "ääääöööö"] {
            assert_eq!(both_ends(whole, 4), whole);
        }
    }

    #[test]
    fn nothing_is_painted_when_colours_are_off() {
        assert_eq!(Screen { colour: false }.paint(RED, "text"), "text");
        assert_eq!(Screen { colour: true }.paint(RED, "text"), "\x1b[31mtext\x1b[0m");
    }
}
