//! A person tries the API on the page of a server.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use xtask::cargo::root;

use crate::browser::Browser;
use crate::server::{SERVERS, Server};

/// How long one server's page may take.
const LIMIT: Duration = Duration::from_secs(30);
/// A key that may read users, and not write them.
const KEY: &str = "k_live_reader";

#[tokio::test]
#[ignore = "it needs Chromium: cargo xtask openapi"]
async fn a_person_tries_every_server_on_its_page() {
    let browser = Browser::start().await.unwrap();
    let mut outcome = Ok(());
    for package in SERVERS {
        let server = Server::start(package).await;
        let tried = timeout(LIMIT, visit(&browser, &server, package)).await;
        outcome = tried.unwrap_or_else(|_| Err(format!("no end in {} seconds", LIMIT.as_secs())));
        outcome = outcome.map_err(|error| format!("{package}: {error}"));
        server.running.stop().await;
        if outcome.is_err() {
            break;
        }
    }
    browser.quit().await;
    assert_eq!(outcome, Ok(()));
}

async fn visit(browser: &Browser, server: &Server, package: &str) -> Result<(), String> {
    let origin = format!("http://{}", server.address);
    browser.open(&format!("{origin}/docs")).await?;
    demand(&browser.text_of(".info .title").await?, "Reference API")?;

    browser.click(".scheme-container button.authorize").await?;
    browser.type_into(".auth-container input", KEY).await?;
    browser.click(".auth-btn-wrapper button.authorize").await?;
    browser.click(".auth-btn-wrapper button.btn-done").await?;

    let (status, body) = try_out(browser, "list_data").await?;
    demand(&status, "200")?;
    demand(&body, "Ada Lovelace")?;
    browser.click("#operations-default-list_data .opblock-summary-control").await?;
    let (status, body) = try_out(browser, "create_record").await?;
    demand(&status, "403")?;
    demand(&body, "required_scopes")?;
    demand(&body, "write:users")?;

    browser.run("document.querySelector('.live-responses-table').scrollIntoView({block: 'center'})").await?;
    let framework = package.trim_start_matches("example-");
    let picture = root().join(format!("target/docs-{framework}.png"));
    std::fs::write(&picture, browser.screenshot().await?)
        .map_err(|error| format!("{}: {error}", picture.display()))?;

    let stored =
        browser.run("return JSON.stringify([localStorage, sessionStorage, document.cookie])").await?;
    if stored.to_string().contains(KEY) {
        return Err(format!("the page stores the key: {stored}"));
    }
    stays_at(&origin, browser).await
}

/// Sends the request of an operation with its example, and returns the status and the body that the page shows.
async fn try_out(browser: &Browser, operation: &str) -> Result<(String, String), String> {
    let block = format!("#operations-default-{operation}");
    browser.click(&format!("{block} .opblock-summary-control")).await?;
    browser.click(&format!("{block} .try-out__btn")).await?;
    browser.click(&format!("{block} .execute")).await?;
    let response = format!("{block} .live-responses-table .response");
    let status = browser.text_of(&format!("{response} .response-col_status")).await?;
    let body = browser.text_of(&format!("{response} .highlight-code")).await?;
    Ok((status, body))
}

fn demand(text: &str, wanted: &str) -> Result<(), String> {
    if text.contains(wanted) { Ok(()) } else { Err(format!("expected {wanted:?} in {text:?}")) }
}

/// Everything that the page has asked for came from its server, and its policy has stopped nothing.
async fn stays_at(origin: &str, browser: &Browser) -> Result<(), String> {
    let mut asked = 0;
    for message in browser.log("performance").await? {
        let event: Value = serde_json::from_str(&message).map_err(|error| error.to_string())?;
        let event = &event["message"];
        let [url, page] = ["/params/request/url", "/params/documentURL"]
            .map(|path| event.pointer(path).and_then(Value::as_str).unwrap_or_default());
        // The browser's own first page loads its own files.
        if event["method"] == "Network.requestWillBeSent" && !page.starts_with("chrome://") {
            if !url.starts_with(&format!("{origin}/")) && !url.starts_with("data:") {
                return Err(format!("the page asked for {url}"));
            }
            asked += 1;
        }
    }
    // The page, its files, the document, and the two requests of the person.
    if asked < 8 {
        return Err(format!("the log has only {asked} requests"));
    }
    let console = browser.log("browser").await?;
    let complaint = console.iter().find(|message| message.contains("Content Security Policy"));
    complaint.map_or(Ok(()), |complaint| Err(complaint.clone()))
}
