//! The way to the collector.

use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// The name of this service.
const SERVICE: &str = "example-opentelemetry";

/// Sends metrics and spans to a collector.
#[derive(Debug, Clone)]
pub struct Exporter {
    meters: SdkMeterProvider,
    tracers: SdkTracerProvider,
}

impl Exporter {
    /// Starts to export: metrics every 60 s, spans every 5 s. Without an endpoint, the environment variable
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` names it, or else it is `http://localhost:4317`. Call it in a Tokio runtime.
    ///
    /// # Errors
    /// [`ExporterBuildError`], if the endpoint is no URL.
    pub fn start(endpoint: Option<&str>) -> Result<Self, ExporterBuildError> {
        let (mut metrics, mut spans) =
            (MetricExporter::builder().with_tonic(), SpanExporter::builder().with_tonic());
        if let Some(endpoint) = endpoint {
            (metrics, spans) = (metrics.with_endpoint(endpoint), spans.with_endpoint(endpoint));
        }
        let resource = Resource::builder().with_service_name(SERVICE).build();
        let meters = SdkMeterProvider::builder()
            .with_resource(resource.clone())
            .with_periodic_exporter(metrics.build()?)
            .build();
        let tracers =
            SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(spans.build()?).build();
        Ok(Self { meters, tracers })
    }

    /// Makes the instruments.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meters.meter(SERVICE)
    }

    /// Exports the spans of this program and of `apikey`, and no others: the exporter's own calls would make new ones.
    pub fn spans<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let ours = ["apikey_core", env!("CARGO_CRATE_NAME")].map(|target| (target, Level::INFO));
        let ours = Targets::new().with_targets(ours);
        tracing_opentelemetry::layer().with_tracer(self.tracers.tracer(SERVICE)).with_filter(ours)
    }

    /// Sends what there is. It blocks until the collector has answered.
    ///
    /// # Errors
    /// If the collector does not take it.
    pub fn flush(&self) -> OTelSdkResult {
        self.tracers.force_flush().and(self.meters.force_flush())
    }
}
