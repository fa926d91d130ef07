//! The refused uploads that are being read, and how much of each is read.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::config_error::ConfigError;

/// How many refused uploads one authenticator reads at once.
const MOST_AT_ONCE: usize = 64;
/// The longest time that can be set.
const LONGEST: Duration = Duration::from_secs(60);

/// How much of each refused upload is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadLimit {
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

impl Default for UploadLimit {
    fn default() -> Self {
        Self { bytes: 1024 * 1024, time: Duration::from_secs(2) }
    }
}

impl UploadLimit {
    /// # Errors
    /// [`ConfigError`], if the time is too long.
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        if self.time > LONGEST {
            return Err(ConfigError::new("refused_uploads", "at most 60 s; 0 bytes turn it off"));
        }
        Ok(())
    }
}

/// The refused uploads that are being read.
pub(crate) struct RefusedUploads {
    limit: UploadLimit,
    places: Arc<Semaphore>,
}

impl RefusedUploads {
    pub(crate) fn new(limit: UploadLimit) -> Self {
        Self { limit, places: Arc::new(Semaphore::new(MOST_AT_ONCE)) }
    }

    pub(crate) fn limit(&self) -> UploadLimit {
        self.limit
    }

    /// What reads one body, until it ends, or until the limit of bytes or time is reached. `None` if too many are being
    /// read.
    pub(crate) fn reading(
        &self,
        next: impl FnMut(&mut Context<'_>) -> Poll<Option<usize>> + Send + 'static,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let reading = read(self.limit, next);
        Some(async move {
            reading.await;
            drop(place);
        })
    }
}

/// Each piece that `next` gives is its length in bytes. `None` is the end.
async fn read(limit: UploadLimit, mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<usize>>) {
    let mut left = limit.bytes;
    let all = poll_fn(|context| {
        while let Some(length) = ready!(next(context)) {
            match left.checked_sub(length as u64) {
                Some(rest) => left = rest,
                None => break,
            }
        }
        Poll::Ready(())
    });
    let _in_time = tokio::time::timeout(limit.time, all).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn reading_ends_with_the_body_the_bytes_or_the_time() {
        let limit = UploadLimit { bytes: 1000, time: 2 * SECOND };
        let mut pieces = vec![100, 200];
        read(limit, |_| Poll::Ready(pieces.pop())).await;
        assert!(pieces.is_empty());

        let mut count = 0;
        let endless = |_: &mut Context<'_>| {
            count += 1;
            Poll::Ready(Some(300))
        };
        read(limit, endless).await;
        assert_eq!(count, 4, "1,200 bytes are more than 1,000");

        let began = tokio::time::Instant::now();
        read(limit, |_| Poll::Pending).await;
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}
