//! Many keys at once.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::authenticator::{Attempt, Authenticator, PendingVerification, VerifiedKey};
use crate::denial::{Denial, DenialCode, ServerFault};
use crate::key::Credential;

/// How many verifications of one batch are under way at once.
pub const BATCH_CONCURRENCY: usize = 16;

impl Authenticator {
    /// Verifies many keys: the answers stand in the order of the keys, and one failure fails no other. Each distinct
    /// key is verified once, cached answers are used and kept as ever, and at most [`BATCH_CONCURRENCY`] questions are
    /// open at once. Kinde has no batch endpoint, so every distinct key that is not cached costs a call.
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
            if under_way.len() >= BATCH_CONCURRENCY {
                land_one(&mut under_way, &mut answers).await;
            }
            match Credential::borrowed(key.as_bytes()).map(|key| self.begin_if_accepted(key, &|| None)) {
                Some(Attempt::Pending(pending)) => under_way.push((place, pending)),
                Some(Attempt::Decided(decision)) => answer(&mut answers, place, decision),
                Some(Attempt::Anonymous) | None => {
                    answer(
                        &mut answers,
                        place,
                        Err(Denial::malformed(DenialCode::InvalidFormat, self.style())),
                    );
                }
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
            .map(|answer| {
                answer.unwrap_or_else(|| Err(Denial::server_fault(ServerFault::Internal, self.style())))
            })
            .collect()
    }
}

type Answers = Vec<Option<Result<VerifiedKey, Denial>>>;

fn answer(answers: &mut Answers, place: usize, decision: Result<VerifiedKey, Denial>) {
    if let Some(slot) = answers.get_mut(place) {
        *slot = Some(decision);
    }
}

/// Waits until whichever of them lands first.
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
    under_way.swap_remove(index);
    answer(answers, place, decision);
}
