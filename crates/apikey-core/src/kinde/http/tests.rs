use super::*;
use crate::kinde::config::KindeSettings;
use crate::verifier::FailureClass;
use proptest::prelude::*;

proptest! {
    #[test]
    fn an_answer_comes_in_whole_however_it_is_cut(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 0..20), room in 0..500_usize,
    ) {
        let mut body = Zeroizing::new(Vec::with_capacity(room));
        chunks.iter().for_each(|chunk| append(&mut body, chunk));
        prop_assert_eq!(&*body, &chunks.concat());
    }
}

async fn post(url: &str) -> VerifierError {
    let settings = KindeSettings::new("http://127.0.0.1:1").without_token().check().unwrap();
    let http = Http::new(&settings).unwrap();
    let (url, content) = (url.parse().unwrap(), Some(("text/plain", Zeroizing::default())));
    let (endpoint, authorization) = (Endpoint::Verify, None);
    let outgoing = Outgoing { endpoint, url: &url, content, authorization };
    http.call(Connection::New, outgoing).await.err().unwrap()
}

/// Names that a URL may have and HTTP may not. The settings let none of them through.
#[tokio::test]
async fn a_request_that_can_not_be_built_is_a_wrong_set_up() {
    for url in ["http://a{b}c/", "http://a`b/", "http://a\"b/", "mailto:x"] {
        let error = post(url).await;
        assert_eq!(error.class(), FailureClass::SetUp, "{url}: {error}");
        assert!(error.source().is_some());
    }
}

#[tokio::test]
async fn what_went_wrong_is_told_in_words_of_our_own() {
    for (url, reason) in [
        ("http://127.0.0.1:1/", "no connection to Kinde: connection refused"),
        ("http://does-not-exist.invalid/", "no connection to Kinde: its host name can't be resolved"),
    ] {
        let error = post(url).await;
        assert_eq!((error.class(), error.reason()), (FailureClass::Outage, reason));
        assert!(error.is_without_connection() && error.source().is_some());
    }
}
