//! The faults, and the alerts that each of them fires. `ops/faults.toml` says what each member means.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// The traffic before and after a fault.
    pub ordinary: Traffic,
    /// Traffic that fires nothing.
    pub quiet: Quiet,
    /// All faults.
    #[serde(rename = "fault")]
    pub faults: Vec<Fault>,
}

/// Traffic that fires nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// How long it lasts, before that is shortened.
    pub minutes: u32,
    /// Settings of the server.
    pub settings: BTreeMap<String, String>,
    /// The traffic.
    pub traffic: Traffic,
}

/// A fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its name, which is also the name of the job in Prometheus.
    pub name: String,
    /// Commands for the emulator.
    #[serde(default)]
    pub start: Vec<String>,
    /// Settings of the server.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Settings of the server while the fault lasts.
    #[serde(default)]
    pub settings_during: BTreeMap<String, String>,
    /// The permission that the user of the fleet's store lacks while it lasts. Without it, there is no store.
    pub store_lacks: Option<String>,
    /// The traffic all the time, if it is not the ordinary traffic.
    pub ordinary: Option<Traffic>,
    /// The traffic while it lasts, beside that.
    #[serde(default)]
    pub traffic: Traffic,
    /// The alerts that it fires, and after how many seconds each of them can see it.
    pub alerts: BTreeMap<String, f64>,
    /// Whether the short form of the command takes it.
    #[serde(default)]
    pub short: bool,
    /// Whether the server is stopped while it lasts.
    #[serde(default)]
    pub stops: bool,
    /// Whether the server is started again when it begins.
    #[serde(default)]
    pub restarts: bool,
}

/// Requests per second, and callers that wait for their answers.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// Requests with a key that is in the cache.
    pub hits: f64,
    /// Requests with a good key that was never presented before.
    pub new: f64,
    /// Requests with a key that nobody has, each from another client.
    pub junk: f64,
    /// Requests with a key that nobody has, all from one client.
    pub limited: f64,
    /// Callers that present new keys, one after the other.
    pub callers: u32,
}

/// Reads the file.
///
/// # Errors
/// If it is no TOML, or has a member that is not known.
pub fn read(text: &str) -> Result<Faults, String> {
    toml::from_str(text).map_err(|error| format!("ops/faults.toml: {error}"))
}

/// A command for the control plane of the emulator.
#[derive(Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// The method.
    pub method: &'a str,
    /// The path below `/_emulator/`.
    pub path: &'a str,
    /// The body, which may be empty.
    pub body: &'a str,
}

impl<'a> Command<'a> {
    /// Reads a command: method, path and body, with a space between them.
    ///
    /// # Errors
    /// If there is no path.
    pub fn read(text: &'a str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ' ');
        match (parts.next(), parts.next()) {
            (Some(method), Some(path)) => Ok(Self { method, path, body: parts.next().unwrap_or_default() }),
            _ => Err(format!("'{text}' is no command: it needs a method and a path")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [ordinary]
        hits = 6
        [quiet]
        minutes = 10
        settings = {}
        traffic = { junk = 0.5 }
        [[fault]]
        name = "outage"
        start = ['PUT faults/verify {"kind": "hang"}', 'POST tokens/revoke']
        alerts = { ApiKeyUnavailable = 3 }
    "#;

    #[test]
    fn a_fault_has_commands_and_alerts() {
        let read = read(FILE).unwrap();
        let [fault] = read.faults.as_slice() else { panic!("there is one fault") };
        assert_eq!(fault.alerts, BTreeMap::from([("ApiKeyUnavailable".to_owned(), 3.0)]));
        let commands: Vec<_> = fault.start.iter().map(|command| Command::read(command).unwrap()).collect();
        let put = Command { method: "PUT", path: "faults/verify", body: r#"{"kind": "hang"}"# };
        assert_eq!(commands, [put, Command { method: "POST", path: "tokens/revoke", body: "" }]);
        assert!(Command::read("PUT").is_err());
    }

    #[test]
    fn an_unknown_member_is_refused() {
        assert!(read(&FILE.replace("start", "starts")).unwrap_err().contains("starts"));
        assert!(read(&FILE.replace("junk", "jumk")).is_err());
    }
}
