//! A memo counts only for the credential that it was made for.

use std::time::Duration;

use apikey_core::{
    Attempt, Authenticator, CredentialSource, Denial, DenialCode, Memo, PlainRequest, Policy, Verification,
    VerifiedKey,
};
use apikey_testkit::FakeVerifier;

/// An authenticator with every kind of location, and without a cache.
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

/// The key `one` in every location of keys.
fn everywhere() -> [PlainRequest; 5] {
    [
        bearer("one"),
        nothing().with_header("authorization", "Basic b25lOg=="),
        nothing().with_header("x-api-key", "one"),
        nothing().with_query("a=1&api_key=one"),
        nothing().with_query("api%5Fkey=o%6Ee"),
    ]
}

/// Requests that do not present `one`, or present more than one key.
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
    memo.note(authenticator, &authenticator.begin(request));
    memo
}

#[tokio::test]
async fn an_attempt_counts_for_its_own_key_alone() {
    let authenticator = authenticator(false);
    for made_for in everywhere() {
        let memo = noted(&authenticator, &made_for);
        for same in everywhere() {
            let attempt = memo.recall(&authenticator, &same);
            let key = decided(&authenticator, attempt.unwrap()).await.unwrap().unwrap();
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
        let key = decided(&authenticator, memo.recall(&authenticator, &nothing()).unwrap()).await;
        assert_eq!(key.unwrap().unwrap().key_id(), "one");
        // The same key must be taken out again, so the request is looked at again.
        for presented in others().into_iter().chain(everywhere()) {
            assert!(memo.recall(&authenticator, &presented).is_none());
        }
    }
}

#[tokio::test]
async fn what_was_removed_stays_malformed_or_absent() {
    let authenticator = authenticator(true);
    let memo = noted(&authenticator, &bearer("two words"));
    let denial = decided(&authenticator, memo.recall(&authenticator, &nothing()).unwrap()).await.unwrap_err();
    assert_eq!(denial.code(), DenialCode::InvalidFormat);
    let memo = noted(&authenticator, &nothing());
    let anonymous = memo.recall(&authenticator, &nothing()).unwrap();
    assert_eq!(decided(&authenticator, anonymous).await, Ok(None));
    assert!(memo.recall(&authenticator, &bearer("one")).is_none());
}

#[tokio::test]
async fn a_new_attempt_takes_the_place_of_an_older_one() {
    for remove in [false, true] {
        let authenticator = authenticator(remove);
        let mut memo = noted(&authenticator, &bearer("one"));
        memo.note(&authenticator, &authenticator.begin(&bearer("two")));
        let request = if remove { nothing() } else { bearer("two") };
        let key = decided(&authenticator, memo.recall(&authenticator, &request).unwrap()).await;
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
        memo.note(&other, &other.begin(&bearer("two")));
        let request = |key| if remove { nothing() } else { bearer(key) };
        for (authenticator, key) in [(&one, "one"), (&other, "two")] {
            let known = decided(authenticator, memo.recall(authenticator, &request(key)).unwrap()).await;
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
async fn a_credential_that_was_taken_stands_for_its_request() {
    let authenticator = authenticator(true);
    for made_for in everywhere() {
        let mut memo = Memo::default();
        assert!(memo.begin_taken(&authenticator, &nothing()).is_none(), "nothing was taken");
        assert!(memo.take(&authenticator, &made_for));
        assert!(!memo.take(&authenticator, &nothing()), "it was taken before");
        assert!(memo.begin_taken(&authenticator, &bearer("two")).is_none(), "another credential came later");
        for _ in 0..2 {
            let attempt = memo.begin_taken(&authenticator, &nothing()).unwrap();
            let key = decided(&authenticator, attempt).await;
            assert_eq!(key.unwrap().unwrap().key_id(), "one");
        }
    }
}

#[tokio::test]
async fn a_credential_taken_later_takes_the_place_of_the_first() {
    let authenticator = authenticator(true);
    let mut memo = Memo::default();
    assert!(memo.take(&authenticator, &bearer("one")) && memo.take(&authenticator, &bearer("two")));
    let attempt = memo.begin_taken(&authenticator, &nothing()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap().unwrap().key_id(), "two");
    assert!(memo.take(&authenticator, &bearer("two words")));
    let attempt = memo.begin_taken(&authenticator, &nothing()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap_err().code(), DenialCode::InvalidFormat);
}

#[tokio::test]
async fn a_request_without_a_credential_stays_anonymous() {
    let authenticator = authenticator(true);
    let mut memo = Memo::default();
    assert!(memo.take(&authenticator, &nothing()));
    let attempt = memo.begin_taken(&authenticator, &nothing()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await, Ok(None));
}

/// What is left of a request whose key stood beside a value of another scheme.
fn digest() -> PlainRequest {
    nothing().with_header("authorization", "Digest username=\"me\"")
}

#[tokio::test]
async fn a_value_that_stays_leaves_the_first_attempt_as_it_is() {
    let authenticator = authenticator(true);
    let beside_a_key = digest().with_header("x-api-key", "one");
    let mut memo = Memo::default();
    assert!(memo.take(&authenticator, &beside_a_key));
    assert!(!memo.take(&authenticator, &digest()), "its key was taken before");
    for _ in 0..2 {
        let attempt = memo.begin_taken(&authenticator, &digest()).unwrap();
        assert_eq!(decided(&authenticator, attempt).await.unwrap().unwrap().key_id(), "one");
        assert!(!memo.take(&authenticator, &digest()));
    }
    let memo = noted(&authenticator, &beside_a_key);
    let attempt = memo.recall(&authenticator, &digest()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap().unwrap().key_id(), "one");
}

#[tokio::test]
async fn another_scheme_alone_is_refused_however_often_it_is_taken() {
    let authenticator = authenticator(true);
    let mut memo = Memo::default();
    assert!(memo.take(&authenticator, &digest()));
    assert!(!memo.take(&authenticator, &digest()));
    let attempt = memo.begin_taken(&authenticator, &digest()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap_err().code(), DenialCode::InvalidFormat);
    let memo = noted(&authenticator, &digest());
    let attempt = memo.recall(&authenticator, &digest()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap_err().code(), DenialCode::InvalidFormat);
}

/// A request that presented nothing is not anonymous any more if code adds a value of another scheme.
#[tokio::test]
async fn a_value_that_was_added_later_is_looked_at() {
    let authenticator = authenticator(true);
    let mut memo = noted(&authenticator, &nothing());
    assert!(memo.recall(&authenticator, &digest()).is_none());
    assert!(memo.begin_taken(&authenticator, &digest()).is_none());
    assert!(memo.take(&authenticator, &digest()));
    let attempt = memo.begin_taken(&authenticator, &digest()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap_err().code(), DenialCode::InvalidFormat);
}

#[tokio::test]
async fn an_ignored_token_that_stays_is_nothing_presented() {
    let verifier = FakeVerifier::new().with_key("one", Verification::active("one"));
    let sources = [CredentialSource::bearer(), CredentialSource::web_socket_protocol()];
    let builder = Authenticator::builder(verifier).credential_sources(sources);
    let authenticator = builder.accepted_prefixes(["one"]).ignore_other_tokens(true).build().unwrap();
    assert!(authenticator.removes_credential(), "a WebSocket's key must be taken out");
    let jwt = || bearer("eyJ.eyJ.x");
    let mut memo = Memo::default();
    assert!(memo.take(&authenticator, &jwt()));
    assert!(!memo.take(&authenticator, &jwt()));
    let attempt = memo.begin_taken(&authenticator, &jwt()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await, Ok(None));
    let protocols = jwt().with_header("sec-websocket-protocol", "apikey, base64url.apikey.b25l");
    assert!(memo.take(&authenticator, &protocols));
    let rest = authenticator.headers_without_credential(&protocols);
    assert_eq!(rest, [("sec-websocket-protocol", Some(b"apikey".to_vec()))]);
    let attempt = memo.begin_taken(&authenticator, &jwt()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap().unwrap().key_id(), "one");
}

#[tokio::test]
async fn a_credential_that_may_stay_is_not_taken() {
    let authenticator = authenticator(false);
    let mut memo = Memo::default();
    assert!(!memo.take(&authenticator, &bearer("one")));
    let attempt = memo.begin(&authenticator, &bearer("one")).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap().unwrap().key_id(), "one");
}

#[tokio::test]
async fn a_memo_begins_one_attempt_at_one_credential() {
    let verifier = FakeVerifier::new().with_key("one", Verification::active("one"));
    let calls = verifier.clone();
    let builder = Authenticator::builder(verifier).cache_time_to_live(Duration::ZERO);
    let authenticator = builder.build().unwrap();
    let mut memo = Memo::default();
    for _ in 0..3 {
        let attempt = memo.begin(&authenticator, &bearer("one")).unwrap();
        assert_eq!(decided(&authenticator, attempt).await.unwrap().unwrap().key_id(), "one");
    }
    assert_eq!(calls.calls(), 1);
    let attempt = memo.begin(&authenticator, &bearer("two")).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap_err().code(), DenialCode::InvalidKey);
    assert_eq!(calls.calls(), 2);
}

#[tokio::test]
async fn a_memo_begins_nothing_if_a_credential_was_not_taken() {
    let authenticator = authenticator(true);
    let mut memo = Memo::default();
    assert!(memo.begin(&authenticator, &bearer("one")).is_none());
    assert!(memo.take(&authenticator, &bearer("one")));
    assert!(memo.begin(&authenticator, &bearer("one")).is_none(), "it was not taken out of the request");
    let attempt = memo.begin(&authenticator, &nothing()).unwrap();
    assert_eq!(decided(&authenticator, attempt).await.unwrap().unwrap().key_id(), "one");
}

async fn decided(authenticator: &Authenticator, attempt: Attempt) -> Result<Option<VerifiedKey>, Denial> {
    authenticator.gate(&Policy::any_key()).decide_optional(attempt, &nothing(), |key| key).wait().await
}
