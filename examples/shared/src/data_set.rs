//! The data of the reference servers at their start: users of the service, and two organizations with their tickets.

use serde::Serialize;
use utoipa::ToSchema;

/// The data that a [`Store`](crate::Store) starts with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataSet {
    /// The users of the service.
    pub users: Vec<User>,
    /// The organizations, each with its own tickets.
    pub organizations: Vec<Organization>,
}

/// A user of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// The user's id.
    pub id: String,
    /// The user's name.
    pub name: String,
    /// The user's mail address.
    pub email: String,
    /// What the user may do: `admin`, `member` or `viewer`.
    pub role: String,
    /// Whether the user has been welcomed.
    pub welcomed: bool,
}

/// An organization and its support tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// The `org_code` of its keys.
    pub code: String,
    /// Its tickets. No other organization may see them.
    pub tickets: Vec<Ticket>,
}

/// A support ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The ticket's id, such as `ACME-1`.
    pub id: String,
    /// One line that says what the ticket is about.
    pub subject: String,
    /// The report of the problem.
    pub body: String,
    /// The ticket's status.
    pub status: TicketStatus,
    /// How many days nobody had worked on it when the server started.
    pub idle_days: u64,
}

/// The status of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketStatus {
    /// It waits for the support team.
    Open,
    /// It waits for the customer.
    Pending,
    /// It is done.
    Closed,
}

impl TicketStatus {
    /// Every status, in the order in which a ticket goes through them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Pending, Self::Closed];

    /// The status as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pending => "pending",
            Self::Closed => "closed",
        }
    }
}

impl DataSet {
    /// The data set of the reference servers: five users, and five tickets each for `org_acme` and `org_globex`.
    pub fn reference() -> Self {
        use TicketStatus::{Closed, Open, Pending};
        let user = |id: &str, name: &str, mailbox: &str, role: &str, welcomed| User {
            id: id.into(),
            name: name.into(),
            email: format!("{mailbox}@example.com"),
            role: role.into(),
            welcomed,
        };
        Self {
            users: vec![
                user("user_1", "Ada Lovelace", "ada", "admin", true),
                user("user_2", "Grace Hopper", "grace", "admin", true),
                user("user_3", "Alan Turing", "alan", "member", true),
                user("user_4", "Katherine Johnson", "katherine", "member", false),
                user("user_5", "Edsger Dijkstra", "edsger", "viewer", false),
            ],
            organizations: vec![
                organization(
                    "org_acme",
                    "ACME",
                    &[
                        (
                            "Invoice shows the wrong VAT number",
                            "The March invoice still carries the VAT number from before the move.",
                            Open,
                            3,
                        ),
                        (
                            "Export to CSV times out",
                            "Exports of more than 50,000 rows end with a gateway timeout.",
                            Open,
                            12,
                        ),
                        (
                            "Password reset mail never arrives",
                            "Asked for the mail headers; no reply so far.",
                            Pending,
                            45,
                        ),
                        (
                            "Dark mode for the dashboard",
                            "Night shifts find the dashboard too bright.",
                            Open,
                            90,
                        ),
                        (
                            "Webhook deliveries arrive twice",
                            "Explained how to drop a repeated delivery by its id.",
                            Closed,
                            20,
                        ),
                    ],
                ),
                organization(
                    "org_globex",
                    "GLOBEX",
                    &[
                        (
                            "Single sign-on ends on the login page",
                            "After the identity provider's redirect the session is gone.",
                            Open,
                            2,
                        ),
                        (
                            "Second billing contact",
                            "Asked which address should receive the bills.",
                            Pending,
                            8,
                        ),
                        (
                            "Answers are slow from Singapore",
                            "Requests take two seconds from there, 80 milliseconds from Frankfurt.",
                            Open,
                            33,
                        ),
                        ("Mobile app crashes on start", "Fixed in release 4.2.", Closed, 60),
                        (
                            "One-time codes are refused",
                            "Began when daylight saving time did; codes are valid for 30 seconds.",
                            Open,
                            51,
                        ),
                    ],
                ),
            ],
        }
    }
}

fn organization(code: &str, prefix: &str, tickets: &[(&str, &str, TicketStatus, u64)]) -> Organization {
    let tickets = tickets
        .iter()
        .enumerate()
        .map(|(index, &(subject, body, status, idle_days))| Ticket {
            id: format!("{prefix}-{}", index + 1),
            subject: subject.into(),
            body: body.into(),
            status,
            idle_days,
        })
        .collect();
    Organization { code: code.into(), tickets }
}
