//! Finds metrics in texts, and series with their labels in queries.

/// A series in a query, with the labels that it must have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector<'a> {
    pub(crate) series: &'a str,
    /// The names, and the values that each may have. The values of a negated matcher count, too.
    pub(crate) labels: Vec<(&'a str, Vec<&'a str>)>,
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Everything in a text that is written like a metric of this library in Prometheus.
pub(crate) fn metric_names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter| !is_name(letter));
    words.filter(|word| {
        let starts = ["apikey_", "http_client_request_"];
        starts.iter().any(|start| word.len() > start.len() && word.starts_with(start))
    })
}

/// All series in a query. Strings in it must have no braces, except those of matchers.
pub(crate) fn selectors(query: &str) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    for series in metric_names(query) {
        let end = series.as_ptr() as usize - query.as_ptr() as usize + series.len();
        // A label in `by (…)` looks like a metric.
        if series == "apikey_endpoint" {
            continue;
        }
        let matchers = query[end..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let labels = matchers.map_or_else(Vec::new, |(matchers, _)| labels(matchers));
        found.push(Selector { series, labels });
    }
    found
}

/// Reads `name="value"`, `name=~"a|b"` and their negations.
fn labels(matchers: &str) -> Vec<(&str, Vec<&str>)> {
    // Between quotes are the values, and before each of them is a name.
    let parts: Vec<&str> = matchers.split('"').collect();
    let pairs = parts.chunks_exact(2).map(|pair| {
        let (before, value) = (pair[0], pair[1]);
        let name = before.trim_matches(|letter| !is_name(letter));
        let values = if before.ends_with('~') { value.split('|').collect() } else { vec![value] };
        (name, values)
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_has_a_series_and_labels() {
        let query = r#"sum by (job) (rate(apikey_a_total{x="1", y=~"b|c", z!=""}[5m])) / apikey_b > 1"#;
        let first = vec![("x", vec!["1"]), ("y", vec!["b", "c"]), ("z", vec![""])];
        let found = selectors(query);
        assert_eq!(
            found,
            [
                Selector { series: "apikey_a_total", labels: first },
                Selector { series: "apikey_b", labels: Vec::new() }
            ]
        );
    }

    #[test]
    fn names_are_found_in_prose() {
        let text = "See `apikey_a_total`, http_client_request_duration_seconds_count and apikey.decisions, not my_apikey_b.";
        let names: Vec<_> = metric_names(text).collect();
        assert_eq!(names, ["apikey_a_total", "http_client_request_duration_seconds_count"]);
    }
}
