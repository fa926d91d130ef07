//! What the checks of one operation share: the answers, and what they say.

use std::collections::BTreeMap;

use super::client::Reply;
use super::document::Operation;
use super::report::{FindingKind, counted};
use super::run::{Key, Run, Stop};

pub(crate) struct Check<'c, 'r> {
    pub(crate) run: &'c mut Run<'r>,
    pub(crate) operation: &'c Operation,
    /// What the server has answered: to no key, or to a key on one of the ways. `None` says nothing about the guard.
    answers: BTreeMap<Option<(usize, Key)>, Option<Reply>>,
    /// How many requests got each status that says nothing about the guard.
    said_nothing: BTreeMap<u16, usize>,
    /// Refusals with the wrong status, in words.
    pub(crate) refusals: Vec<String>,
}

impl<'c, 'r> Check<'c, 'r> {
    pub(crate) fn new(run: &'c mut Run<'r>, operation: &'c Operation) -> Self {
        let (answers, said_nothing) = (BTreeMap::new(), BTreeMap::new());
        Check { run, operation, answers, said_nothing, refusals: Vec::new() }
    }

    /// Reports refusals with the wrong status, and requests that said nothing.
    pub(crate) fn report_rest(&mut self, stop: Option<&Stop>) {
        if let Some(first) = self.refusals.first() {
            let more = match self.refusals.len() {
                1 => String::new(),
                number => format!(" (and {} like it)", counted(number - 1, "answer")),
            };
            let text = format!(
                "a request is refused with the wrong status: {first}{more}. A missing key and one that is not valid are a 401, \
                 a valid key that may not do this is a 403"
            );
            self.find(FindingKind::WrongStatus, text);
        }
        let asked = self.answers.len();
        for (status, number) in std::mem::take(&mut self.said_nothing) {
            let advice = match status {
                429 => {
                    "The server limits attempts: raise its limit for this run (`APIKEY_ATTEMPTS`, 0 is no limit), and probe again"
                        .to_owned()
                }
                503 => format!(
                    "The server's log says why. Its Kinde is this emulator, {}: it must be reachable, and its client id and \
                     secret must be those of the emulator. Then probe again",
                    self.run.emulator.url()
                ),
                _ => "The server's log says why. If the request lacks something, give the document an `example`".to_owned(),
            };
            let requests = counted(asked, "request");
            let text =
                format!("could not be checked: {number} of {requests} got the status {status}. {advice}");
            self.find(FindingKind::NotChecked, text);
        }
        if let Some(Stop::Silence(reason)) = stop {
            let text = format!(
                "could not be checked: {reason}. Look whether the server still runs, and whether it waits for something that \
                 an `example` in the document would give it"
            );
            self.find(FindingKind::NotChecked, text);
        }
    }

    /// Reports that these requests get a 404 or a 405.
    pub(crate) fn missing(&mut self, requests: &str, status: u16) {
        if status == 404 && self.operation.template.has_parameters() {
            let text = "every request is answered 404, with and without a key. Either the server has no such route, or nothing \
                        has these parameters and nobody guards the route. Give the parameters of its path an `example` that \
                        exists, and probe again";
            return match self.operation.security.is_open() {
                true => self.note(text),
                false => self.find(FindingKind::NoSuchRoute, text),
            };
        }
        let text = format!(
            "the server has no such route: {requests} is answered {status}. Add the route, or take it out of the \
             document. If the server has it under another path, mend `servers`"
        );
        self.find(FindingKind::NoSuchRoute, text);
    }

    /// The answer to no key, or to a key on one of the ways. Asks once. `None` if it says nothing about the guard.
    pub(crate) async fn ask(&mut self, key: Option<(usize, Key)>) -> Result<Option<Reply>, Stop> {
        if let Some(known) = self.answers.get(&key) {
            return Ok(known.clone());
        }
        let operation = self.operation;
        let presented = key
            .as_ref()
            .and_then(|(index, key)| Some((&operation.security.ways.get(*index)?.placement, key)));
        let reply = self.run.send(&operation.method, &operation.inputs, presented).await?;
        let says_nothing = reply.status == 429 || reply.status >= 500;
        if says_nothing {
            *self.said_nothing.entry(reply.status).or_default() += 1;
        }
        let reply = (!says_nothing).then_some(reply);
        self.answers.insert(key, reply.clone());
        Ok(reply)
    }

    pub(crate) fn note(&mut self, text: &str) {
        self.run.report.notes.push(format!("{}: {text}", self.operation.name));
    }

    pub(crate) fn find(&mut self, kind: FindingKind, text: impl Into<String>) {
        self.run.report.find(kind, Some(&self.operation.name), text);
    }
}

pub(crate) fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

pub(crate) fn is_refusal(reply: &Reply) -> bool {
    matches!(reply.status, 401 | 403)
}

/// Whether a request has passed the guard: it succeeded, or it got the same as one with a key that may do everything.
pub(crate) fn is_through(reply: &Reply, full: Option<&Reply>) -> bool {
    is_success(reply) || (!is_refusal(reply) && full.is_some_and(|full| full.status == reply.status))
}

/// The status of a refusal, with its code.
pub(crate) fn shown(reply: &Reply) -> String {
    reply.code.as_ref().map_or_else(|| reply.status.to_string(), |code| format!("{} {code}", reply.status))
}
