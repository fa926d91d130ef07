//! `POST /workflow/automate`: jobs that a key may start.
//!
//! A body names the workflow, alone or with its settings:
//!
//! ```json
//! {"workflow": "close-stale-tickets"}
//! {"workflow": {"name": "close-stale-tickets", "idle_days": 60}}
//! ```
//!
//! | workflow | does | settings |
//! | --- | --- | --- |
//! | `close-stale-tickets` | closes tickets of the key's organization that nobody has worked on for this long | `idle_days`, 30 |
//! | `summarise-users` | counts the users, by role and by welcome | none |
//! | `welcome-users` | marks the users not yet welcomed as welcomed, and names them | none |
//!
//! The route accepts any name. If it is not a known workflow, the server does nothing, and the response names the
//! known ones. An unknown setting is refused, and the server does nothing either.

use crate::answers::{Outcome, WorkflowAnswer};
use crate::data_set::TicketStatus;
use crate::{BadRequest, Store, body};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// After how many days without work a ticket is stale, unless the request sets it.
pub const STALE_AFTER_DAYS: u64 = 30;

const KNOWN: &[&str] = &["close-stale-tickets", "summarise-users", "welcome-users"];

/// Runs the workflow that the body names, on behalf of this key and the organization that owns it.
pub fn automate<'a>(
    store: &Store,
    body: &[u8],
    organization: Option<&'a str>,
    key_id: &'a str,
) -> Result<WorkflowAnswer<'a>, BadRequest> {
    let mut members = body::object(body)?;
    let Some(workflow) = members.remove("workflow") else {
        return Err(BadRequest::invalid("Request body must have a 'workflow'"));
    };
    let (name, settings) = match workflow {
        Value::String(name) => (name, Map::new()),
        Value::Object(mut settings) => match settings.remove("name") {
            Some(Value::String(name)) => (name, settings),
            _ => (String::new(), settings),
        },
        _ => (String::new(), Map::new()),
    };
    let result = match name.as_str() {
        "close-stale-tickets" => close_stale_tickets(store, organization, &settings)?,
        "summarise-users" => without_settings(&settings).map(|()| summarise_users(store))?,
        "welcome-users" => without_settings(&settings).map(|()| welcome_users(store))?,
        _ => Outcome::NotKnown { known: KNOWN },
    };
    Ok(WorkflowAnswer { result, automated_by: key_id, organization })
}

fn close_stale_tickets(
    store: &Store,
    organization: Option<&str>,
    settings: &Map<String, Value>,
) -> Result<Outcome, BadRequest> {
    if settings.keys().any(|setting| setting != "idle_days") {
        return Err(BadRequest::invalid("Workflow 'close-stale-tickets' has one setting: 'idle_days'"));
    }
    let idle_days = match settings.get("idle_days").map(Value::as_u64) {
        None => STALE_AFTER_DAYS,
        Some(Some(days)) => days,
        Some(None) => {
            return Err(BadRequest::invalid("'idle_days' must be a whole number of days, 0 or more"));
        }
    };
    let Some(organization) = organization else {
        return Err(BadRequest::invalid(
            "Workflow 'close-stale-tickets' works on an organization's tickets: use a key that an organization owns",
        ));
    };
    Ok(store.with_tickets(organization, |tickets| {
        let mut closed = Vec::new();
        let mut remaining = 0;
        for ticket in tickets.iter_mut().filter(|ticket| ticket.status != TicketStatus::Closed) {
            if ticket.idle_days >= idle_days {
                ticket.status = TicketStatus::Closed;
                closed.push(ticket.id.clone());
            } else {
                remaining += 1;
            }
        }
        Outcome::CloseStaleTickets { closed, remaining }
    }))
}

fn summarise_users(store: &Store) -> Outcome {
    store.with_users(|users| {
        let mut roles = BTreeMap::new();
        for user in users.iter() {
            *roles.entry(user.role.clone()).or_default() += 1;
        }
        let welcomed = users.iter().filter(|user| user.welcomed).count();
        Outcome::SummariseUsers { users: users.len(), welcomed, roles }
    })
}

fn welcome_users(store: &Store) -> Outcome {
    store.with_users(|users| {
        let welcomed_before = users.iter().filter(|user| user.welcomed).count();
        let mut welcomed = Vec::new();
        for user in users.iter_mut().filter(|user| !user.welcomed) {
            user.welcomed = true;
            welcomed.push(user.id.clone());
        }
        Outcome::WelcomeUsers { welcomed, welcomed_before }
    })
}

