mod audience;

use super::*;
use crate::engine::AttemptLimit;
use crate::policy::Policy;
use proptest::prelude::*;

fn style() -> Arc<DenialStyle> {
    Arc::default()
}

/// Every denial of the contract with callers: status, code, error, challenge, and what else the body holds.
fn contract() -> Vec<(Denial, u16, &'static str, &'static str, Option<&'static str>)> {
    let style = &style();
    let bad_key = Some(r#"Bearer realm="api", error="invalid_token""#);
    let key = Verification::active("k").with_scopes(["read:users"]);
    let lacks = |policy: Policy| {
        let shortfall = policy.check(&key, true).unwrap_err();
        style.shortfall(shortfall, &key)
    };
    let lacks_organization = {
        let of_another = key.clone().with_organization("org_1");
        let shortfall = Policy::organization("org_2").check(&of_another, true).unwrap_err();
        style.shortfall(shortfall, &of_another)
    };
    let limit = AttemptLimit::new(100, Duration::from_secs(900));
    let resets_in = Duration::from_millis(1500);
    vec![
        (style.missing_key(), 401, "MISSING_KEY", "No authorization header", Some(r#"Bearer realm="api""#)),
        (style.malformed(Malformed::Format), 401, "INVALID_FORMAT", "Invalid authorization format", bad_key),
        (
            style.malformed(Malformed::SeveralKeys),
            400,
            "MULTIPLE_KEYS",
            "More than one API key presented",
            Some(r#"Bearer realm="api", error="invalid_request""#),
        ),
        (style.refused(Refusal::Invalid), 401, "INVALID_KEY", "Invalid API key", bad_key),
        (style.refused(Refusal::Revoked), 401, "KEY_REVOKED", "API key is not active", bad_key),
        (style.refused(Refusal::Inactive), 401, "KEY_INACTIVE", "API key is not active", bad_key),
        (
            lacks(Policy::all(["read:users", "write:users"])),
            403,
            "INSUFFICIENT_SCOPE",
            "Insufficient scope. Required: write:users",
            Some(r#"Bearer realm="api", error="insufficient_scope", scope="read:users write:users""#),
        ),
        (
            lacks(Policy::organization_key()),
            403,
            "ORGANIZATION_KEY_REQUIRED",
            "An organization API key is required",
            None,
        ),
        (lacks(Policy::user_key()), 403, "USER_KEY_REQUIRED", "A user API key is required", None),
        (lacks_organization, 403, "ORGANIZATION_MISMATCH", "API key belongs to another organization", None),
        (style.refused(Refusal::OtherApi), 403, "API_MISMATCH", "API key is not for this API", None),
        (
            style.limited(Limited { limit, resets_in }),
            429,
            "RATE_LIMITED",
            "Too many verification attempts",
            None,
        ),
        (
            style.server_fault(ServerFault::UNAVAILABLE),
            503,
            "VERIFICATION_UNAVAILABLE",
            "API key verification is temporarily unavailable",
            None,
        ),
        (style.server_fault(ServerFault::Internal), 500, "INTERNAL_ERROR", "Internal server error", None),
    ]
}

#[test]
fn every_denial_is_answered_as_the_contract_says() {
    let mut codes = Vec::new();
    for (denial, status, code, error, challenge) in contract() {
        let response = denial.response();
        let scopes = match code {
            "INSUFFICIENT_SCOPE" => {
                r#","required_scopes":["read:users","write:users"],"available_scopes":["read:users"]"#
            }
            _ => "",
        };
        let body = format!(r#"{{"error":"{error}","code":"{code}"{scopes}}}"#);
        assert_eq!((response.status, String::from_utf8(response.body).unwrap()), (status, body));
        assert_eq!((denial.to_string(), denial.code().to_string()), (error.to_owned(), code.to_owned()));
        let mut headers = vec![("content-type", "application/json"), ("cache-control", "no-store")];
        headers.extend(challenge.map(|challenge| ("www-authenticate", challenge)));
        match status {
            429 => headers.extend([
                ("retry-after", "2"),
                ("ratelimit-policy", r#""default";q=100;w=900"#),
                ("ratelimit", r#""default";r=0;t=2"#),
            ]),
            503 => headers.push(("retry-after", "5")),
            _ => {}
        }
        let found: Vec<_> = response.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(found, headers, "{code}");
        codes.push(denial.code());
    }
    assert_eq!(codes, DenialCode::ALL);
}

#[test]
fn a_problem_is_titled_with_the_phrase_of_its_status() {
    let style = Arc::new(DenialStyle { problem_details: true, ..DenialStyle::default() });
    for (denial, status, ..) in contract() {
        let phrase = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        let body = style.denial(denial.code()).response().body;
        let beginning = format!(r#"{{"type":"about:blank","title":"{phrase}","status":{status},"#);
        assert!(body.starts_with(beginning.as_bytes()), "{status}");
    }
}

#[test]
fn no_realm_breaks_out_of_the_challenge() {
    let style = Arc::new(DenialStyle { realm: r#"a "b\c"#.to_owned(), ..DenialStyle::default() });
    let headers = style.missing_key().response().headers;
    assert!(headers.contains(&("www-authenticate", r#"Bearer realm="a \"b\\c""#.to_owned())), "{headers:?}");
}

#[test]
fn a_failure_of_ours_is_never_the_callers() {
    for fault in [ServerFault::UNAVAILABLE, ServerFault::Internal] {
        let denial = style().server_fault(fault);
        assert!(denial.status() >= 500);
        assert!(denial.response().headers.iter().all(|(name, _)| *name != "www-authenticate"));
    }
}

#[test]
fn problem_details_say_the_same() {
    let style = Arc::new(DenialStyle { problem_details: true, ..DenialStyle::default() });
    let key = Verification::active("k").with_scopes(["read:users"]);
    let shortfall = Policy::all(["read:users", "write:users"]).check(&key, true).unwrap_err();
    let response = style.shortfall(shortfall, &key).response();
    assert!(response.headers.contains(&("content-type", "application/problem+json".to_owned())));
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"Insufficient scope. Required: write:users","code":"INSUFFICIENT_SCOPE","required_scopes":["read:users","write:users"],"available_scopes":["read:users"]}"#
    );
}

#[test]
fn a_documented_problem_tells_a_program_what_to_do() {
    let style = Arc::new(DenialStyle {
        problem_details: true,
        problem_documentation: Some("https://api.example/problems#".to_owned()),
        ..DenialStyle::default()
    });
    for (denial, status, ..) in contract() {
        let code = denial.code();
        let body = style.denial(code).response().body;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["type"], format!("https://api.example/problems#{code}"));
        assert_eq!(body["retryable"], matches!(status, 429 | 503), "{code}");
        let title = body["title"].as_str().unwrap();
        assert!(!title.is_empty() && body["detail"].as_str().unwrap().starts_with(title), "{title}");
    }
}

#[test]
fn each_code_has_a_section_in_the_documentation() {
    let page = include_str!("../../../../docs/denials.md");
    for code in DenialCode::ALL {
        let section = page.split("\n## ").find(|section| section.starts_with(&format!("{code}\n\n")));
        let section = section.unwrap_or_else(|| panic!("docs/denials.md has no section {code}"));
        assert!(section.contains(&format!("\n{}. ", code.status())), "{code}");
        assert_eq!(section.contains("*Again?* Yes"), code.is_retryable(), "{code}");
    }
}

#[test]
fn only_challenges_name_the_resource_metadata() {
    let url = "https://api.example/.well-known/oauth-protected-resource";
    let style = Arc::new(DenialStyle { resource_metadata: Some(url.to_owned()), ..DenialStyle::default() });
    for (denial, .., plain) in contract() {
        let denial = denial.presented_as(&style, None);
        let response = denial.response();
        let named = response.headers.iter().find(|(name, _)| *name == "www-authenticate");
        let expected = plain.map(|challenge| format!("{challenge}, resource_metadata=\"{url}\""));
        assert_eq!(named.map(|(_, challenge)| challenge.clone()), expected, "{}", denial.code());
        assert!(!String::from_utf8(response.body).unwrap().contains(url));
    }
}

proptest! {
    #[test]
    fn no_scope_breaks_out_of_the_challenge(scopes in prop::collection::vec(any::<String>(), 1..4)) {
        let key = Verification::active("k");
        let shortfall = Policy::all(scopes).check(&key, true).unwrap_err();
        let response = style().shortfall(shortfall, &key).response();
        let (_, challenge) = response.headers.iter().find(|(name, _)| *name == "www-authenticate").unwrap();
        prop_assert!(challenge.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        prop_assert_eq!(challenge.matches('"').count(), 6);
    }

    #[test]
    fn waiting_is_rounded_up_and_never_zero(milliseconds in 0_u64..100_000) {
        let denial = style().unavailable(Duration::from_millis(milliseconds));
        prop_assert_eq!(denial.retry_after_seconds(), Some(milliseconds.div_ceil(1000).max(1)));
    }
}

#[test]
fn the_readme_shows_this_table() {
    let rows: String = DenialCode::ALL
        .iter()
        .map(|code| format!("| {} | `{code}` | {} |\n", code.status(), code.description()))
        .collect();
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(&rows), "README.md should hold:\n{rows}");
}

#[test]
fn only_responses_that_never_change_are_kept_once_rendered() {
    for (denial, ..) in contract() {
        let first = denial.response();
        let kept = denial.0.style.rendered.0[denial.code() as usize].get();
        let never_changes = matches!(denial.0.detail, Detail::None);
        assert_eq!(kept, never_changes.then_some(&first), "{denial:?}");
        assert_eq!(denial.response(), first, "{denial:?}");
    }
}

#[test]
fn denials_that_say_the_same_are_equal_whichever_was_rendered() {
    for ((one, ..), (other, ..)) in contract().into_iter().zip(contract()) {
        let _rendered = one.response();
        assert_eq!(one, other);
    }
}

#[test]
fn codes_are_told_apart() {
    for (index, code) in DenialCode::ALL.iter().enumerate() {
        assert!(DenialCode::ALL[..index].iter().all(|other| other.as_str() != code.as_str()));
    }
}
