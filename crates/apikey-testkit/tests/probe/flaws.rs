//! Each way in which a guard can be wrong is found, and a right guard is not.

use apikey_testkit::probe::FindingKind::{self, *};
use serde_json::{Value, json};

use crate::server::{Place, Refusal, Route};
use crate::{assert_finds, bearer, document, probed};

fn both() -> Route {
    Route::new("POST", "/data", &[&["read", "write"]])
}

/// Probes one route, whose document asks for `read` and `write`.
async fn flaw(change: impl FnOnce(&mut Route), kinds: &[FindingKind], words: &[&str]) {
    let document = document(&[("POST", "/data", bearer(&[&["read", "write"]]))]);
    assert_finds(&probed(&document, vec![both().with(change)]).await, kinds, words);
}

#[tokio::test]
async fn a_server_that_keeps_its_word_has_no_finding() {
    let owned = |owner: Value| json!({"security": [{"bearer": ["read"]}], "x-apikey-owner": owner});
    let document = document(&[
        ("GET", "/health", json!({})),
        ("GET", "/open", json!({"security": []})),
        ("GET", "/me", bearer(&[&[]])),
        ("GET", "/data", bearer(&[&["read"]])),
        ("HEAD", "/data", bearer(&[&["read"]])),
        ("POST", "/data", bearer(&[&["read", "write"]])),
        ("DELETE", "/data/{id}", bearer(&[&["admin"], &["read", "write"]])),
        ("GET", "/optional", json!({"security": [{}, {"bearer": ["read"]}]})),
        ("GET", "/organization", owned(json!(["organization"]))),
        ("GET", "/user", owned(json!(["user"]))),
        ("GET", "/both", owned(json!(["organization", "user"]))),
        ("GET", "/many", bearer(&[&["a", "b", "c"], &["d", "e"], &["f"]])),
        ("PUT", "/gone/{id}", bearer(&[&["read"]])),
        ("PATCH", "/refuses/body", bearer(&[&["read"]])),
    ]);
    let report = probed(
        &document,
        vec![
            Route::new("GET", "/health", &[]).with(|route| route.guarded = false),
            Route::new("GET", "/open", &[]).with(|route| route.guarded = false),
            Route::new("GET", "/me", &[&[]]),
            Route::new("GET", "/data", &[&["read"]]),
            Route::new("HEAD", "/data", &[&["read"]]),
            both(),
            Route::new("DELETE", "/data/{id}", &[&["admin"], &["read", "write"]]),
            Route::new("GET", "/optional", &[&["read"]]).with(|route| route.optional = true),
            Route::new("GET", "/organization", &[&["read"]]).with(|route| route.organization = true),
            Route::new("GET", "/user", &[&["read"]]).with(|route| route.user = true),
            Route::new("GET", "/both", &[&["read"]])
                .with(|route| (route.organization, route.user) = (true, true)),
            Route::new("GET", "/many", &[&["a", "b", "c"], &["d", "e"], &["f"]]),
            Route::new("PUT", "/gone/{id}", &[&["read"]]).with(|route| route.answer = 404),
            Route::new("PATCH", "/refuses/body", &[&["read"]]).with(|route| route.answer = 422),
        ],
    )
    .await;
    assert_finds(&report, &[], &["0 findings in 14 operations, after "]);
    assert_eq!((report.operations(), report.notes().len()), (14, 1), "{report}");
    assert_eq!((report.is_clean(), report.requests()), (true, 89), "{report}");
}

#[tokio::test]
async fn a_dropped_guard_is_found() {
    flaw(|route| route.guarded = false, &[Unguarded], &["POST /data", "nothing guards this route", "(200)"])
        .await;
}

#[tokio::test]
async fn an_exchanged_scope_is_found() {
    let change = |route: &mut Route| route.scopes = vec![vec!["read", "admin"]];
    let words = [
        "a key with `read` and `write` is refused (403 INSUFFICIENT_SCOPE)",
        "names the required scopes `admin` and `read`",
    ];
    flaw(change, &[TooStrict, OtherScopes], &words).await;
}

#[tokio::test]
async fn a_missing_scope_is_found() {
    let change = |route: &mut Route| {
        route.scopes = vec![vec!["read"]];
        route.refusal = Refusal::Names(&["read", "write"]);
    };
    flaw(change, &[TooOpen], &["a key with `read` is let in (200)", "asks for `read` and `write`"]).await;
}

#[tokio::test]
async fn any_instead_of_all_is_found() {
    let change = |route: &mut Route| route.scopes = vec![vec!["read"], vec!["write"]];
    flaw(change, &[TooOpen], &["a key with `read` is let in (200); a key with `write` is let in (200)"])
        .await;
}

#[tokio::test]
async fn all_instead_of_any_is_found() {
    let document = document(&[("POST", "/data", bearer(&[&["read"], &["write"]]))]);
    let words = [
        "a key with `read` is refused (403 INSUFFICIENT_SCOPE); a key with `write` is",
        "`read`, or `write`",
    ];
    assert_finds(&probed(&document, vec![both()]).await, &[TooStrict], &words);
}

