//! `POST /ai/chat`: an assistant that answers questions about the tickets of one organization.
//!
//! It looks for the words of the message in the subject, body and status of the tickets, and counts or lists those
//! that match. It reads only the tickets of the organization that owns the key, and its response never repeats the
//! message. So nothing of another organization can get into it.

use crate::answers::ChatAnswer;
use crate::data_set::{Ticket, TicketStatus};
use crate::{BadRequest, Store, body};
use serde_json::Value;

/// How many tickets a response lists.
const MAX_LISTED: usize = 5;

/// Words that don't say which tickets are meant.
const FILLERS: &[&str] = &[
    "a", "about", "all", "an", "and", "any", "are", "at", "be", "can", "count", "did", "do", "does", "find",
    "for", "from", "give", "has", "have", "how", "i", "in", "is", "issue", "issues", "it", "list", "many",
    "me", "my", "of", "on", "or", "our", "please", "show", "status", "tell", "that", "the", "there", "this",
    "ticket", "tickets", "to", "us", "was", "we", "what", "which", "who", "with", "you",
];

/// Answers `{"message": "..."}` from the tickets of this organization only.
pub fn answer<'a>(
    store: &Store,
    body: &[u8],
    organization: &str,
    key_id: &'a str,
) -> Result<ChatAnswer<'a>, BadRequest> {
    let members = body::object(body)?;
    let Some(Value::String(message)) = members.get("message") else {
        return Err(BadRequest::invalid("Request body must have a 'message' that is a string"));
    };
    let response = store.with_tickets(organization, |tickets| respond(message, tickets));
    Ok(ChatAnswer { response, context: format!("Organization: {organization}"), key_id })
}

fn respond(message: &str, tickets: &[Ticket]) -> String {
    if tickets.is_empty() {
        return "This organization has no tickets.".into();
    }
    let message = message.to_lowercase();
    if let Some(ticket) = named_by_id(&message, tickets) {
        return describe(ticket);
    }
    let question = Question::read(&message);
    if question.says_nothing() {
        return overview(tickets);
    }
    let found = question.search(tickets);
    if found.is_empty() && !question.counts {
        return format!("No ticket matches. {}", overview(tickets));
    }
    let spell_out = if question.counts { name } else { describe };
    let mut response = format!("{} of {}", found.len(), plural(tickets.len()));
    response.push_str(&question.claim(found.len()));
    let listed: Vec<String> = found.iter().take(MAX_LISTED).map(|ticket| spell_out(ticket)).collect();
    if listed.is_empty() {
        response.push('.');
    } else {
        response.push_str(": ");
        response.push_str(&listed.join("; "));
        response.push_str(if listed.len() < found.len() { "; ..." } else { "." });
    }
    response
}

/// What a message asks for.
struct Question {
    counts: bool,
    statuses: Vec<TicketStatus>,
    keywords: Vec<String>,
}

impl Question {
    fn read(message: &str) -> Self {
        let message = message.replace("number of", "how many");
        let said: Vec<&str> = words(&message).collect();
        let counts = said.contains(&"count") || said.windows(2).any(|pair| pair == ["how", "many"]);
        let statuses = TicketStatus::ALL.map(TicketStatus::as_str);
        let keywords = said.iter().filter(|word| !FILLERS.contains(word) && !statuses.contains(word));
        let keywords = keywords.copied().map(singular).collect();
        let statuses =
            TicketStatus::ALL.into_iter().filter(|status| said.contains(&status.as_str())).collect();
        Self { counts, statuses, keywords }
    }

    fn says_nothing(&self) -> bool {
        !self.counts && self.statuses.is_empty() && self.keywords.is_empty()
    }

    /// The tickets with one of the statuses and at least one of the keywords. Those with the most keywords come
    /// first.
    fn search<'t>(&self, tickets: &'t [Ticket]) -> Vec<&'t Ticket> {
        let mut found: Vec<(usize, &Ticket)> = tickets
            .iter()
            .filter(|ticket| self.statuses.is_empty() || self.statuses.contains(&ticket.status))
            .map(|ticket| {
                let text = format!("{} {}", ticket.subject, ticket.body).to_lowercase();
                let text: Vec<String> = words(&text).map(singular).collect();
                (self.keywords.iter().filter(|keyword| text.contains(keyword)).count(), ticket)
            })
            .filter(|(hits, _)| *hits > 0 || self.keywords.is_empty())
            .collect();
        found.sort_by_key(|(hits, _)| std::cmp::Reverse(*hits));
        found.into_iter().map(|(_, ticket)| ticket).collect()
    }

    /// How `search` selected so many tickets: " are open", " match and are pending or closed".
    fn claim(&self, found: usize) -> String {
        let one = found == 1;
        let mut parts = Vec::new();
        if !self.keywords.is_empty() {
            parts.push(if one { "matches" } else { "match" }.to_owned());
        }
        if !self.statuses.is_empty() {
            let statuses: Vec<&str> = self.statuses.iter().map(|status| status.as_str()).collect();
            parts.push(format!("{} {}", if one { "is" } else { "are" }, statuses.join(" or ")));
        }
        if parts.is_empty() {
            return if one { " is on record" } else { " are on record" }.into();
        }
        format!(" {}", parts.join(" and "))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The word without the "s" of a plural, so that "invoices" finds "invoice".
fn singular(word: &str) -> String {
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
        _ => word.to_owned(),
    }
}

fn named_by_id<'t>(message: &str, tickets: &'t [Ticket]) -> Option<&'t Ticket> {
    let mut candidates = message.split(|c: char| !(c.is_alphanumeric() || c == '-'));
    candidates.find_map(|word| tickets.iter().find(|ticket| ticket.id.to_lowercase() == word))
}

