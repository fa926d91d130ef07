//! Requests that arrive at random moments, made up before they are sent, so that two fleets can get the same ones.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apikey_core::{Authenticator, PlainRequest};
use decision_bench::bearer;
use tokio::time::{Instant, sleep_until};

/// A request that arrives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// After the beginning.
    pub(crate) after: Duration,
    pub(crate) instance: usize,
    pub(crate) key: u64,
}

/// What a schedule is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) instances: usize,
    /// Key number n is presented as often as 1/n.
    pub(crate) keys: u64,
    pub(crate) per_second_and_instance: f64,
    pub(crate) span: Duration,
}

impl Traffic {
    pub(crate) fn per_second(&self) -> f64 {
        self.per_second_and_instance * self.instances as f64
    }

    /// The same schedule for the same seed.
    pub(crate) fn schedule(&self, seed: u64) -> Vec<Arrival> {
        let mut random = fastrand::Rng::with_seed(seed);
        let sums: Vec<f64> = (1..=self.keys)
            .scan(0.0, |sum, rank| {
                *sum += 1.0 / rank as f64;
                Some(*sum)
            })
            .collect();
        let all = sums.last().copied().unwrap_or_default();
        let (mut after, mut arrivals) = (0.0, Vec::new());
        loop {
            after += -(1.0 - random.f64()).ln() / self.per_second();
            if after >= self.span.as_secs_f64() {
                return arrivals;
            }
            let drawn = random.f64() * all;
            let key = sums.partition_point(|sum| *sum <= drawn) as u64;
            let instance = random.usize(..self.instances);
            arrivals.push(Arrival { after: Duration::from_secs_f64(after), instance, key });
        }
    }
}

/// How a schedule was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    requests: u64,
    denied: u64,
    /// Why the first of them was.
    denial: Option<String>,
    /// How long after its moment each one was sent.
    late: Vec<Duration>,
}

impl Sent {
    /// # Errors
    /// If a request was denied, because every key is good.
    pub(crate) fn all_let_in(mut self) -> Result<String, String> {
        if self.denied > 0 {
            let Self { requests, denied, denial, .. } = self;
            return Err(format!(
                "{denied} of {requests} requests were denied: {}",
                denial.unwrap_or_default()
            ));
        }
        self.late.sort_unstable();
        let at = |part: usize| self.late.get(self.late.len() * part / 1000).copied().unwrap_or_default();
        Ok(format!(
            "{} requests, sent late by {:.1?} (median) and {:.1?} (p99)",
            self.requests,
            at(500),
            at(990)
        ))
    }
}

/// Sends each request at its moment to the instances that `to` names for it, and waits for all answers.
pub(crate) async fn send(arrivals: &[Arrival], mut to: impl FnMut(&Arrival) -> Vec<Authenticator>) -> Sent {
    let (denied, first) = (Arc::new(AtomicU64::new(0)), Arc::new(OnceLock::new()));
    let mut late = Vec::with_capacity(arrivals.len());
    let (mut requests, mut under_way) = (0, tokio::task::JoinSet::new());
    let beginning = Instant::now();
    for arrival in arrivals {
        let moment = beginning + arrival.after;
        if Instant::now() < moment {
            sleep_until(moment).await;
        }
        late.push(moment.elapsed());
        let request = request(arrival.key);
        for keys in to(arrival) {
            requests += 1;
            let answer = keys.authenticate(&request);
            let (denied, first) = (Arc::clone(&denied), Arc::clone(&first));
            under_way.spawn(async move {
                if let Err(denial) = answer.await {
                    denied.fetch_add(1, Ordering::Relaxed);
                    // Others say the same.
                    let _ = first.set(denial.to_string());
                }
            });
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    Sent { requests, denied: denied.load(Ordering::Relaxed), denial: first.get().cloned(), late }
}

/// A request with this key. Each key has a client of its own.
pub(crate) fn request(key: u64) -> PlainRequest {
    let client = std::net::Ipv4Addr::from_bits(0x0a00_0000 | (key as u32 & 0x00ff_ffff));
    PlainRequest::new().with_header("authorization", bearer(key)).with_peer(client.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_that_of_its_traffic() {
        let span = Duration::from_secs(10);
        let traffic = Traffic { instances: 5, keys: 100, per_second_and_instance: 200.0, span };
        let arrivals = traffic.schedule(1);
        let again = traffic.schedule(1);
        assert!(
            arrivals.iter().zip(&again).all(|(one, other)| one.after == other.after && one.key == other.key)
        );
        assert!((9_000..11_000).contains(&arrivals.len()), "{}", arrivals.len());
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.after));
        let of_key = |key| arrivals.iter().filter(|arrival| arrival.key == key).count();
        // The sum of 1/n up to 100 is 5.19.
        assert!((1_700..2_200).contains(&of_key(0)) && (800..1_100).contains(&of_key(1)));
        assert_eq!(arrivals.iter().map(|arrival| arrival.instance).max(), Some(4));
        assert!(arrivals.iter().all(|arrival| arrival.key < 100 && arrival.after < span));
    }
}
