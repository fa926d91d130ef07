//! What the servers send without asking for a key: the document, and the page that shows it.

use std::borrow::Cow;
use std::sync::Arc;

use apikey_core::ConfigError;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use crate::CONTENT_TYPE;

const DOCUMENT: &str = "/openapi.json";
/// The folder of the page. The page names its files relative to it.
const FOLDER: &str = "/docs/";
/// The page loads nothing from elsewhere and sends its requests only here. Swagger UI needs styles in its elements, and has images
/// in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document and the page, ready to be sent. Clones are cheap and share both.
#[derive(Clone)]
pub struct Documentation {
    document: Bytes,
    config: Arc<Config<'static>>,
}

impl Documentation {
    /// Writes the document once, for all requests. It must be complete.
    ///
    /// # Errors
    /// [`ConfigError`], if the document can't be written as JSON.
    pub fn new(document: &OpenApi) -> Result<Self, ConfigError> {
        let document =
            document.to_json().map_err(|error| ConfigError::new("openapi", error.to_string()))?.into();
        // Without "none", Swagger UI sends the address of the document to a server of its maker's.
        let config = Config::new([DOCUMENT]).validator_url("none").persist_authorization(false);
        Ok(Self { document, config: Arc::new(config) })
    }

    /// The response to a GET of `/openapi.json`, of `/docs`, or of a path below it.
    pub fn page(&self, path: &str) -> Response<Bytes> {
        match path {
            DOCUMENT => file(HeaderValue::from_static(CONTENT_TYPE), self.document.clone()),
            "/docs" => moved(),
            _ => self.file(path).unwrap_or_else(not_found),
        }
    }

    fn file(&self, path: &str) -> Option<Response<Bytes>> {
        let name = path.strip_prefix(FOLDER)?;
        let found = utoipa_swagger_ui::serve(name, Arc::clone(&self.config)).ok()??;
        let bytes = match found.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        let mut page = file(HeaderValue::try_from(found.content_type).ok()?, bytes);
        page.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        Some(page)
    }
}

fn file(content_type: HeaderValue, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The page's files are named relative to the folder, so the slash at its end is needed.
fn moved() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(FOLDER));
    response
}

fn not_found() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

impl std::fmt::Debug for Documentation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Documentation({} bytes)", self.document.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documentation::Api;
    use utoipa::OpenApi as _;

    fn documentation() -> Documentation {
        Documentation::new(&Api::openapi()).unwrap()
    }

    fn text(path: &str) -> String {
        String::from_utf8(documentation().page(path).into_body().into()).unwrap()
    }

    #[test]
    fn the_document_is_written_once_for_all_requests() {
        let documentation = documentation();
        let [first, second] = [(); 2].map(|()| documentation.page(DOCUMENT).into_body());
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert!(first.starts_with(b"{\"openapi\":\"3.1.0\""), "{first:?}");
    }

    #[test]
    fn only_the_files_of_the_page_are_served() {
        let documentation = documentation();
        for path in ["/docs/index.html", "/docs/", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"] {
            assert_eq!(documentation.page(path).status(), 200, "{path}");
        }
        let others = ["/docs/x", "/docs/../openapi.json", "/docs/index.html/", "/docsindex.html", "/"];
        for path in others {
            assert_eq!(documentation.page(path).status(), 404, "{path}");
        }
        assert_eq!(documentation.page("/docs").headers()[header::LOCATION], "/docs/");
    }

    #[test]
    fn the_page_loads_and_calls_nothing_elsewhere() {
        let page = documentation().page("/docs/");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
        assert!(directives.contains(&"default-src 'none'"), "{policy}");
        assert!(directives.contains(&"script-src 'self'"), "{policy}");
        assert!(directives.contains(&"connect-src 'self'"), "{policy}");
        let sources = directives.iter().flat_map(|directive| directive.split(' ').skip(1));
        let allowed = ["'none'", "'self'", "'unsafe-inline'", "data:"];
        assert!(sources.into_iter().all(|source| allowed.contains(&source)), "{policy}");
        assert!(text("/docs/swagger-initializer.js").contains(r#""validatorUrl": "none""#));
    }

    #[test]
    fn the_page_stores_no_key() {
        assert!(text("/docs/swagger-initializer.js").contains(r#""persistAuthorization": false"#));
    }
}