fn without_settings(settings: &Map<String, Value>) -> Result<(), BadRequest> {
    if settings.is_empty() { Ok(()) } else { Err(BadRequest::invalid("This workflow has no settings")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_set::{DataSet, Ticket};
    use crate::{Reply, data};

    fn run(store: &Store, workflow: &str, organization: Option<&str>) -> (u16, String) {
        let body = format!(r#"{{"workflow":{workflow}}}"#);
        let reply = Reply::from(automate(store, body.as_bytes(), organization, "k"));
        (reply.status, String::from_utf8(reply.body).unwrap())
    }

    fn tickets(store: &Store, organization: &str) -> Vec<Ticket> {
        store.with_tickets(organization, |tickets| tickets.to_vec())
    }

    fn everything(store: &Store) -> (Vec<Ticket>, Vec<Ticket>, Vec<crate::answers::Record>) {
        (tickets(store, "org_acme"), tickets(store, "org_globex"), data::list(store, "k").data)
    }

    #[test]
    fn stale_tickets_are_closed_once() {
        let store = Store::new();
        let (status, first) = run(&store, r#""close-stale-tickets""#, Some("org_acme"));
        assert_eq!(status, 200);
        assert_eq!(
            first,
            r#"{"result":{"workflow":"close-stale-tickets","closed":["ACME-3","ACME-4"],"remaining":2},"automated_by":"k","organization":"org_acme"}"#
        );
        let (_, second) = run(&store, r#"{"name":"close-stale-tickets"}"#, Some("org_acme"));
        assert!(second.contains(r#""closed":[],"remaining":2"#), "{second}");
    }

    #[test]
    fn the_assistant_counts_what_a_workflow_closed() {
        let store = Store::new();
        run(&store, r#"{"name":"close-stale-tickets","idle_days":0}"#, Some("org_acme"));
        let message = br#"{"message":"How many open tickets are there?"}"#;
        let answered = crate::assistant::answer(&store, message, "org_acme", "k").unwrap();
        assert_eq!(answered.response, "0 of 5 tickets are open.");
    }

    #[test]
    fn a_workflow_touches_the_tickets_of_its_own_organization_only() {
        for idle_days in 0..100 {
            for (own, other) in
                [("org_acme", "org_globex"), ("org_globex", "org_acme"), ("org_none", "org_acme")]
            {
                let store = Store::new();
                let untouched = tickets(&store, other);
                let before = tickets(&store, own);
                let workflow = format!(r#"{{"name":"close-stale-tickets","idle_days":{idle_days}}}"#);
                assert_eq!(run(&store, &workflow, Some(own)).0, 200);
                assert_eq!(tickets(&store, other), untouched);
                for (before, after) in before.iter().zip(tickets(&store, own)) {
                    let closed = before.status == TicketStatus::Closed || before.idle_days >= idle_days;
                    assert_eq!(after.status == TicketStatus::Closed, closed, "{after:?}");
                }
            }
        }
    }

    #[test]
    fn users_are_welcomed_once_and_the_summary_knows() {
        let store = Store::new();
        let (_, before) = run(&store, r#""summarise-users""#, None);
        assert_eq!(
            before,
            r#"{"result":{"workflow":"summarise-users","users":5,"welcomed":3,"roles":{"admin":2,"member":2,"viewer":1}},"automated_by":"k","organization":null}"#
        );
        let (_, welcomed) = run(&store, r#""welcome-users""#, None);
        assert!(welcomed.contains(r#""welcomed":["user_4","user_5"],"welcomed_before":3"#), "{welcomed}");
        let (_, again) = run(&store, r#""welcome-users""#, None);
        assert!(again.contains(r#""welcomed":[],"welcomed_before":5"#), "{again}");
    }

    #[test]
    fn what_is_not_understood_is_refused_and_changes_nothing() {
        let store = Store::new();
        let before = everything(&store);
        let cases = [
            (r#"{"name":"welcome-users","dry_run":true}"#, "This workflow has no settings"),
            (
                r#"{"name":"close-stale-tickets","idle-days":1}"#,
                "Workflow 'close-stale-tickets' has one setting: 'idle_days'",
            ),
            (
                r#"{"name":"close-stale-tickets","idle_days":-1}"#,
                "'idle_days' must be a whole number of days, 0 or more",
            ),
            (
                r#"{"name":"close-stale-tickets","idle_days":null}"#,
                "'idle_days' must be a whole number of days, 0 or more",
            ),
        ];
        for (workflow, error) in cases {
            let (status, body) = run(&store, workflow, Some("org_acme"));
            assert_eq!(status, 400, "{workflow}");
            assert_eq!(body, format!(r#"{{"error":"{error}","code":"INVALID_BODY"}}"#), "{workflow}");
        }
        assert_eq!(everything(&store), before);
        let nothing = automate(&store, b"{}", None, "k").unwrap_err().to_string();
        assert_eq!(nothing, "Request body must have a 'workflow'");
    }

    #[test]
    fn any_workflow_is_taken_and_one_that_is_not_known_does_nothing() {
        let store = Store::new();
        let before = everything(&store);
        for workflow in [
            "null",
            "1",
            "[\"welcome-users\"]",
            "{}",
            r#"{"name":1}"#,
            r#""Welcome-Users""#,
            "{\"steps\":[]}",
        ] {
            let (status, body) = run(&store, workflow, Some("org_acme"));
            assert_eq!(status, 200, "{workflow}");
            assert_eq!(
                body,
                r#"{"result":{"workflow":"not-known","known":["close-stale-tickets","summarise-users","welcome-users"]},"automated_by":"k","organization":"org_acme"}"#
            );
        }
        assert_eq!(everything(&store), before);
    }

    #[test]
    fn tickets_are_not_closed_for_a_key_without_an_organization() {
        let store = Store::with(DataSet::reference());
        let before = everything(&store);
        assert_eq!(run(&store, r#""close-stale-tickets""#, None).0, 400);
        assert_eq!(everything(&store), before);
    }
}
