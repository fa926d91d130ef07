//! An API on axum that exports metrics and traces through OpenTelemetry, to a collector that takes OTLP over gRPC.
//!
//! - Counters and gauges are read from `statistics()` whenever OpenTelemetry collects them, so
//!   requests pay nothing for the export.
//! - OpenTelemetry has no histogram that can be read that way. [`Durations`] hears of each verification and each call to
//!   Kinde when it ends, and records how long it took.
//! - Spans come from `tracing`: one for each request, one for the verification that it starts, and inside it one for each
//!   call to Kinde. A verification may outlive its request, so it is a trace of its own with a link to the request's span.

mod exporter;
mod instruments;

use std::time::Duration;

use apikey_axum::{ApiKey, Authenticator};
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use axum::{Router, routing::get};
use tower_http::trace::TraceLayer;
use tracing::Span;
use tracing::field::Empty;

pub use exporter::Exporter;
pub use instruments::{Durations, export_statistics};

/// The API: `GET /me` tells whose key it is.
pub fn app(keys: Authenticator) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(request_span)
        .on_request(())
        .on_response(record_status)
        .on_failure(());
    Router::new().route("/me", get(me)).layer(trace).with_state(keys)
}

async fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

/// The fields follow OpenTelemetry's semantic conventions for HTTP servers. There is no query, because it may hold a key.
fn request_span(request: &Request) -> Span {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        url.path = path,
        apikey.outcome = Empty,
        apikey.code = Empty,
        apikey.key_id = Empty,
    )
}

fn record_status(response: &Response, _: Duration, span: &Span) {
    span.record("http.response.status_code", response.status().as_u16());
}
