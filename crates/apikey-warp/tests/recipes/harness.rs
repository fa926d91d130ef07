// What the recipes of the first page are run with. Each includes this file.

fn fake() -> apikey_testkit::FakeVerifier {
    use apikey_warp::Verification;
    apikey_testkit::FakeVerifier::new()
        .with_key("k_reader", Verification::active("api_key_reader").with_scopes(["read:users"]))
        .with_key("k_admin", Verification::active("api_key_admin").with_scopes(["admin"]))
        .with_key("k_acme", Verification::active("api_key_acme").with_organization("org_acme"))
        .with_key("k_globex", Verification::active("api_key_globex").with_organization("org_globex"))
}

/// Sends `GET /path`, and compares status, content type and body. Each refusal must keep its other headers. Returns the
/// answer's headers.
#[allow(dead_code)]
#[track_caller]
fn check<F, R>(
    routes: impl Fn(apikey_warp::Authenticator) -> F,
    request: &str,
    headers: &[(&str, &str)],
    expected: &str,
) -> warp::http::HeaderMap
where
    F: warp::Filter<Extract = (R,), Error: Into<warp::Rejection>> + Send + Sync + 'static,
    R: warp::Reply + 'static,
{
    let keys = apikey_warp::Authenticator::builder(fake()).attempt_limit(None).build().unwrap();
    let (method, path) = request.split_once(' ').unwrap();
    let mut asked = warp::test::request().method(method).path(path);
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(asked.reply(&routes(keys).map(warp::Reply::into_response).boxed()));
    let value = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
    let body = std::str::from_utf8(answer.body()).unwrap();
    let found = format!("{} {} {body}", answer.status().as_u16(), value("content-type"));
    assert_eq!(found.trim_end(), expected);
    if let Some(denial) = answer.extensions().get::<apikey_warp::Denial>() {
        assert_eq!(value("cache-control"), "no-store", "{request}");
        let has_challenge = denial.status() == 401 || denial.required_scopes().is_some();
        assert_eq!(value("www-authenticate").starts_with("Bearer realm="), has_challenge, "{request}");
    }
    answer.headers().clone()
}

/// What is logged meanwhile.
#[allow(dead_code)]
fn logged(run: impl FnOnce()) -> String {
    use std::sync::{Arc, Mutex};
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, run);
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}
