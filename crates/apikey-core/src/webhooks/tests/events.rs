//! What follows from an event.

use std::time::Duration;

use jiff::Timestamp;

use super::super::event::{Effect, Event, Unusable};
use super::*;

const NOW: &str = "2026-02-03T12:00:00Z";

fn event(kind: &str, data: Value) -> Value {
    json!({"type": kind, "data": data, "event_id": "event_1", "timestamp": NOW, "source": "admin"})
}

fn read(event: &Value) -> Result<Event, Unusable> {
    Event::read(event.to_string().as_bytes(), NOW.parse().unwrap())
}

fn effect(event: &Value) -> Effect {
    read(event).unwrap().effect
}

#[test]
fn a_user_who_is_gone_loses_keys() {
    let user = |id: &str| Effect::User(id.into());
    assert_eq!(effect(&event("user.deleted", json!({"user": {"id": "kp_1"}}))), user("kp_1"));
    for suspended in [json!(true), json!("true"), json!(1), json!("yes"), json!({})] {
        let data = json!({"user": {"id": "kp_1", "is_suspended": suspended, "email": null}});
        assert_eq!(effect(&event("user.updated", data.clone())), user("kp_1"), "{data}");
    }
}

#[test]
fn an_organization_that_is_gone_loses_keys() {
    let deleted = event("organization.deleted", json!({"organization": {"code": "org_1"}}));
    assert_eq!(effect(&deleted), Effect::Organization("org_1".into()));
}

#[test]
fn other_events_have_no_effect_whatever_their_shape() {
    for (kind, data) in [
        ("user.updated", json!({"user": {"id": "kp_1", "is_suspended": false}})),
        ("user.updated", json!({"user": {"id": "kp_1", "is_suspended": null}})),
        ("user.updated", json!({"user": {"id": "kp_1"}})),
        ("user.updated", json!(null)),
        ("user.created", json!({"user": {"id": "kp_1", "is_suspended": true}})),
        ("user.deleted.v2", json!({"user": {"id": "kp_1"}})),
        ("USER.DELETED", json!({"user": {"id": "kp_1"}})),
        ("organization.updated", json!({"organization": {"code": "org_1"}})),
        ("made.up", json!([[[1, "x"]]])),
        ("made.up", json!("text")),
    ] {
        assert_eq!(effect(&event(kind, data.clone())), Effect::Nothing, "{kind} {data}");
    }
}

#[test]
fn an_event_that_names_nobody_is_refused() {
    for (kind, data) in [
        ("user.deleted", json!(null)),
        ("user.deleted", json!({})),
        ("user.deleted", json!({"user": "kp_1"})),
        ("user.deleted", json!({"user": {"id": ""}})),
        ("user.deleted", json!({"user": {"id": 7}})),
        ("user.deleted", json!({"user": {"id": ["kp_1"]}})),
        ("user.updated", json!({"user": {"is_suspended": true}})),
        ("organization.deleted", json!({"organization": {"id": "org_1"}})),
    ] {
        assert_eq!(read(&event(kind, data.clone())), Err(Unusable::NoSubject), "{kind} {data}");
    }
}

#[test]
fn an_access_token_is_no_event() {
    let token = json!({
        "aud": ["https://api.example"], "azp": "client", "exp": 1_770_120_000, "iat": 1_770_033_600,
        "iss": "https://example.kinde.com", "jti": "1", "scp": ["openid"], "sub": "kp_1", "type": "user.deleted",
    });
    assert_eq!(read(&token), Err(Unusable::NoEvent));
    let whole = event("user.deleted", json!({"user": {"id": "kp_1"}}));
    for member in ["type", "event_id", "timestamp"] {
        let mut event = whole.clone();
        event.as_object_mut().unwrap().remove(member);
        assert_eq!(read(&event), Err(Unusable::NoEvent), "{member}");
        event[member] = json!("");
        assert_eq!(read(&event), Err(Unusable::NoEvent), "{member}");
        event[member] = json!([1]);
        assert_eq!(read(&event), Err(Unusable::NoEvent), "{member}");
    }
    for payload in ["", "null", "[]", "7", "{", "\u{feff}{}"] {
        assert_eq!(
            Event::read(payload.as_bytes(), Timestamp::UNIX_EPOCH),
            Err(Unusable::NoEvent),
            "{payload}"
        );
    }
    assert_eq!(Event::read(b"\xff\xfe", Timestamp::UNIX_EPOCH), Err(Unusable::NoEvent));
}

#[test]
fn an_events_moment_may_be_a_text_or_a_number() {
    let seconds = NOW.parse::<Timestamp>().unwrap().as_second();
    for moment in [
        json!(NOW),
        json!("2026-02-03T22:00:00.592145+10:00"),
        json!("2026-02-03T12:00:00.000Z"),
        json!(seconds),
        json!(seconds * 1000),
        json!(seconds as f64 + 0.5),
    ] {
        let mut event = event("made.up", json!(null));
        event["timestamp"] = moment.clone();
        assert!(read(&event).is_ok(), "{moment}");
    }
    for moment in [json!("yesterday"), json!("2026-02-03"), json!(null), json!(true), json!({}), json!(1e300)]
    {
        let mut event = event("made.up", json!(null));
        event["timestamp"] = moment.clone();
        assert_eq!(read(&event), Err(Unusable::NoEvent), "{moment}");
    }
    for moment in [json!(0), json!(-1), json!(-1e9), json!(1e11), json!(9e12), json!("1970-01-01T00:00:00Z")]
    {
        let mut event = event("made.up", json!(null));
        event["timestamp"] = moment.clone();
        assert_eq!(read(&event), Err(Unusable::Untimely), "{moment}");
    }
}

#[test]
fn an_event_counts_for_48_hours_and_5_minutes_ahead() {
    let body = event("made.up", json!(null)).to_string();
    let moment: Timestamp = NOW.parse().unwrap();
    let hours = |count: u64| Duration::from_secs(count * 3600);
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let second = Duration::from_secs(1);
    for (now, is_timely) in [
        (moment + hours(36), true),
        (moment + hours(48), true),
        (moment + hours(48) + second, false),
        (moment + hours(24 * 365), false),
        (moment - minutes(5), true),
        (moment - minutes(5) - second, false),
        (Timestamp::MIN, false),
        (Timestamp::MAX, false),
    ] {
        assert_eq!(Event::read(body.as_bytes(), now).is_ok(), is_timely, "{now}");
    }
}
