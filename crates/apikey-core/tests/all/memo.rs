//! A memo counts for the credential that it was made for, and for no other.

use std::time::Duration;

use apikey_core::{Attempt, Authenticator, CredentialSource, DenialCode, Memo, PlainRequest, Verification};
use apikey_testkit::FakeVerifier;

/// With every kind of place, and the cache off.
fn authenticator(remove: bool) -> Authenticator {
    let sources = [
        CredentialSource::bearer(),
        CredentialSource::basic_user_name(),
        CredentialSource::header("X-Api-Key"),
        CredentialSource::insecure_query_parameter("api_key"),
    ];
    let verifier = FakeVerifier::new()
        .with_key("one", Verification::active("one"))
        .with_key("two", Verification::active("two"));
    let builder = Authenticator::builder(verifier).credential_sources(sources).remove_credential(remove);
    builder.cache_time_to_live(Duration::ZERO).build().unwrap()
}

fn nothing() -> PlainRequest {
    PlainRequest::new()
}

fn bearer(key: &str) -> PlainRequest {
    nothing().with_header("authorization", format!("Bearer {key}"))
}

/// `one` in every place where a key may stand.
fn everywhere() -> [PlainRequest; 5] {
    [
        bearer("one"),
        nothing().with_header("authorization", "Basic b25lOg=="),
        nothing().with_header("x-api-key", "one"),
        nothing().with_query("a=1&api_key=one"),
        nothing().with_query("api%5Fkey=o%6Ee"),
    ]
}

/// What is not `one`, or not one key.
fn others() -> [PlainRequest; 8] {
    [
        bearer("two"),
        nothing().with_header("x-api-key", "two"),
        nothing().with_query("api_key=two"),
        nothing().with_header("authorization", "Basic dHdvOg=="),
        bearer("two words"),
        bearer("one").with_header("x-api-key", "one"),
        bearer("one").with_header("authorization", "Bearer one"),
        bearer("one").with_query("api_key=two"),
    ]
}

fn noted(authenticator: &Authenticator, request: &PlainRequest) -> Memo {
    let mut memo = Memo::default();
    memo.note(authenticator, authenticator.begin(request));
    memo
}

#[tokio::test]
async fn an_attempt_counts_for_its_own_key_alone() {
    let authenticator = authenticator(false);
    for made_for in everywhere() {
        let memo = noted(&authenticator, &made_for);
        for same in everywhere() {
            let attempt = memo.recall(&authenticator, &same);
            let key = attempt.unwrap().authentication().await.unwrap().unwrap();
            assert_eq!(key.key_id(), "one");
        }
        for other in others().into_iter().chain([nothing()]) {
            assert!(memo.recall(&authenticator, &other).is_none());
        }
    }
}

#[tokio::test]
async fn a_removed_key_is_remembered_while_nothing_is_presented() {
    let authenticator = authenticator(true);
    for made_for in everywhere() {
        let memo = noted(&authenticator, &made_for);
        let key = memo.recall(&authenticator, &nothing()).unwrap().authentication().await;
        assert_eq!(key.unwrap().unwrap().key_id(), "one");
        // The same key must be taken out again, so it is looked at again.
        for presented in others().into_iter().chain(everywhere()) {
            assert!(memo.recall(&authenticator, &presented).is_none());
        }
    }
}

#[tokio::test]
async fn what_was_removed_stays_malformed_or_absent() {
    let authenticator = authenticator(true);
    let memo = noted(&authenticator, &bearer("two words"));
    let denial = memo.recall(&authenticator, &nothing()).unwrap().authentication().await.unwrap_err();
    assert_eq!(denial.code(), DenialCode::InvalidFormat);
    let memo = noted(&authenticator, &nothing());
    assert!(matches!(memo.recall(&authenticator, &nothing()), Some(Attempt::Anonymous)));
    assert!(memo.recall(&authenticator, &bearer("one")).is_none());
}

#[tokio::test]
async fn a_new_attempt_takes_the_place_of_an_older_one() {
    for remove in [false, true] {
        let authenticator = authenticator(remove);
        let mut memo = noted(&authenticator, &bearer("one"));
        memo.note(&authenticator, authenticator.begin(&bearer("two")));
        let request = if remove { nothing() } else { bearer("two") };
        let key = memo.recall(&authenticator, &request).unwrap().authentication().await;
        assert_eq!(key.unwrap().unwrap().key_id(), "two");
        assert!(memo.recall(&authenticator, &bearer("one")).is_none());
    }
}

#[tokio::test]
async fn one_authenticators_attempt_never_counts_for_another() {
    for remove in [false, true] {
        let (one, other) = (authenticator(remove), authenticator(remove));
        let mut memo = noted(&one, &bearer("one"));
        for request in everywhere().into_iter().chain([nothing()]) {
            assert!(memo.recall(&other, &request).is_none());
        }
        memo.note(&other, other.begin(&bearer("two")));
        let request = |key| if remove { nothing() } else { bearer(key) };
        for (authenticator, key) in [(&one, "one"), (&other, "two")] {
            let known = memo.recall(authenticator, &request(key)).unwrap().authentication().await;
            assert_eq!(known.unwrap().unwrap().key_id(), key);
        }
    }
}

#[tokio::test]
async fn a_clone_of_a_memo_is_empty() {
    for remove in [false, true] {
        let authenticator = authenticator(remove);
        let memo = noted(&authenticator, &bearer("one"));
        for request in [nothing(), bearer("one")] {
            assert!(memo.clone().recall(&authenticator, &request).is_none());
        }
    }
}

#[tokio::test]
async fn what_is_presented_is_equal_where_it_is_judged_alike() {
    let authenticator = authenticator(false);
    let presented = |request: &PlainRequest| authenticator.presented(request);
    for request in everywhere() {
        assert_eq!(presented(&request), presented(&bearer("one")));
    }
    for request in others().into_iter().chain([nothing()]) {
        assert_ne!(presented(&request), presented(&bearer("one")));
        assert_eq!(presented(&request), authenticator.begin_presented(&request).0);
    }
    assert_eq!(presented(&nothing().with_header("x-api-key", "")), presented(&nothing()));
    assert_ne!(presented(&bearer("two words")), presented(&bearer("one").with_header("x-api-key", "a")));
    assert_eq!(format!("{:?}", presented(&bearer("one"))), "Presented(..)");
}
