// What the recipes of the first page are run with. Each includes this file.

#[allow(dead_code)]
const MISSING_KEY: &str = r#"401 application/json {"error":"No authorization header","code":"MISSING_KEY"}"#;
#[allow(dead_code)]
const INVALID_KEY: &str = r#"401 application/json {"error":"Invalid API key","code":"INVALID_KEY"}"#;
#[allow(dead_code)]
const MISMATCH: &str =
    r#"403 application/json {"error":"API key belongs to another organization","code":"ORGANIZATION_MISMATCH"}"#;
#[allow(dead_code)]
const ORGANIZATION_REQUIRED: &str =
    r#"403 application/json {"error":"An organization API key is required","code":"ORGANIZATION_KEY_REQUIRED"}"#;
#[allow(dead_code)]
const NO_ADMIN: &str = r#"403 application/json {"error":"Insufficient scope. Required: admin","code":"INSUFFICIENT_SCOPE","required_scopes":["admin"],"available_scopes":["read:users"]}"#;

fn fake() -> apikey_testkit::FakeVerifier {
    use apikey_actix::Verification;
    apikey_testkit::FakeVerifier::new()
        .with_key("k_reader", Verification::active("api_key_reader").with_scopes(["read:users"]))
        .with_key("k_admin", Verification::active("api_key_admin").with_scopes(["admin"]))
        .with_key("k_acme", Verification::active("api_key_acme").with_organization("org_acme"))
        .with_key("k_globex", Verification::active("api_key_globex").with_organization("org_globex"))
}

fn builder() -> apikey_actix::AuthenticatorBuilder<apikey_actix::Authenticator> {
    apikey_actix::Authenticator::builder(fake()).attempt_limit(None)
}

#[allow(dead_code)]
fn keys() -> apikey_actix::Authenticator {
    builder().build().unwrap()
}

/// A request with this key. An empty one is left out.
#[allow(dead_code)]
fn request(path: &str, key: &str) -> actix_web::test::TestRequest {
    let request = actix_web::test::TestRequest::with_uri(path);
    if key.is_empty() { request } else { request.insert_header(("authorization", format!("Bearer {key}"))) }
}

/// Sends a request, and compares status, content type and body. Each refusal must keep its other headers.
#[allow(dead_code)]
async fn check_request<S, B>(app: &S, request: actix_web::test::TestRequest, expected: &str)
where
    S: actix_web::dev::Service<
            actix_http::Request,
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
        >,
    B: actix_web::body::MessageBody,
{
    let response = actix_web::test::call_service(app, request.to_request()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let value = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    if response.response().extensions().get::<apikey_actix::Denial>().is_some() {
        assert_eq!(value("cache-control"), "no-store", "{expected}");
        assert_eq!(value("www-authenticate").is_empty(), status == 403 && !expected.contains("SCOPE"), "{expected}");
    }
    let body = actix_web::test::read_body(response).await;
    let found = format!("{status} {} {}", value("content-type"), std::str::from_utf8(&body).unwrap());
    assert_eq!(found, expected);
}

/// Does what [`check_request`] does, with a `GET` that presents this key.
#[allow(dead_code)]
async fn check<S, B>(app: &S, path: &str, key: &str, expected: &str)
where
    S: actix_web::dev::Service<
            actix_http::Request,
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
        >,
    B: actix_web::body::MessageBody,
{
    check_request(app, request(path, key), expected).await;
}

/// What this thread logs until the guard is dropped.
#[allow(dead_code)]
fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    #[allow(dead_code)]
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
