//! What OCSF 1.8.0 says about the attributes that `ops/ocsf.jq` writes. It follows `dictionary.json`, `events/` and
//! `objects/` of the repository ocsf/ocsf-schema. A place such as `actor.authorizations[].decision` names an attribute.

use serde_json::Value;
use std::net::IpAddr;

/// The type of an attribute.
enum Type {
    /// `string_t`
    Text,
    /// `ip_t`
    Address,
    /// `timestamp_t`
    Milliseconds,
    /// An enum, of which these values fit.
    Number(&'static [u64]),
}
use Type::{Address, Milliseconds, Number, Text};

/// A class of events.
struct Class {
    attributes: &'static [(&'static str, Type)],
    /// Of each group, at least one is required.
    required: &'static [&'static [&'static str]],
}

/// The attributes of all events.
const EVENT: Class = Class {
    attributes: &[
        ("severity_id", Number(&[1])),
        ("status_id", Number(&[1, 2])),
        ("status_code", Text),
        ("status_detail", Text),
        ("time", Milliseconds),
        ("metadata.version", Text),
        ("metadata.product.name", Text),
    ],
    required: &[
        &["activity_id"],
        &["category_uid"],
        &["class_uid"],
        &["type_uid"],
        &["severity_id"],
        &["time"],
        &["metadata.version"],
        &["metadata.product.name", "metadata.product.uid"],
    ],
};

const AUTHENTICATION: Class = Class {
    attributes: &[
        ("class_uid", Number(&[3002])),
        ("category_uid", Number(&[3])),
        ("activity_id", Number(&[1])),
        ("type_uid", Number(&[300_201])),
        ("auth_protocol", Text),
        ("auth_protocol_id", Number(&[99])),
        ("service.name", Text),
        ("user.name", Text),
        ("user.uid", Text),
        ("user.org.uid", Text),
        ("user.programmatic_credentials[].type", Text),
        ("user.programmatic_credentials[].uid", Text),
    ],
    required: &[&["service.name", "service.uid"], &["user.account", "user.name", "user.uid"]],
};

const API_ACTIVITY: Class = Class {
    attributes: &[
        ("class_uid", Number(&[6003])),
        ("category_uid", Number(&[6])),
        ("activity_id", Number(&[0])),
        ("type_uid", Number(&[600_300])),
        ("actor.user.name", Text),
        ("actor.user.uid", Text),
        ("actor.user.org.uid", Text),
        ("actor.user.programmatic_credentials[].type", Text),
        ("actor.user.programmatic_credentials[].uid", Text),
        ("actor.authorizations[].decision", Text),
        ("actor.authorizations[].policy.name", Text),
        ("api.operation", Text),
        ("api.request.uid", Text),
        ("api.service.name", Text),
        ("src_endpoint.ip", Address),
        ("src_endpoint.name", Text),
    ],
    required: &[
        &["actor.user.account", "actor.user.name", "actor.user.uid"],
        &["api.operation"],
        &["src_endpoint.ip", "src_endpoint.name"],
    ],
};

/// What is wrong with an event.
pub(crate) fn mistakes(event: &Value) -> Vec<String> {
    let class = if event["class_uid"] == 3002 { AUTHENTICATION } else { API_ACTIVITY };
    let mut found = Vec::new();
    attributes(event, "", &mut found);
    let mut mistakes = Vec::new();
    for (place, value) in &found {
        let known = EVENT.attributes.iter().chain(class.attributes).find(|(known, _)| known == place);
        match known {
            Some((_, kind)) if fits(value, kind) => {}
            Some(_) => mistakes.push(format!("{place} must not be {value}")),
            // Any attributes may be in this object.
            None if place.starts_with("unmapped.") => {}
            None => mistakes.push(format!("there is no attribute {place}")),
        }
    }
    let lacks = |group: &[&str]| !found.iter().any(|(place, _)| group.contains(&place.as_str()));
    let required = EVENT.required.iter().chain(class.required);
    mistakes.extend(required.filter(|group| lacks(group)).map(|group| format!("it lacks {group:?}")));
    mistakes
}

/// All attributes that are no objects, each with its place.
fn attributes<'e>(value: &'e Value, place: &str, found: &mut Vec<(String, &'e Value)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                attributes(member, &place, found);
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| attributes(item, &format!("{place}[]"), found));
        }
        _ => found.push((place.to_owned(), value)),
    }
}

fn fits(value: &Value, kind: &Type) -> bool {
    match kind {
        Text => value.is_string(),
        Address => value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        // After 2001, and not in seconds.
        Milliseconds => value.as_u64().is_some_and(|time| time > 1_000_000_000_000),
        Number(values) => value.as_u64().is_some_and(|number| values.contains(&number)),
    }
}

#[test]
fn an_event_that_breaks_the_schema_is_noticed() {
    let event = serde_json::json!({
        "class_uid": 6003, "category_uid": 6, "activity_id": 0, "type_uid": 600_300, "severity_id": 1, "status_id": 7,
        "metadata": {"version": "1.8.0", "product": {"name": "apikey"}}, "actor": {"user": {"name": "unknown"}},
        "api": {}, "src_endpoint": {"ip": "2001:db8::/56"}, "unmapped": {"any": 1}, "credential_uid": "key",
        "time": 1_767_323_045,
    });
    let mut found = mistakes(&event);
    found.sort();
    assert_eq!(
        found,
        [
            r#"it lacks ["api.operation"]"#,
            r#"src_endpoint.ip must not be "2001:db8::/56""#,
            "status_id must not be 7",
            "there is no attribute credential_uid",
            "time must not be 1767323045",
        ]
    );
}
