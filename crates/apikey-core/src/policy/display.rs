//! A policy as a text, for logs and for people.

use std::fmt::{self, Display, Formatter};

use super::{Policy, Requirement, UNNAMED_OPERATION, is_scope_token};

/// Reads as `organization key and (admin or read:users)`. A scope stands for itself.
///
/// It is for people and for logs, and may be worded differently in a later release. `{:#}` does not name organizations, for
/// readers that are not the operator.
impl Display for Policy {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Requirement::Scope(scope) => write_name(scope, formatter),
            Requirement::OrganizationKey => formatter.write_str("organization key"),
            Requirement::UserKey => formatter.write_str("user key"),
            Requirement::Organization(_) if formatter.alternate() => {
                formatter.write_str("a certain organization")
            }
            Requirement::Organization(code) => {
                formatter.write_str("organization ")?;
                write_name(code, formatter)
            }
            Requirement::Fresh => formatter.write_str("fresh answer"),
            Requirement::KindeOperation => formatter.write_str(UNNAMED_OPERATION),
            Requirement::All(policies) => write_list(policies, "any key", " and ", formatter),
            Requirement::Any(policies) => write_list(policies, "no key", " or ", formatter),
        }
    }
}

fn write_list(policies: &[Policy], empty: &str, between: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    let [first, others @ ..] = policies else { return formatter.write_str(empty) };
    if others.is_empty() {
        return first.fmt(formatter);
    }
    first.fmt_part(formatter)?;
    for policy in others {
        formatter.write_str(between)?;
        policy.fmt_part(formatter)?;
    }
    Ok(())
}

/// Names come from the application's code or settings. One that could be taken for other words is quoted.
fn write_name(name: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    let is_plain = is_scope_token(name) && !name.contains(['(', ')']) && !matches!(name, "and" | "or");
    if is_plain { formatter.write_str(name) } else { write!(formatter, "{name:?}") }
}

impl Policy {
    /// The text inside of a list: in parentheses if it is a list of several, too.
    fn fmt_part(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if !self.is_compound() {
            return self.fmt(formatter);
        }
        formatter.write_str("(")?;
        self.fmt(formatter)?;
        formatter.write_str(")")
    }

    fn is_compound(&self) -> bool {
        match &self.0 {
            Requirement::All(policies) | Requirement::Any(policies) => match &**policies {
                [policy] => policy.is_compound(),
                policies => !policies.is_empty(),
            },
            _ => false,
        }
    }
}
