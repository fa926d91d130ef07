//! A collector that keeps what it receives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::{self, span::SpanKind};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
struct Received {
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().unwrap().push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().unwrap().push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

pub(crate) struct Collector {
    address: SocketAddr,
    received: Received,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Received::default();
        let server = Server::builder()
            .add_service(MetricsServiceServer::new(received.clone()))
            .add_service(TraceServiceServer::new(received.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The data of this metric in the latest export.
    fn metric(&self, name: &str) -> metric::Data {
        let exports = self.received.metrics.lock().unwrap();
        let latest = exports.last().expect("metrics were exported");
        let scopes = latest.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
        let mut metrics = scopes.flat_map(|scope| &scope.metrics);
        let found = metrics.find(|metric| metric.name == name);
        let found = found.unwrap_or_else(|| panic!("{name} was not exported"));
        assert!(!found.description.is_empty() && !found.unit.is_empty(), "{name}");
        found.data.clone().unwrap()
    }

    /// The sum over all series with these labels. Of a histogram, it is the number of durations.
    pub(crate) fn total(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let points = match self.metric(name) {
            metric::Data::Sum(sum) => {
                assert!(sum.is_monotonic, "{name}");
                sum.data_points
            }
            metric::Data::Gauge(gauge) => gauge.data_points,
            metric::Data::Histogram(histogram) => {
                let points = histogram.data_points.into_iter();
                return points.filter(|point| has(&point.attributes, labels)).map(|point| point.count).sum();
            }
            other => panic!("{name}: {other:?}"),
        };
        let points = points.into_iter().filter(|point| has(&point.attributes, labels));
        let number = |value| match value {
            Some(number_data_point::Value::AsInt(number)) => u64::try_from(number).unwrap(),
            other => panic!("{name}: {other:?}"),
        };
        points.map(|point| number(point.value)).sum()
    }

    /// How many durations a histogram has, and the bounds of its buckets.
    pub(crate) fn durations(&self, name: &str) -> (u64, Vec<f64>) {
        let metric::Data::Histogram(histogram) = self.metric(name) else { panic!("{name} is no histogram") };
        let points: Vec<HistogramDataPoint> = histogram.data_points;
        let bounds = points[0].explicit_bounds.clone();
        assert!(points.iter().all(|point| point.explicit_bounds == bounds), "{name}");
        (points.iter().map(|point| point.count).sum(), bounds)
    }

    /// All spans with this name.
    pub(crate) fn spans(&self, name: &str) -> Vec<Span> {
        let exports = self.received.traces.lock().unwrap();
        let resources = exports.iter().flat_map(|export| &export.resource_spans);
        let spans = resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
        spans.filter(|span| span.name == name).map(Span::from).collect()
    }

    /// Whether this text was exported anywhere.
    pub(crate) fn has(&self, text: &str) -> bool {
        let metrics = self.received.metrics.lock().unwrap();
        let traces = self.received.traces.lock().unwrap();
        let bytes = metrics.iter().map(|export| export.encode_to_vec());
        let mut bytes = bytes.chain(traces.iter().map(|export| export.encode_to_vec()));
        bytes.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

fn has(attributes: &[KeyValue], labels: &[(&str, &str)]) -> bool {
    labels.iter().all(|(name, value)| attributes.iter().any(|one| one.key == *name && text(one) == *value))
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// A span that was exported.
#[derive(Debug)]
pub(crate) struct Span {
    span: v1::Span,
    attributes: Vec<(String, String)>,
}

impl From<&v1::Span> for Span {
    fn from(span: &v1::Span) -> Self {
        let attributes = span.attributes.iter().map(|one| (one.key.clone(), text(one))).collect();
        Self { span: span.clone(), attributes }
    }
}

impl Span {
    pub(crate) fn id(&self) -> &[u8] {
        &self.span.span_id
    }

    pub(crate) fn kind(&self) -> SpanKind {
        self.span.kind()
    }

    /// The id of the parent.
    pub(crate) fn parent(&self) -> Option<&[u8]> {
        Some(&*self.span.parent_span_id).filter(|id| !id.is_empty())
    }

    /// The id of the one span to which it has a link.
    pub(crate) fn link(&self) -> Option<&[u8]> {
        assert!(self.span.links.len() <= 1, "{:?}", self.span.links);
        self.span.links.first().map(|link| &*link.span_id)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}
