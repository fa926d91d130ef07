//! The bodies of the successful responses, one type for each route. Fields are sent in the order of their
//! declaration.

use crate::data_set::User;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{AnyOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// The server is up and serves requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthAnswer {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

impl HealthAnswer {
    /// The server is up and serves requests.
    pub const OK: Self = Self { status: "ok" };
}

/// All records, and the key that asked.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DataAnswer<'a> {
    /// The users of the data set, then the created records, oldest first.
    pub data: Vec<Record>,
    /// The id of the key that asked.
    pub key_id: &'a str,
}

/// One element of [`DataAnswer::data`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// A user of the data set.
    User(User),
    /// A record that `POST /api/data` created.
    Created(CreatedRecord),
}

/// The derived schema would be `oneOf`. But a user is also an object with an `id`, so both parts hold for it.
impl PartialSchema for Record {
    fn schema() -> RefOr<Schema> {
        let parts = AnyOfBuilder::new()
            .item(Ref::from_schema_name(User::name()))
            .item(Ref::from_schema_name(CreatedRecord::name()));
        Schema::AnyOf(parts.build()).into()
    }
}

impl ToSchema for Record {}

/// A stored JSON object, with an id from the server.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CreatedRecord {
    /// `record_1`, `record_2`, ... It replaces an `id` in the request.
    pub id: String,
    /// The members of the request, sorted by name.
    #[serde(flatten)]
    pub fields: BTreeMap<String, Value>,
}

/// The record that was created, and the key that asked.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ResultAnswer<'a> {
    /// The stored record.
    pub result: CreatedRecord,
    /// The id of the key that asked.
    pub key_id: &'a str,
}

/// What Kinde says about the key that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MeAnswer<'a> {
    /// The id of the key that asked.
    pub key_id: &'a str,
    /// Its status: always `active`, because no other key gets this far.
    pub status: &'a str,
    /// The scopes it carries.
    pub scopes: Vec<&'a str>,
    /// The organization that owns it.
    #[schema(required)]
    pub org_code: Option<&'a str>,
    /// The user who owns it.
    #[schema(required)]
    pub user_id: Option<&'a str>,
}

impl<'a> From<&'a apikey_core::VerifiedKey> for MeAnswer<'a> {
    fn from(key: &'a apikey_core::VerifiedKey) -> Self {
        Self {
            key_id: key.key_id(),
            status: key.status(),
            scopes: key.scopes().collect(),
            org_code: key.organization_code(),
            user_id: key.user_id(),
        }
    }
}

/// Whether the caller presented a key, and which one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OptionalAnswer<'a> {
    /// Whether the caller presented a key.
    authenticated: bool,
    /// The id of the key.
    #[schema(required)]
    key_id: Option<&'a str>,
}

impl<'a> OptionalAnswer<'a> {
    /// The response to the holder of this key, or to an anonymous caller.
    pub fn new(key_id: Option<&'a str>) -> Self {
        Self { authenticated: key_id.is_some(), key_id }
    }
}

/// The organization that owns the key that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrganizationAnswer<'a> {
    /// The organization that owns the key.
    pub org_code: &'a str,
    /// The id of the key that asked.
    pub key_id: &'a str,
}

/// The assistant's response, and the key that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatAnswer<'a> {
    /// The assistant's response.
    pub response: String,
    /// `Organization: <org_code>`: the response was made from this organization's data.
    pub context: String,
    /// The id of the key that asked.
    pub key_id: &'a str,
}

/// What the workflow did, and on whose behalf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkflowAnswer<'a> {
    /// What the workflow did.
    pub result: Outcome,
    /// The id of the key that asked.
    pub automated_by: &'a str,
    /// The organization that owns the key.
    #[schema(required)]
    pub organization: Option<&'a str>,
}

/// What a workflow did. Each text begins with the workflow's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "workflow", rename_all = "kebab-case")]
pub enum Outcome {
    /// Tickets were closed.
    CloseStaleTickets {
        /// The ids of the tickets that were closed.
        closed: Vec<String>,
        /// How many tickets of the organization are not closed now.
        remaining: usize,
    },
    /// Users were counted.
    SummariseUsers {
        /// How many there are.
        users: usize,
        /// How many of them have been welcomed.
        welcomed: usize,
        /// How many there are of each role.
        roles: BTreeMap<String, usize>,
    },
    /// Users were welcomed.
    WelcomeUsers {
        /// The ids of the users welcomed just now.
        welcomed: Vec<String>,
        /// How many had been welcomed before.
        welcomed_before: usize,
    },
    /// There is no such workflow, so the server did nothing.
    NotKnown {
        /// The known workflows.
        known: &'static [&'static str],
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(answer: &impl Serialize) -> String {
        serde_json::to_string(answer).unwrap()
    }

    #[test]
    fn fields_stand_in_the_order_of_the_contract() {
        assert_eq!(json(&HealthAnswer::OK), r#"{"status":"ok"}"#);
        assert_eq!(json(&DataAnswer { data: vec![], key_id: "k" }), r#"{"data":[],"key_id":"k"}"#);
        assert_eq!(
            json(&OrganizationAnswer { org_code: "org_acme", key_id: "k" }),
            r#"{"org_code":"org_acme","key_id":"k"}"#
        );
        let me = MeAnswer {
            key_id: "k",
            status: "active",
            scopes: vec!["read:users"],
            org_code: None,
            user_id: Some("kp_1"),
        };
        assert_eq!(
            json(&me),
            r#"{"key_id":"k","status":"active","scopes":["read:users"],"org_code":null,"user_id":"kp_1"}"#
        );
    }

    #[test]
    fn an_anonymous_caller_is_told_so_with_a_null_key_id() {
        assert_eq!(json(&OptionalAnswer::new(None)), r#"{"authenticated":false,"key_id":null}"#);
        assert_eq!(json(&OptionalAnswer::new(Some("k"))), r#"{"authenticated":true,"key_id":"k"}"#);
    }
}
