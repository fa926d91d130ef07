use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apikey_axum::{Authenticator, Verification};
use apikey_core::{Judgement, PresentedKey, Refusal, Verifier, VerifierError};
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;

/// Accepts `admin-...` and `user-...`, and counts its calls.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<AtomicUsize>);

impl Names {
    pub(crate) fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn authenticator(&self, cache_seconds: u64) -> Authenticator {
        let builder = Authenticator::builder(self.clone());
        builder.cache_time_to_live(Duration::from_secs(cache_seconds)).build().unwrap()
    }
}

#[async_trait::async_trait]
impl Verifier for Names {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(match key.expose().split_once('-') {
            Some((scope @ ("admin" | "user"), id)) => {
                Judgement::accepted(Verification::active(id).with_scopes([scope]))
            }
            _ => Judgement::refused(Refusal::Invalid),
        })
    }
}

pub(crate) fn request(path: &str, key: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    request.body(Body::empty()).unwrap()
}

pub(crate) async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
