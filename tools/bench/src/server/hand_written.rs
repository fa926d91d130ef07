//! The middleware that a careful developer writes by hand from Kinde's guide, for comparison. It has a cache keyed by
//! the key itself, a time to live of 5 min, one shared HTTP client with a timeout, and every check that the guide
//! names.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use moka::sync::Cache;
use rustls::crypto::aws_lc_rs;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::keys;

const SCOPE: &str = "read:users";

#[derive(Clone)]
pub(super) struct HandWritten(Arc<Shared>);

struct Shared {
    cache: Cache<String, Verification>,
    client: reqwest::Client,
    verify_url: String,
}

/// Kinde's answer. The handler finds it in the request's extensions.
#[derive(Clone, Deserialize)]
pub(super) struct Verification {
    is_valid: bool,
    status: Option<String>,
    scopes: Option<Vec<String>>,
    key_id: Option<String>,
    #[serde(rename = "org_code")]
    _org_code: Option<String>,
    #[serde(rename = "user_id")]
    _user_id: Option<String>,
}

#[derive(Serialize)]
struct VerifyRequest<'a> {
    api_key: &'a str,
}

impl Verification {
    pub(super) fn key_id(&self) -> &str {
        self.key_id.as_deref().unwrap_or_default()
    }
}

impl HandWritten {
    pub(super) async fn seeded(settings: &Settings) -> Result<Self, String> {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(Duration::from_secs(3))
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        let cache = Cache::builder().max_capacity(250_000).time_to_live(Duration::from_secs(300)).build();
        let verify_url = format!("{}/api/v1/api_keys/verify", settings.upstream);
        let guard = Self(Arc::new(Shared { cache, client, verify_url }));
        super::seed(settings.seed, |number| {
            let guard = guard.clone();
            async move {
                guard.verification(&keys::good(number)).await.map(drop).map_err(|error| error.to_string())
            }
        })
        .await?;
        Ok(guard)
    }

    async fn verification(&self, key: &str) -> Result<Verification, reqwest::Error> {
        if let Some(verification) = self.0.cache.get(key) {
            return Ok(verification);
        }
        let body = serde_json::to_vec(&VerifyRequest { api_key: key }).unwrap_or_default();
        let request = self.0.client.post(&self.0.verify_url).header(header::CONTENT_TYPE, "application/json");
        let answer = request.body(body).send().await?.error_for_status()?.bytes().await?;
        // An answer that cannot be read does not make the key valid.
        let nothing = Verification {
            is_valid: false,
            status: None,
            scopes: None,
            key_id: None,
            _org_code: None,
            _user_id: None,
        };
        let verification: Verification = serde_json::from_slice(&answer).unwrap_or(nothing);
        if verification.is_valid {
            self.0.cache.insert(key.to_owned(), verification.clone());
        }
        Ok(verification)
    }
}

/// The middleware itself.
pub(super) async fn require_read_users(
    State(guard): State<HandWritten>,
    mut request: Request,
    next: Next,
) -> Response {
    let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(value) = value else {
        return refuse(
            StatusCode::UNAUTHORIZED,
            r#"{"error":"No authorization header","code":"MISSING_KEY"}"#,
        );
    };
    let Some(key) = value.strip_prefix("Bearer ").filter(|key| !key.is_empty()) else {
        return refuse(
            StatusCode::UNAUTHORIZED,
            r#"{"error":"Invalid authorization format","code":"INVALID_FORMAT"}"#,
        );
    };
    let Ok(verification) = guard.verification(key).await else {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"error":"API key verification is temporarily unavailable","code":"VERIFICATION_UNAVAILABLE"}"#,
        );
    };
    if !verification.is_valid {
        return refuse(StatusCode::UNAUTHORIZED, r#"{"error":"Invalid API key","code":"INVALID_KEY"}"#);
    }
    if verification.status.as_deref() != Some("active") {
        return refuse(
            StatusCode::UNAUTHORIZED,
            r#"{"error":"API key is not active","code":"KEY_INACTIVE"}"#,
        );
    }
    if !verification.scopes.iter().flatten().any(|scope| scope == SCOPE) {
        return refuse(
            StatusCode::FORBIDDEN,
            r#"{"error":"Insufficient scope. Required: read:users","code":"INSUFFICIENT_SCOPE"}"#,
        );
    }
    request.extensions_mut().insert(verification);
    next.run(request).await
}

fn refuse(status: StatusCode, body: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
