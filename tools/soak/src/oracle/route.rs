//! The reference API's answers to the holder of a key: a second, independent reading of the contract.

use serde_json::Value;

use super::truth::Identity;

/// A route of the reference API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `GET /api/me`: any key.
    Me,
    /// `GET /api/data`: `read:users`.
    Data,
    /// `GET /api/any`: `admin` or `read:users`.
    Any,
    /// `GET /api/optional`: any key, or none.
    Optional,
    /// `GET /api/org`: an organization's key.
    Organization,
    /// `POST /ai/chat`: an organization's key with `read:tickets`.
    Chat,
}

impl Route {
    /// All routes.
    pub const ALL: [Self; 6] =
        [Self::Me, Self::Data, Self::Any, Self::Optional, Self::Organization, Self::Chat];

    /// Method, path and body of a request.
    #[must_use]
    pub fn target(self) -> (&'static str, &'static str, &'static [u8]) {
        match self {
            Self::Me => ("GET", "/api/me", b""),
            Self::Data => ("GET", "/api/data", b""),
            Self::Any => ("GET", "/api/any", b""),
            Self::Optional => ("GET", "/api/optional", b""),
            Self::Organization => ("GET", "/api/org", b""),
            Self::Chat => ("POST", "/ai/chat", br#"{"message":"how many tickets are open?"}"#),
        }
    }

    /// Whether the route gives this answer to this identity.
    pub(super) fn answers(self, identity: &Identity, status: u16, body: &Value) -> bool {
        let code = body["code"].as_str();
        match self.shortfall(identity) {
            Some(Shortfall::Organization) => status == 403 && code == Some("ORGANIZATION_KEY_REQUIRED"),
            Some(Shortfall::Scopes(required)) => {
                status == 403
                    && code == Some("INSUFFICIENT_SCOPE")
                    && same(&body["required_scopes"], required)
                    && same(&body["available_scopes"], &identity.scopes)
            }
            None => status == 200 && self.is_for(identity, body),
        }
    }

    fn shortfall(self, identity: &Identity) -> Option<Shortfall> {
        let has = |scope: &str| identity.scopes.iter().any(|own| own == scope);
        let needs_organization = matches!(self, Self::Organization | Self::Chat);
        if needs_organization && identity.organization.is_none() {
            return Some(Shortfall::Organization);
        }
        let (required, is_satisfied): (&'static [&'static str], bool) = match self {
            Self::Me | Self::Optional | Self::Organization => (&[], true),
            Self::Data => (&["read:users"], has("read:users")),
            Self::Any => (&["admin", "read:users"], has("admin") || has("read:users")),
            Self::Chat => (&["read:tickets"], has("read:tickets")),
        };
        (!is_satisfied).then_some(Shortfall::Scopes(required))
    }

    fn is_for(self, identity: &Identity, body: &Value) -> bool {
        let organization = identity.organization.as_deref();
        let rest = match self {
            Self::Me => {
                body["status"] == "active"
                    && same(&body["scopes"], &identity.scopes)
                    && body["org_code"].as_str() == organization
                    && body["user_id"].as_str() == identity.user.as_deref()
            }
            Self::Data | Self::Any => body["data"].is_array(),
            Self::Optional => body["authenticated"] == true,
            Self::Organization => body["org_code"].as_str() == organization,
            Self::Chat => {
                let context = organization.map(|code| format!("Organization: {code}"));
                body["context"].as_str() == context.as_deref()
            }
        };
        rest && body["key_id"] == *identity.key_id
    }
}

enum Shortfall {
    Organization,
    Scopes(&'static [&'static str]),
}

/// Whether these are the same texts in any order.
fn same<S: AsRef<str>>(found: &Value, expected: &[S]) -> bool {
    let Some(found) = found.as_array() else { return false };
    let mut found: Vec<&str> = found.iter().filter_map(Value::as_str).collect();
    let mut expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    found.sort_unstable();
    expected.sort_unstable();
    found == expected
}
