//! The bodies that the API takes. The server reads them as JSON, and so more than these schemas name.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Any JSON object. The server gives the record its `id`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({"name": "Hedy Lamarr", "role": "member"})))]
pub struct NewRecord {
    /// The members of the record.
    #[serde(flatten)]
    pub members: BTreeMap<String, Value>,
}

/// A question about the tickets of the organization that owns the key.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({"message": "How many open tickets are there?"})))]
pub struct Question {
    /// The question, in plain English.
    pub message: String,
}

/// Which workflow to run.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({"workflow": "summarise-users"})))]
pub struct Job {
    /// The name of a workflow, or an object with its `name` and settings. `close-stale-tickets` has the setting `idle_days`.
    /// `summarise-users` and `welcome-users` have none. If there is no such workflow, the server does nothing.
    pub workflow: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BadRequest, Reply, Store, assistant, data, workflow};
    use utoipa::PartialSchema;

    fn example<T: PartialSchema>() -> Vec<u8> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        serde_json::to_vec(&schema["examples"][0]).unwrap()
    }

    fn status<T: Serialize>(answer: Result<T, BadRequest>) -> u16 {
        Reply::from(answer).status
    }

    #[test]
    fn the_example_of_every_body_succeeds() {
        let store = Store::new();
        assert_eq!(status(data::create(&store, &example::<NewRecord>(), "k")), 200);
        assert_eq!(status(assistant::answer(&store, &example::<Question>(), "org_acme", "k")), 200);
        assert_eq!(status(workflow::automate(&store, &example::<Job>(), None, "k")), 200);
    }
}
