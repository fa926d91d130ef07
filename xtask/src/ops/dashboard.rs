//! The dashboard.

use serde_json::Value;

/// A panel of the dashboard.
#[derive(Debug, PartialEq, Eq)]
pub struct Panel {
    /// Its title.
    pub title: String,
    /// Its queries, with Grafana's variables.
    pub queries: Vec<String>,
}

/// All panels, without the titles of rows.
///
/// # Errors
/// If the text is no dashboard.
pub fn panels(text: &str) -> Result<Vec<Panel>, String> {
    let dashboard: Value = serde_json::from_str(text).map_err(|error| format!("the dashboard: {error}"))?;
    let panels = dashboard["panels"].as_array().ok_or("the dashboard has no panels")?;
    let panels = panels.iter().filter(|panel| panel["type"] != "row").map(|panel| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
        Panel {
            title: text(&panel["title"]),
            queries: targets.iter().map(|target| text(&target["expr"])).collect(),
        }
    });
    Ok(panels.collect())
}
