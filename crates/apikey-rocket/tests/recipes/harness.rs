// What the recipes of the first page are run with. Each includes this file.

fn fake() -> apikey_testkit::FakeVerifier {
    use apikey_rocket::Verification;
    apikey_testkit::FakeVerifier::new()
        .with_key("k_reader", Verification::active("api_key_reader").with_scopes(["read:users"]))
        .with_key("k_admin", Verification::active("api_key_admin").with_scopes(["admin"]))
        .with_key("k_acme", Verification::active("api_key_acme").with_organization("org_acme"))
        .with_key("k_globex", Verification::active("api_key_globex").with_organization("org_globex"))
}

/// Asks an app, and compares status, content type and body. Each refusal must keep its other headers. A path without a
/// method is asked with `GET`. Returns the answer's other headers.
#[track_caller]
fn check(
    app: impl Fn(apikey_rocket::Authenticator) -> rocket::Rocket<rocket::Build>,
    request: &str,
    headers: &[(&'static str, &'static str)],
    expected: &str,
) -> rocket::http::HeaderMap<'static> {
    let keys = apikey_rocket::Authenticator::builder(fake()).attempt_limit(None).build().unwrap();
    let client = rocket::local::blocking::Client::untracked(app(keys)).unwrap();
    let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
    let mut request = client.req(method.parse().unwrap(), path.to_owned());
    for (name, value) in headers {
        request.add_header(rocket::http::Header::new(*name, *value));
    }
    let response = request.dispatch();
    let status = response.status().code;
    let mut found = rocket::http::HeaderMap::new();
    for header in response.headers().iter() {
        found.add(rocket::http::Header::new(header.name().to_string(), header.value().to_owned()));
    }
    let value = |name: &str| found.get_one(name).unwrap_or_default().to_owned();
    if expected.contains("\"code\"") || expected.contains("_KEY") {
        assert_eq!(value("cache-control"), "no-store", "{path}");
        let has_challenge = status != 403 || expected.contains("SCOPE");
        assert_eq!(value("www-authenticate").starts_with("Bearer realm="), has_challenge, "{path}");
    }
    let content_type = value("content-type");
    let body = response.into_string().unwrap_or_default();
    assert_eq!(format!("{status} {content_type} {body}"), expected);
    found
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
