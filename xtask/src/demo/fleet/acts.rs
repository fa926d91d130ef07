//! What the fleet shows, one act after another. Each returns what is not as it must be.

use std::fmt::Debug;
use std::time::Duration;

use apikey_testkit::emulator::KeySpecification;
use serde_json::json;
use tokio::time::Instant;

use super::super::show::Screen;
use super::{ATTEMPTS, Fleet, INSTANCES};

/// The address that requests come from unless an act says otherwise.
const CLIENT: &str = "203.0.113.1";
/// The address of a client that guesses keys.
const GUESSER: &str = "203.0.113.2";
/// How long an older answer may serve after the store has the removal.
const BOUND: Duration = Duration::from_millis(900);

impl Fleet {
    /// All acts.
    pub(super) async fn show(&mut self, screen: &Screen) -> Result<Vec<String>, String> {
        for instance in &mut self.instances {
            instance.ready().await?;
            screen.note(&format!("The server on {} listens on {}.", instance.framework, instance.url()));
        }
        self.all_linked(true).await?;
        let mut found = self
            .one_call(screen, "1. A key that is asked for on all three costs one call", "k_live_reader")
            .await?;
        found.extend(self.one_removal(screen).await?);
        found.extend(self.one_limit(screen).await?);
        found.extend(self.without_store(screen).await?);
        Ok(found)
    }

    async fn all_linked(&self, is_linked: bool) -> Result<(), String> {
        for instance in &self.instances {
            instance.is_linked_becomes(is_linked).await?;
        }
        Ok(())
    }

    /// Asks all instances for this key, one after another, and shows the answers.
    async fn ask_all(
        &mut self,
        screen: &Screen,
        secret: &str,
        client: &str,
    ) -> Result<(Vec<u16>, u64), String> {
        let before = self.emulator.counters().verify_calls;
        let mut statuses = Vec::new();
        for instance in &mut self.instances {
            let calls = self.emulator.counters().verify_calls;
            let response = instance.ask(secret, client).await?;
            let calls = self.emulator.counters().verify_calls - calls;
            screen.of_fleet(instance.framework, secret, &response, calls);
            statuses.push(response.status);
        }
        Ok((statuses, self.emulator.counters().verify_calls - before))
    }

    async fn one_call(&mut self, screen: &Screen, title: &str, secret: &str) -> Result<Vec<String>, String> {
        screen.act(title);
        let (statuses, calls) = self.ask_all(screen, secret, CLIENT).await?;
        let mut found = must_be("the statuses", &[200; INSTANCES][..], &statuses);
        found.extend(must_be("the calls to Kinde", &1, &calls));
        screen.act_ends(&found, "One call to Kinde for all three.");
        Ok(found)
    }

    async fn one_removal(&mut self, screen: &Screen) -> Result<Vec<String>, String> {
        screen.act("2. A removal on one is obeyed by all");
        let key =
            self.keys.iter().find(|key| key.label == "user").ok_or("the emulator has no key of a user")?;
        let (secret, key_id) = (key.secret.clone(), key.key_id.clone());
        let (statuses, _) = self.ask_all(screen, &secret, CLIENT).await?;
        let mut found = must_be("the statuses", &[200; INSTANCES][..], &statuses);
        self.emulator.revoke(&key_id);
        let event = self.emulator.webhook("user.deleted", json!({ "user": { "id": "kp_alice" } }));
        let last = self.instances.len() - 1;
        let delivered = self.instances[last].deliver(&event).await?;
        screen.note(&format!(
            "   Kinde deletes the user of this key, and tells {} by a webhook: {}",
            self.instances[last].framework, delivered.status
        ));
        found.extend(must_be("the status of the webhook", &200, &delivered.status));
        // The store has it now. The others hear of it a moment later.
        let since = Instant::now();
        for instance in &mut self.instances {
            let mut client = 0_u16;
            // Each time from another client, because refusals count as attempts.
            while instance.ask(&secret, &format!("2001:db8:{client:x}::1")).await?.status != 401
                && since.elapsed() < BOUND
            {
                client += 1;
            }
        }
        let milliseconds = since.elapsed().as_millis();
        let (statuses, _) = self.ask_all(screen, &secret, CLIENT).await?;
        found.extend(must_be("the statuses", &[401; INSTANCES][..], &statuses));
        screen.act_ends(&found, &format!("All three refuse it, the last one after {milliseconds} ms."));
        Ok(found)
    }

    async fn one_limit(&mut self, screen: &Screen) -> Result<Vec<String>, String> {
        screen.act(&format!("3. A client may try {ATTEMPTS} wrong keys, on all three together"));
        let mut refused = Vec::new();
        for number in 0..ATTEMPTS / INSTANCES as u64 + 1 {
            refused.extend(self.ask_all(screen, &format!("k_live_guess{number:027}"), GUESSER).await?.0);
        }
        let mut wanted = vec![401; ATTEMPTS as usize];
        wanted.extend([429; INSTANCES]);
        let found = must_be("the statuses", &wanted, &refused);
        screen.act_ends(&found, "The limit counts all three together.");
        Ok(found)
    }

    async fn without_store(&mut self, screen: &Screen) -> Result<Vec<String>, String> {
        self.store.kill();
        screen.act("4. The store is killed");
        self.all_linked(false).await?;
        let (statuses, _) = self.ask_all(screen, "k_live_reader", CLIENT).await?;
        let mut found = must_be("the statuses", &[200; INSTANCES][..], &statuses);
        let (statuses, calls) = self.ask_all(screen, "k_live_writer", CLIENT).await?;
        found.extend(must_be("the statuses", &[200; INSTANCES][..], &statuses));
        found.extend(must_be("the calls to Kinde", &(INSTANCES as u64), &calls));
        screen.act_ends(&found, "Each server asks Kinde by itself, and serves on.");

        self.store.restart();
        let since = Instant::now();
        self.all_linked(true).await?;
        let key = self.emulator.create_key(KeySpecification::new("New").scopes(["read:users"]));
        let title = format!(
            "5. The store is back, and all three are linked after {} ms",
            since.elapsed().as_millis()
        );
        found.extend(self.one_call(screen, &title, &key.secret).await?);
        Ok(found)
    }
}

/// A sentence, if it is not what it must be.
fn must_be<T: PartialEq + Debug + ?Sized>(what: &str, wanted: &T, is: &T) -> Vec<String> {
    if wanted == is { Vec::new() } else { vec![format!("{what} should be {wanted:?}, not {is:?}")] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_difference_is_reported() {
        assert!(must_be("the statuses", &[200, 200][..], &[200, 200]).is_empty());
        let found = must_be("the statuses", &[200, 200][..], &[200, 401]);
        assert_eq!(found, ["the statuses should be [200, 200], not [200, 401]"]);
    }
}
