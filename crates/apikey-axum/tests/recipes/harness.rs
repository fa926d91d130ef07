// What the recipes of the first page are run with. Each includes this file.

fn fake() -> apikey_testkit::FakeVerifier {
    use apikey_axum::Verification;
    apikey_testkit::FakeVerifier::new()
        .with_key("k_reader", Verification::active("api_key_reader").with_scopes(["read:users"]))
        .with_key("k_admin", Verification::active("api_key_admin").with_scopes(["admin"]))
        .with_key("k_acme", Verification::active("api_key_acme").with_organization("org_acme"))
        .with_key("k_globex", Verification::active("api_key_globex").with_organization("org_globex"))
}

/// Asks an app, and compares status, content type and body. Each refusal must keep its other headers.
#[allow(dead_code)]
#[track_caller]
fn check(
    app: impl Fn(apikey_axum::Authenticator) -> axum::Router,
    path: &str,
    headers: &[(&str, &str)],
    expected: &str,
) {
    use tower::ServiceExt as _;
    let keys = apikey_axum::Authenticator::builder(fake()).attempt_limit(None).build().unwrap();
    let mut request = axum::http::Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(axum::body::Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(async {
        let response = app(keys).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let value = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
        if head.extensions.get::<apikey_axum::Denial>().is_some() {
            assert_eq!(value("cache-control"), "no-store", "{path}");
            assert_eq!(value("www-authenticate").is_empty(), head.status == 403 && !expected.contains("SCOPE"), "{path}");
        }
        let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
        format!("{} {} {}", head.status.as_u16(), value("content-type"), std::str::from_utf8(&body).unwrap())
    });
    assert_eq!(found, expected);
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