fn name(ticket: &Ticket) -> String {
    format!("{} ({})", ticket.id, ticket.subject)
}

fn describe(ticket: &Ticket) -> String {
    format!("{} ({}, {}): {}", ticket.id, ticket.subject, ticket.status.as_str(), ticket.body)
}

fn overview(tickets: &[Ticket]) -> String {
    let counts = TicketStatus::ALL.map(|status| {
        let count = tickets.iter().filter(|ticket| ticket.status == status).count();
        format!("{count} {}", status.as_str())
    });
    format!("This organization has {}: {}.", plural(tickets.len()), counts.join(", "))
}

fn plural(count: usize) -> String {
    if count == 1 { "1 ticket".into() } else { format!("{count} tickets") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_set::DataSet;

    fn ask(store: &Store, message: &str, organization: &str) -> String {
        let body = serde_json::json!({ "message": message }).to_string();
        answer(store, body.as_bytes(), organization, "k").unwrap().response
    }

    /// Every word, subject, body and id of the whole data set, alone and inside questions.
    fn questions() -> Vec<String> {
        let mut texts = vec![String::new(), "show everything".into(), "org_acme and org_globex".into()];
        for ticket in
            DataSet::reference().organizations.into_iter().flat_map(|organization| organization.tickets)
        {
            texts.extend(ticket.subject.split(' ').chain(ticket.body.split(' ')).map(str::to_owned));
            texts.extend([ticket.id, ticket.subject, ticket.body]);
        }
        let in_a_question = |text: &String| {
            [
                text.clone(),
                format!("How many tickets about {text}?"),
                format!("list open or closed {text} of org_globex"),
            ]
        };
        texts.iter().flat_map(in_a_question).collect()
    }

    #[test]
    fn an_organization_never_sees_anothers_tickets() {
        let all = DataSet::reference();
        for own in &all.organizations {
            let full = Store::new();
            let others = all.organizations.iter().filter(|other| other.code != own.code);
            let alone = Store::with(DataSet { organizations: vec![own.clone()], ..DataSet::default() });
            let foreign: Vec<&Ticket> = others.flat_map(|other| &other.tickets).collect();
            for question in questions() {
                let response = ask(&full, &question, &own.code);
                assert_eq!(response, ask(&alone, &question, &own.code), "{question}");
                for ticket in &foreign {
                    for secret in [&ticket.id, &ticket.subject, &ticket.body] {
                        assert!(!response.contains(secret.as_str()), "{question}: {response}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_ticket_is_found_by_its_id_and_by_its_subject() {
        for organization in DataSet::reference().organizations {
            for ticket in organization.tickets {
                let by_id = ask(&Store::new(), &format!("What about {}?", ticket.id), &organization.code);
                assert_eq!(by_id, describe(&ticket));
                let by_subject = ask(&Store::new(), &ticket.subject, &organization.code);
                assert!(by_subject.contains(&describe(&ticket)), "{}: {by_subject}", ticket.subject);
            }
        }
    }

    #[test]
    fn tickets_are_counted_by_status_and_by_word() {
        let store = Store::new();
        let cases = [
            (
                "How many open tickets are there?",
                "3 of 5 tickets are open: ACME-1 (Invoice shows the wrong VAT number); ACME-2 (Export to CSV times \
                 out); ACME-4 (Dark mode for the dashboard).",
            ),
            ("how many are CLOSED", "1 of 5 tickets is closed: ACME-5 (Webhook deliveries arrive twice)."),
            (
                "Count the tickets about invoices",
                "1 of 5 tickets matches: ACME-1 (Invoice shows the wrong VAT number).",
            ),
            (
                "What is the number of pending tickets?",
                "1 of 5 tickets is pending: ACME-3 (Password reset mail never arrives).",
            ),
            ("how many closed tickets about invoices?", "0 of 5 tickets match and are closed."),
            ("how many open tickets about unicorns?", "0 of 5 tickets match and are open."),
        ];
        for (question, response) in cases {
            assert_eq!(ask(&store, question, "org_acme"), response, "{question}");
        }
    }

    #[test]
    fn the_best_match_comes_first() {
        let response =
            ask(&Store::new(), "Why do exports of many rows to CSV end, and the dashboard?", "org_acme");
        assert!(response.starts_with("2 of 5 tickets match: ACME-2"), "{response}");
    }

    #[test]
    fn nothing_found_is_said_with_an_overview() {
        let store = Store::new();
        assert_eq!(
            ask(&store, "unicorns", "org_globex"),
            "No ticket matches. This organization has 5 tickets: 3 open, 1 pending, 1 closed."
        );
        assert_eq!(
            ask(&store, " ?! ", "org_globex"),
            "This organization has 5 tickets: 3 open, 1 pending, 1 closed."
        );
    }

    #[test]
    fn an_unknown_organization_has_no_tickets() {
        for unknown in ["org_other", "", "ORG_ACME", "org_acme ", "org_"] {
            let body = br#"{"message":"How many open tickets are there?"}"#;
            let answered = answer(&Store::new(), body, unknown, "k").unwrap();
            assert_eq!(answered.response, "This organization has no tickets.");
            assert_eq!(answered.context, format!("Organization: {unknown}"));
        }
    }

    #[test]
    fn a_message_must_be_there_and_a_string() {
        for body in ["{}", r#"{"message":null}"#, r#"{"message":["a"]}"#, r#"{"Message":"a"}"#] {
            let refused = answer(&Store::new(), body.as_bytes(), "org_acme", "k").unwrap_err();
            assert_eq!(refused.to_string(), "Request body must have a 'message' that is a string", "{body}");
            assert_eq!(refused.status(), 400);
        }
    }
}
