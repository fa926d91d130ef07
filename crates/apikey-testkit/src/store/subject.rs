//! What the promises are proven on.

use std::sync::Arc;

use apikey_core::fleet::FleetStore;

/// A store under test, with its server.
pub trait StoreSubject: Send + Sync {
    /// A new client of the server.
    fn client(&self) -> Arc<dyn FleetStore>;
}

impl StoreSubject for super::MemoryStore {
    fn client(&self) -> Arc<dyn FleetStore> {
        Arc::new(self.other_client())
    }
}

/// A new client of the server, which is connected.
///
/// # Panics
/// If the store does not work.
pub async fn connected(subject: &impl StoreSubject) -> Arc<dyn FleetStore> {
    let client = subject.client();
    client.check().await.unwrap_or_else(|error| panic!("the store does not work: {error}"));
    client
}
