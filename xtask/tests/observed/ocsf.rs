//! `ops/ocsf.jq` turns the audit log into events of OCSF 1.8.0, as `docs/observability.md` says. It needs jq.

use apikey_testkit::emulator::{Endpoint, Fault};
use apikey_testkit::raw;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, read_to_string};
use std::io::Write;
use std::process::Command;
use xtask::cargo::root;
use xtask::ops;

use crate::schema;
use crate::server::{Server, request};
use crate::{Path, lines};

const SERVICE: &str = "orders-api";
/// The client of a request over IPv6, which counts for its whole prefix.
const IPV6: &str = "2001:db8:1:2::3";

/// What jq makes of the audit log.
fn transformed(log: &Path) -> Vec<Value> {
    let mut jq = Command::new("jq");
    jq.args(["-Rc", "--arg", "service", SERVICE, "-f"]).arg(ops::file("ocsf.jq"));
    let output = jq.stdin(File::open(&log.0).unwrap()).output().expect("this test needs jq");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lines(&String::from_utf8(output.stdout).unwrap())
}

/// Keys of an organization and of a user, each kind of refusal, and requests without a key.
async fn send_traffic(server: &Server) {
    for (path, key, status) in crate::TRAFFIC {
        let response = raw::exchange(server.api, &request(path, *key)).await.unwrap();
        assert_eq!(response.status, *status, "{path} {key:?}");
    }
    let user = [("X-Forwarded-For", IPV6), ("Authorization", "Bearer k_live_user")];
    assert_eq!(raw::exchange(server.api, &raw::get("/api/data", &user)).await.unwrap().status, 200);
    server.emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
    let unjudged = request("/api/data", Some("k_live_reader"));
    assert_eq!(raw::exchange(server.api, &unjudged).await.unwrap().status, 503);
}

/// A line of the documentation's table: which field of which events is found at which places in OCSF.
struct Row {
    fields: Vec<String>,
    events: String,
    places: Vec<String>,
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn documented() -> Vec<Row> {
    let page = std::fs::read_to_string(root().join("docs/observability.md")).unwrap();
    let (_, table) =
        page.split_once("| field | of | what it tells | OCSF |\n| --- | --- | --- | --- |\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, fields, events, _, places, _] = cells[..] else { panic!("{line}") };
        Row { fields: quoted(fields), events: events.to_owned(), places: quoted(places) }
    });
    rows.collect()
}

/// The value at a place such as `actor.authorizations[].decision`. In a decision, `user` is `actor.user`.
fn at<'e>(event: &'e Value, place: &str) -> Option<&'e Value> {
    let event = if place.starts_with("user.") { event.get("actor").unwrap_or(event) } else { event };
    place.split('.').try_fold(event, |object, part| match part.strip_suffix("[]") {
        Some(list) => object.get(list)?.get(0),
        None => object.get(part),
    })
}

/// jq writes 0.0 as 0.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

#[tokio::test]
async fn every_event_that_jq_makes_is_ocsf_and_loses_nothing() {
    let path = Path::new("ocsf.log");
    let server = Server::start("example-axum", &[path.setting(), ("AUDIT", "all".to_owned())]).await;
    send_traffic(&server).await;
    server.running.terminate().await.unwrap();
    let audit = lines(&read_to_string(&path.0).unwrap());
    OpenOptions::new().append(true).open(&path.0).unwrap().write_all(b"{\"time\":\"2026-01\n").unwrap();

    let events = transformed(&path);
    let audit: Vec<&Value> =
        audit.iter().filter(|line| line["event"] == "decision" || line["event"] == "verification").collect();
    assert_eq!(events.len(), audit.len());
    let rows = documented();
    let mut carried = BTreeSet::new();
    for (line, event) in audit.iter().zip(&events) {
        let wrong = schema::mistakes(event);
        assert!(wrong.is_empty(), "{wrong:#?}\n{event}");
        let kind = line["event"].as_str().unwrap();
        for (field, value) in line.as_object().unwrap() {
            let row = rows
                .iter()
                .find(|row| row.fields.contains(field) && (row.events == "all" || row.events.contains(kind)));
            let row = row.unwrap_or_else(|| panic!("the page lacks {field} of a {kind}"));
            // OCSF has other values for these two.
            let is_carried = match field.as_str() {
                "time" | "event" => at(event, &row.places[0]).is_some(),
                _ => {
                    row.places.iter().filter_map(|place| at(event, place)).any(|found| is_same(found, value))
                }
            };
            assert!(is_carried, "{:?} does not hold {field}: {line}\n{event}", row.places);
            carried.extend(row.places.iter().filter(|place| at(event, place).is_some()).cloned());
        }
    }
    let places: BTreeSet<String> = rows.into_iter().flat_map(|row| row.places).collect();
    assert_eq!(carried, places, "every place that the page names must be used");
}

#[tokio::test]
async fn a_time_is_in_whole_milliseconds() {
    let path = Path::new("ocsf-time.log");
    let line = r#"{"time":"2026-01-02T03:04:05.067Z","event":"decision","outcome":"denied"}"#;
    std::fs::write(&path.0, line).unwrap();
    assert_eq!(transformed(&path)[0]["time"], 1_767_323_045_067_u64);
}