#[tokio::test]
async fn a_guard_that_checks_no_scope_is_found() {
    flaw(|route| route.scopes = vec![vec![]], &[TooOpen], &["a key without scopes is let in (200). The"])
        .await;
}

#[tokio::test]
async fn a_key_that_is_optional_by_mistake_is_found() {
    flaw(|route| route.optional = true, &[KeyOptional], &["without a key is let in (200)"]).await;
}

#[tokio::test]
async fn a_mandatory_key_of_an_optional_operation_is_found() {
    let document = document(&[("POST", "/data", json!({"security": [{}, {"bearer": ["read", "write"]}]}))]);
    assert_finds(&probed(&document, vec![both()]).await, &[KeyRequired], &["the key is optional"]);
}

#[tokio::test]
async fn a_guard_that_the_document_hides_is_found() {
    for security in [json!({}), json!({"security": []}), json!({"security": [{}]})] {
        let document = document(&[("POST", "/data", security)]);
        assert_finds(&probed(&document, vec![both()]).await, &[KeyRequired], &["nobody needs a key"]);
    }
}

#[tokio::test]
async fn a_guard_that_only_looks_for_a_key_is_found() {
    flaw(
        |route| route.verifies = false,
        &[KeyNotVerified],
        &["that nobody issued, as a bearer token, is let in"],
    )
    .await;
}

#[tokio::test]
async fn an_owner_that_is_not_checked_is_found() {
    for (owner, words) in [
        (
            json!(["organization"]),
            "a key without an owner, with `read` and `write` is let in (200); a key of a user, but",
        ),
        (json!(["user"]), "asks for a key of a user"),
        (json!(["organization", "user"]), "a key of an organization, but of no user, with"),
    ] {
        let operation = json!({"security": [{"bearer": ["read", "write"]}], "x-apikey-owner": owner});
        let report = probed(&document(&[("POST", "/data", operation)]), vec![both()]).await;
        assert_finds(&report, &[OwnerNotChecked], &[words]);
    }
}

#[tokio::test]
async fn one_owner_instead_of_both_is_found() {
    let operation =
        json!({"security": [{"bearer": ["read", "write"]}], "x-apikey-owner": ["organization", "user"]});
    let route = both().with(|route| route.organization = true);
    let report = probed(&document(&[("POST", "/data", operation)]), vec![route]).await;
    assert_finds(
        &report,
        &[OwnerNotChecked],
        &["checked, as a bearer token: a key of an organization, but of no user"],
    );
}

#[tokio::test]
async fn a_route_of_one_organization_may_refuse_every_key() {
    let operation = json!({"security": [{"bearer": ["read"]}], "x-apikey-owner": ["certain-organization"]});
    let document = document(&[("GET", "/data", operation)]);
    let route = Route::new("GET", "/data", &[&["read"]]).with(|route| route.closed = true);
    let report = probed(&document, vec![route.clone()]).await;
    assert_finds(&report, &[], &["note: GET /data: the route is bound to one organization"]);
    for change in [|route: &mut Route| route.guarded = false, |route: &mut Route| route.closed = false] {
        let report = probed(&document, vec![route.clone().with(change)]).await;
        assert!(!report.is_clean(), "{report}");
    }
}

#[tokio::test]
async fn scopes_that_refusals_list_may_be_more_than_security_says() {
    let operation = json!({"security": [{"bearer": ["read"]}], "x-apikey-scopes": ["read", "write"]});
    let document = document(&[("GET", "/data", operation)]);
    let names =
        |names| Route::new("GET", "/data", &[&["read"]]).with(|route| route.refusal = Refusal::Names(names));
    assert_finds(&probed(&document, vec![names(&["write", "read"])]).await, &[], &[]);
    let report = probed(&document, vec![names(&["read"])]).await;
    assert_finds(&report, &[OtherScopes], &["the document names `read` and `write`"]);
}

#[tokio::test]
async fn a_refusal_that_names_other_scopes_is_found() {
    for names in [&["read"][..], &["read", "write", "admin"], &[]] {
        let change = |route: &mut Route| route.refusal = Refusal::Names(names);
        flaw(change, &[OtherScopes], &["the document names `read` and `write`"]).await;
    }
}

#[tokio::test]
async fn every_kind_of_readable_refusal_is_read() {
    for refusal in [Refusal::Json, Refusal::Problem, Refusal::Detail] {
        flaw(|route| route.refusal = refusal, &[], &[]).await;
    }
    let document =
        document(&[("POST", "/data", bearer(&[&["a", "b"]])), ("HEAD", "/data", bearer(&[&["a"]]))]);
    let silent = |method, scopes: &[&'static str]| {
        Route::new(method, "/data", &[scopes]).with(|route| route.refusal = Refusal::Text)
    };
    let report = probed(&document, vec![silent("POST", &["a", "b"]), silent("HEAD", &["a"])]).await;
    assert_finds(&report, &[], &["was compared: POST /data\n"]);
    for refusal in [Refusal::Text, Refusal::Endless] {
        flaw(|route| route.refusal = refusal, &[], &["note: refusals for lack of scopes", ": POST /data"])
            .await;
    }
}

