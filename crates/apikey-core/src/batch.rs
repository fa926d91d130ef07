//! Verifies many keys at once.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::attempt::{PendingVerification, State};
use crate::authenticator::Authenticator;
use crate::denial::Denial;
use crate::engine::CROWDED;
use crate::extract::Malformed;
use crate::key::Credential;
use crate::verified_key::VerifiedKey;
use crate::verifier::ServerFault;
use crate::view::View;

/// How many verifications of one batch are under way at once, at most.
pub const BATCH_CONCURRENCY: usize = 16;

impl Authenticator {
    /// Verifies many keys. The answers are in the order of the keys, and the failure of one key fails no other. Each
    /// distinct key is verified once, and cached answers are used as always. Kinde has no batch endpoint, so every
    /// distinct key that is not cached costs a call.
    ///
    /// At most [`BATCH_CONCURRENCY`] verifications of a batch are under way at once, and no more than
    /// [`max_in_flight`](crate::AuthenticatorBuilder::max_in_flight) allows. While other callers take all places, a
    /// key waits for its turn for at most the verification timeout.
    ///
    /// ```
    /// # use apikey_core::Authenticator;
    /// # async fn example(authenticator: &Authenticator) {
    /// let answers = authenticator.verify_many(["k_live_1", "k_live_2", "not a key"]).await;
    /// let good = answers.iter().filter(|answer| answer.is_ok()).count();
    /// # }
    /// ```
    pub async fn verify_many<K: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<VerifiedKey, Denial>> {
        let View { extraction, engine, clock, style, timeout, .. } = &*self.0;
        let keys: Vec<K> = keys.into_iter().collect();
        let mut first_places: HashMap<&str, usize> = HashMap::new();
        let mut answers: Vec<Option<Result<VerifiedKey, Denial>>> = Vec::with_capacity(keys.len());
        let mut repeats = Vec::new();
        let mut under_way: Vec<(usize, PendingVerification)> = Vec::new();
        for (place, key) in keys.iter().map(AsRef::as_ref).enumerate() {
            let first = *first_places.entry(key).or_insert(place);
            answers.push(None);
            if first != place {
                repeats.push((place, first));
                continue;
            }
            let began = clock.now();
            loop {
                let key =
                    Credential::borrowed(key.as_bytes()).filter(|key| extraction.accepts(key.as_bytes()));
                let Some(key) = key else {
                    let malformed = style.malformed(Malformed::Format);
                    answer(&mut answers, place, Err(malformed));
                    break;
                };
                while under_way.len() >= BATCH_CONCURRENCY.min(engine.places()) {
                    land_one(&mut under_way, &mut answers).await;
                }
                let mut freed = std::pin::pin!(engine.place_freed());
                // From here on, this notices every place that becomes free.
                freed.as_mut().enable();
                match self.0.begin_or_crowded(key).map(|attempt| attempt.state) {
                    Some(State::Pending(pending)) => under_way.push((place, *pending)),
                    Some(State::Decided(decision)) => answer(&mut answers, place, decision),
                    Some(State::Anonymous) => {}
                    // Other callers take all places. Keys are fed in as places become free.
                    None if clock.now().saturating_duration_since(began) < *timeout => {
                        if under_way.is_empty() {
                            freed.await;
                        } else {
                            land_one(&mut under_way, &mut answers).await;
                        }
                        continue;
                    }
                    None => answer(&mut answers, place, Err(style.unavailable(CROWDED))),
                }
                break;
            }
        }
        while !under_way.is_empty() {
            land_one(&mut under_way, &mut answers).await;
        }
        for (place, first) in repeats {
            if let Some(Some(decision)) = answers.get(first).cloned() {
                answer(&mut answers, place, decision);
            }
        }
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|| Err(style.server_fault(ServerFault::Internal))))
            .collect()
    }
}

type Answers = Vec<Option<Result<VerifiedKey, Denial>>>;

fn answer(answers: &mut Answers, place: usize, decision: Result<VerifiedKey, Denial>) {
    if let Some(slot) = answers.get_mut(place) {
        *slot = Some(decision);
    }
}

/// Waits until the first of them lands.
async fn land_one(under_way: &mut Vec<(usize, PendingVerification)>, answers: &mut Answers) {
    let (index, place, decision) = poll_fn(|context| {
        for (index, (place, pending)) in under_way.iter_mut().enumerate() {
            if let Poll::Ready(decision) = Pin::new(pending).poll(context) {
                return Poll::Ready((index, *place, decision));
            }
        }
        Poll::Pending
    })
    .await;
    drop(under_way.swap_remove(index));
    answer(answers, place, decision);
}
