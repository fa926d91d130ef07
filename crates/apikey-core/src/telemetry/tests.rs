//! The page of the documentation says what the vocabulary says.

use super::{Label, METRICS, MetricKind, SPAN_FIELDS};

const PAGE: &str = include_str!("../../../../docs/observability.md");

fn page_holds(rows: &str) {
    assert!(PAGE.contains(rows), "docs/observability.md should hold:\n{rows}");
}

/// A label as Prometheus writes it.
fn label_name(label: &Label) -> String {
    format!("`{}`", label.name.replace('.', "_"))
}

#[test]
fn the_page_lists_every_metric() {
    let mut rows = "| metric | kind | labels | what it tells |\n| --- | --- | --- | --- |\n".to_owned();
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(label_name).collect();
        rows += &format!("| `{}` | {kind} | {} | {} |\n", metric.prometheus, labels.join(", "), metric.help);
    }
    page_holds(&(rows + "<!-- end of metrics -->"));
}

#[test]
fn the_page_lists_every_label_with_its_values() {
    let mut rows = "| metric | label | values |\n| --- | --- | --- |\n".to_owned();
    for metric in METRICS {
        for label in metric.labels {
            let values: Vec<String> = label.values.iter().map(|value| format!("`{value}`")).collect();
            let values = match label.name {
                "server.address" => "Kinde's host, as it is set up".to_owned(),
                _ if values.is_empty() => "a number".to_owned(),
                _ => values.join(", "),
            };
            rows += &format!("| `{}` | {} | {values} |\n", metric.prometheus, label_name(label));
        }
    }
    page_holds(&(rows + "<!-- end of labels -->"));
}

#[test]
fn the_page_lists_every_field_of_spans_and_events() {
    let mut rows = "| field | what it tells |\n| --- | --- |\n".to_owned();
    for field in SPAN_FIELDS {
        rows += &format!("| `{}` | {} |\n", field.name, field.help);
    }
    page_holds(&(rows + "<!-- end of fields -->"));
}

#[test]
fn the_page_gives_the_name_of_every_metric_in_opentelemetry() {
    for metric in METRICS {
        let words = metric.name.replace('.', "_");
        let is_derived = metric.prometheus.strip_prefix(&words);
        assert!(matches!(is_derived, Some("" | "_total" | "_seconds")), "{}", metric.name);
    }
    page_holds("`apikey_decisions_total` is `apikey.decisions`");
}

#[test]
fn the_page_names_no_metric_that_does_not_exist() {
    let labels = METRICS.iter().flat_map(|metric| metric.labels).map(|label| label.name.replace('.', "_"));
    let mut known: Vec<String> = labels.chain(["apikey_core".to_owned()]).collect();
    known.extend(METRICS.iter().map(|metric| metric.prometheus.to_owned()));
    let words = PAGE.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
    for word in words.filter(|word| word.starts_with("apikey_") || word.starts_with("http_client")) {
        assert!(known.iter().any(|name| name == word), "{word}");
    }
}
