//! A running Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use apikey_testkit::raw;
use serde_json::Value;

use super::programs::Programs;
use xtask::ops;
use xtask::ports;
use xtask::running::Running;

/// The time between two scrapes.
pub(super) const SCRAPE: Duration = Duration::from_secs(1);
/// The rules are evaluated this often, so that this adds little to the delay of an alert.
const EVALUATION: &str = "250ms";

/// A running Prometheus. Dropping it ends it.
pub(super) struct Prometheus {
    server: Running,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts it in this folder, which is emptied. It scrapes each target as a job of its own. Every time in the rules is
    /// divided by the factor.
    pub(super) async fn start(
        programs: &Programs,
        folder: &Path,
        targets: &[(&str, SocketAddr)],
        factor: u32,
    ) -> Result<Self, String> {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|error| failed(folder, &error))?;
        }
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let rules = ops::alert_rules::shortened(&ops::read("alerts.yml")?, factor)?;
        for (name, text) in [("rules.yml", rules), ("prometheus.yml", configuration(targets))] {
            let file = folder.join(name);
            fs::write(&file, text).map_err(|error| failed(&file, &error))?;
        }
        let configuration = folder.join("prometheus.yml");
        programs.check_configuration(&configuration).await?;
        let address = ports::prefer(0)?;
        let arguments = [
            format!("--config.file={}", configuration.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address={address}"),
            "--log.level=warn".to_owned(),
        ];
        let mut server = Running::start_with(&programs.prometheus, &arguments, address)?;
        server.ready_at("/-/ready", 200).await?;
        Ok(Self { server, address })
    }

    /// The alerts of this job whose expression is true now, and whether each of them fires.
    pub(super) async fn alerts(&self, job: &str) -> Result<BTreeMap<String, bool>, String> {
        let answer = json(&self.get("/api/v1/alerts").await?)?;
        let alerts = answer["data"]["alerts"].as_array().ok_or("Prometheus names no list of alerts")?;
        let mut own = BTreeMap::new();
        for alert in alerts.iter().filter(|alert| alert["labels"]["job"] == job) {
            if let Some(name) = alert["labels"]["alertname"].as_str() {
                *own.entry(name.to_owned()).or_default() |= alert["state"] == "firing";
            }
        }
        Ok(own)
    }

    /// How many series the result of a query has. A series without a number, such as a share of nothing, does not count.
    pub(super) async fn count(&self, query: &str) -> Result<usize, String> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(query))).await?;
        numbers(&json(&answer)?)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let response = raw::exchange(self.address, &raw::get(path, &[])).await;
        let response = response.map_err(|error| format!("no answer from Prometheus: {error}"))?;
        match response.status {
            200 => Ok(response.body),
            status => Err(format!("Prometheus answers {status}: {}", response.body_text())),
        }
    }

    /// Ends it and waits until it is gone.
    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
}

/// How many series of an answer have a number.
fn numbers(answer: &Value) -> Result<usize, String> {
    let series = answer["data"]["result"].as_array().ok_or("Prometheus names no result")?;
    Ok(series.iter().filter(|series| series["value"][1] != "NaN").count())
}

fn configuration(targets: &[(&str, SocketAddr)]) -> String {
    let scrape = SCRAPE.as_secs();
    let mut text = format!(
        "global: {{scrape_interval: {scrape}s, scrape_timeout: {scrape}s, evaluation_interval: {EVALUATION}}}\n\
         rule_files: [rules.yml]\n\
         scrape_configs:\n"
    );
    for (job, target) in targets {
        // Writing to a string never fails.
        let _ = writeln!(text, "  - {{job_name: {job}, static_configs: [{{targets: [\"{target}\"]}}]}}");
    }
    text
}

/// A text as a part of the query of a URL.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn json(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| format!("Prometheus answers without JSON: {error}"))
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write to {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_target_is_a_job_of_its_own() {
        let address: SocketAddr = "127.0.0.1:9464".parse().unwrap();
        let text = configuration(&[("hang", address), ("reset", address)]);
        assert_eq!(text.matches(r#"static_configs: [{targets: ["127.0.0.1:9464"]}]"#).count(), 2);
        assert!(text.contains("{job_name: hang, ") && text.contains("scrape_interval: 1s"), "{text}");
    }

    #[test]
    fn a_series_without_a_number_does_not_count() {
        let series = |value: &str| json!({"metric": {}, "value": [1.0, value]});
        let answer = json!({"data": {"result": [series("0"), series("NaN")]}});
        assert_eq!(numbers(&answer), Ok(1));
        assert!(numbers(&json!({"error": "no such function"})).is_err());
    }

    #[test]
    fn a_query_is_encoded_byte_by_byte() {
        assert_eq!(encoded("rate(a[5m])+1"), "rate%28a%5B5m%5D%29%2B1");
    }
}