#[tokio::test]
async fn careless_comparisons_of_scopes_are_found() {
    for (matches, scope) in [
        ((|held, needed| held.eq_ignore_ascii_case(needed)) as fn(&str, &str) -> bool, "`READ:USERS`"),
        (|held, needed| needed.starts_with(held), "`read`"),
        (|held, needed| held.starts_with(needed), "`read:usersx`"),
        (|held, needed| held.trim() == needed, "` read:users `"),
        (|held, needed| held == "*" || held == needed, "`*`"),
        (
            |held, needed| {
                held == needed
                    || held
                        .strip_suffix('*')
                        .is_some_and(|start| needed.starts_with(start) && !start.is_empty())
            },
            "`read:*`",
        ),
        (|held, needed| held.split(' ').any(|held| held == needed), "` read:users `"),
    ] {
        let document = document(&[("GET", "/data", bearer(&[&["read:users"]]))]);
        let route = Route::new("GET", "/data", &[&["read:users"]]).with(|route| route.matches = matches);
        assert_finds(
            &probed(&document, vec![route]).await,
            &[TooOpen],
            &[&format!("a key with {scope} is let in")],
        );
    }
}

#[tokio::test]
async fn one_scope_too_few_of_many_is_found() {
    let all = ["a", "b", "c", "d", "e", "f", "g"];
    let document = document(&[("GET", "/data", bearer(&[&all]))]);
    let route = Route::new("GET", "/data", &[&["a", "b", "c", "e", "f", "g"]])
        .with(|route| route.refusal = Refusal::Names(&["a", "b", "c", "d", "e", "f", "g"]));
    assert_finds(
        &probed(&document, vec![route]).await,
        &[TooOpen],
        &["`a`, `b`, `c`, `e`, `f` and `g` is let in"],
    );
}

#[tokio::test]
async fn every_place_of_a_key_is_checked_by_itself() {
    let schemes = ["bearer", "basic", "header", "scheme", "query", "cookie"];
    let places =
        [Place::Bearer, Place::Basic, Place::Header, Place::SchemeInHeader, Place::Query, Place::Cookie];
    for (scheme, place) in schemes.into_iter().zip(places) {
        let operation = json!({"security": [{scheme: ["read"]}]});
        let right = Route::new("GET", "/data", &[&["read"]]).with(|route| route.places = vec![place]);
        let report = probed(&document(&[("GET", "/data", operation.clone())]), vec![right.clone()]).await;
        assert_finds(&report, &[], &[]);
        let wrong = right.with(|route| route.scopes = vec![vec![]]);
        let report = probed(&document(&[("GET", "/data", operation)]), vec![wrong]).await;
        assert_finds(&report, &[TooOpen], &["a key without scopes is let in"]);
    }
    // The server does not take the second place.
    let operation = json!({"security": [{"bearer": ["read"]}, {"header": ["read"]}]});
    let report =
        probed(&document(&[("GET", "/data", operation)]), vec![Route::new("GET", "/data", &[&["read"]])])
            .await;
    let words = ["a key with `read`, in the header `x-api-key`, is refused (401)"];
    assert_finds(&report, &[TooStrict], &words);
}

#[tokio::test]
async fn a_guard_that_asks_for_more_than_a_document_can_say() {
    // The route is for one organization alone, which no scheme of OpenAPI can say.
    let operation = json!({"security": [{"bearer": ["read"]}], "x-apikey-owner": ["organization"]});
    let route = Route::new("GET", "/data", &[&["read"]]).with(|route| route.closed = true);
    let report = probed(&document(&[("GET", "/data", operation)]), vec![route]).await;
    let words =
        ["a key with `read` is refused (403 WRONG_OWNER)", "perhaps it concerns the owner of the key"];
    assert_finds(&report, &[TooStrict], &words);
}

#[tokio::test]
async fn advice_stands_only_beside_what_it_can_mend() {
    let document = document(&[("GET", "/data", bearer(&[&["read"]]))]);
    let route = |scopes: &[&[&'static str]], answer| {
        Route::new("GET", "/data", scopes).with(|route| route.answer = answer)
    };
    for (route, advised) in
        [(route(&[&[]], 200), false), (route(&[&[]], 422), true), (route(&[&["admin"]], 200), false)]
    {
        let report = probed(&document, vec![route]).await.to_string();
        assert_eq!(report.contains("give the document an `example`"), advised, "{report}");
        assert!(!report.contains("perhaps it concerns"), "{report}");
    }
}

#[tokio::test]
async fn long_lists_are_cut() {
    let scopes = ["a", "b", "c", "d", "e"];
    let alternatives: Vec<&[&str]> = scopes.iter().map(std::slice::from_ref).collect();
    let document = document(&[("GET", "/data", bearer(&alternatives))]);
    let report = probed(&document, vec![Route::new("GET", "/data", &[&scopes])]).await;
    let words = [
        "a key with `d` is refused (403 INSUFFICIENT_SCOPE); and 1 other key.",
        "`a`, or `b`, or `c`, or `d`, or 1 more.",
    ];
    assert_finds(&report, &[TooStrict], &words);
    assert!(!report.to_string().contains("`e`"), "{report}");
}
