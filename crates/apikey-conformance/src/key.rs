//! Keys from the emulator.

use apikey_testkit::emulator::{Emulator, KeySpecification};
use serde_json::json;

/// A key that the emulator knows.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    me: String,
}

impl Key {
    /// Creates the key in the emulator.
    pub(crate) fn create(emulator: &Emulator, specification: KeySpecification) -> Self {
        let specification =
            KeySpecification { key_id: Some(format!("api_key_{}", specification.name)), ..specification };
        let KeySpecification { scopes, organization, user, .. } = &specification;
        let (scopes, organization, user) =
            (json!(scopes.clone().unwrap_or_default()), json!(organization), json!(user));
        let issued = emulator.create_key(specification);
        let id = json!(issued.key_id);
        let me = format!(
            r#"{{"key_id":{id},"status":"active","scopes":{scopes},"org_code":{organization},"user_id":{user}}}"#
        );
        Self { id: issued.key_id, secret: issued.secret, me }
    }

    /// The body of the routes that say who owns the key. It is built here, without the functions that the server
    /// calls.
    pub(crate) fn me(&self) -> &str {
        &self.me
    }
}
