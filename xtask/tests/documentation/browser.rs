//! Chromium without a window, over WebDriver (<https://www.w3.org/TR/webdriver2/>).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use apikey_testkit::raw;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use xtask::ports;

/// How long an element may take to appear.
const PATIENCE: Duration = Duration::from_secs(10);
/// The member of an answer that names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running browser, and the driver that started it. Call [`quit`](Self::quit) at the end.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// Starts Chromium with a fresh profile.
    pub(crate) async fn start() -> Result<Self, String> {
        let address = ports::prefer(0)?;
        let profile = std::env::temp_dir().join(format!("apikey-documentation-{}", std::process::id()));
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={}", address.port())).stdin(Stdio::null()).stdout(Stdio::null());
        let driver = driver.kill_on_drop(true).spawn().map_err(|error| format!("chromedriver: {error}"))?;
        let mut browser = Self { driver, address, session: String::new(), profile };
        browser.until_ready().await?;
        let opened = browser.call("POST", "/session", &browser.capabilities()).await?;
        browser.session = text(&opened["sessionId"])?;
        Ok(browser)
    }

    fn capabilities(&self) -> Value {
        let profile = format!("--user-data-dir={}", self.profile.display());
        let arguments = [
            "--headless",
            // Chromium's sandbox does not work for root. It opens only this project's own pages.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            // Nothing but this machine can be reached.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1800",
            &profile,
        ];
        json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}})
    }

    async fn until_ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.call("GET", "/status", &Value::Null).await {
                Ok(status) if status["ready"] == true => return Ok(()),
                outcome if Instant::now() > deadline => {
                    return Err(format!("chromedriver does not start: {outcome:?}"));
                }
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub(crate) async fn open(&self, url: &str) -> Result<(), String> {
        self.command("/url", &json!({ "url": url })).await.map(drop)
    }

    /// Clicks on the element with this selector, once it is there.
    pub(crate) async fn click(&self, selector: &str) -> Result<(), String> {
        let element = self.find(selector).await?;
        self.command(&format!("/element/{element}/click"), &json!({})).await.map(drop)
    }

    /// Types a text into an element.
    pub(crate) async fn type_into(&self, selector: &str, keys: &str) -> Result<(), String> {
        let element = self.find(selector).await?;
        self.command(&format!("/element/{element}/value"), &json!({ "text": keys })).await.map(drop)
    }

    /// The visible text of an element, once it has one.
    pub(crate) async fn text_of(&self, selector: &str) -> Result<String, String> {
        let element = self.find(selector).await?;
        let read = self.call("GET", &self.path(&format!("/element/{element}/text")), &Value::Null).await?;
        text(&read)
    }

    /// The result of a script.
    pub(crate) async fn run(&self, script: &str) -> Result<Value, String> {
        self.command("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// What the page looks like, as a PNG.
    pub(crate) async fn screenshot(&self) -> Result<Vec<u8>, String> {
        let taken = self.call("GET", &self.path("/screenshot"), &Value::Null).await?;
        BASE64_STANDARD.decode(text(&taken)?).map_err(|error| error.to_string())
    }

    /// The messages of a log since the last call: `browser` is the console, `performance` the events of the network.
    pub(crate) async fn log(&self, kind: &str) -> Result<Vec<String>, String> {
        let entries = self.command("/se/log", &json!({ "type": kind })).await?;
        entries.as_array().into_iter().flatten().map(|entry| text(&entry["message"])).collect()
    }

    /// Ends the browser and its driver.
    pub(crate) async fn quit(mut self) {
        // An error means that the browser is gone already.
        let _ = self.call("DELETE", &self.path(""), &Value::Null).await;
        let _ = self.driver.kill().await;
        let _ = std::fs::remove_dir_all(&self.profile);
    }

    async fn find(&self, selector: &str) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        let wanted = json!({"using": "css selector", "value": selector});
        loop {
            match self.command("/element", &wanted).await {
                Ok(found) => return text(&found[ELEMENT]),
                Err(error) if Instant::now() > deadline => return Err(format!("{selector}: {error}")),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn command(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.call("POST", &self.path(path), body).await
    }

    fn path(&self, path: &str) -> String {
        format!("/session/{}{path}", self.session)
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("Content-Type", "application/json")];
        let request = raw::request(method, path, &headers, body.as_bytes());
        let answer =
            raw::exchange(self.address, &request).await.map_err(|error| format!("{path}: {error}"))?;
        let mut value = answer.json();
        match answer.status {
            200 => Ok(value["value"].take()),
            _ => Err(format!("{path}: {}", value["value"]["message"].as_str().unwrap_or_default())),
        }
    }
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no text"))
}
