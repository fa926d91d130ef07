//! The standard set of keys, for the binary and for demonstrations.

use super::{Emulator, KeySpecification};

/// A key of the standard set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededKey {
    /// A name for the key: `reader`, `writer`, `admin`, `organization`, `other-organization`, `user`, `automation`,
    /// `inactive` or `revoked`.
    pub label: &'static str,
    /// What the key may do, in words.
    pub description: &'static str,
    /// The key id.
    pub key_id: String,
    /// The secret that a client presents.
    pub secret: String,
}

/// Creates one key for each case that the example APIs distinguish.
///
/// A key has the same secret and key id in every emulator, so that documentation can name them: `reader` has
/// `k_live_reader` and `api_key_reader`. They protect nothing, because the emulator listens only on loopback addresses.
pub fn seed_keys(emulator: &Emulator) -> Vec<SeededKey> {
    let seed = |label, description, specification: KeySpecification| {
        let specification =
            specification.secret(format!("k_live_{label}")).key_id(format!("api_key_{label}"));
        let key = emulator.create_key(specification);
        SeededKey { label, description, key_id: key.key_id, secret: key.secret }
    };
    let key = KeySpecification::new;
    vec![
        seed("reader", "read:users", key("Reader").scopes(["read:users"])),
        seed("writer", "read:users write:users", key("Writer").scopes(["read:users", "write:users"])),
        seed("admin", "admin", key("Administrator").scopes(["admin"])),
        seed(
            "organization",
            "read:tickets, owned by org_acme",
            key("Acme support").scopes(["read:tickets"]).organization("org_acme"),
        ),
        seed(
            "other-organization",
            "read:tickets, owned by org_globex",
            key("Globex support").scopes(["read:tickets"]).organization("org_globex"),
        ),
        seed(
            "user",
            "read:users, owned by user kp_alice",
            key("Alice").scopes(["read:users"]).user("kp_alice"),
        ),
        seed(
            "automation",
            "read:users write:workflows, owned by org_acme",
            key("Acme automation").scopes(["read:users", "write:workflows"]).organization("org_acme"),
        ),
        seed(
            "inactive",
            "read:users, switched off",
            key("Inactive").scopes(["read:users"]).status("inactive"),
        ),
        seed("revoked", "read:users, revoked", key("Revoked").scopes(["read:users"]).status("revoked")),
    ]
}
