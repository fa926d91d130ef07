//! The denials of an authenticator, as responses in a document.

use apikey_core::{Authenticator, DenialCode, DenialResponse};
use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Components, ContentBuilder, Ref, Response, ResponseBuilder};

/// The name of the body's schema.
const SCHEMA: &str = "ApiKeyDenial";

/// All statuses of the table of denials, each once.
pub(crate) fn statuses() -> Vec<u16> {
    let mut statuses: Vec<u16> = DenialCode::ALL.iter().map(|code| code.status()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

pub(crate) fn response_name(status: u16) -> String {
    format!("{SCHEMA}{status}")
}

/// Adds a response for each status, and the schema of the bodies.
pub(crate) fn add(components: &mut Components, keys: &Authenticator) {
    let form = Form::of(&keys.sample_denial(DenialCode::InternalError).response());
    for status in statuses() {
        components.responses.insert(response_name(status), response(status, keys, form).into());
    }
    if let Some(schema) = form.schema() {
        components.schemas.insert(SCHEMA.to_owned(), schema.into());
    }
}

fn response(status: u16, keys: &Authenticator, form: Form) -> Response {
    let codes = DenialCode::ALL.iter().copied().filter(|code| code.status() == status);
    let lines: Vec<String> = codes.clone().map(|code| format!("`{code}`: {}.", code.description())).collect();
    let mut response = ResponseBuilder::new().description(lines.join("\n\n"));
    let samples: Vec<(DenialCode, DenialResponse)> =
        codes.map(|code| (code, keys.sample_denial(code).response())).collect();
    for (header, description, schema) in HEADERS {
        let has = |sample: &DenialResponse| {
            sample.headers.iter().any(|(name, _)| *name == header.to_ascii_lowercase())
        };
        if samples.iter().any(|(_, sample)| has(sample)) {
            let schema = ObjectBuilder::new().schema_type(schema.clone());
            let header_object =
                HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
            response = response.header(header, header_object);
        }
    }
    let examples = samples.iter().map(|(code, sample)| {
        let value = serde_json::from_slice(&sample.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&sample.body).into_owned()));
        (code.as_str(), ExampleBuilder::new().summary(code.description()).value(Some(value)).build())
    });
    let content_type =
        samples.iter().flat_map(|(_, sample)| &sample.headers).find(|(name, _)| *name == "content-type");
    let schema = form.schema().map(|_| Ref::from_schema_name(SCHEMA));
    let content = ContentBuilder::new().schema(schema).examples_from_iter(examples).build();
    let content_type = content_type.map_or("application/json", |(_, content_type)| content_type.as_str());
    response.content(content_type, content).build()
}

const HEADERS: [(&str, &str, Type); 2] = [
    (
        "WWW-Authenticate",
        "How to present a key, and what is wrong with this one (RFC 6750, section 3).",
        Type::String,
    ),
    ("Retry-After", "After how many seconds the caller may try again.", Type::Integer),
];

/// What the bodies are.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Problem,
    /// The application words them.
    Own,
}

impl Form {
    fn of(sample: &DenialResponse) -> Self {
        let body: Value = serde_json::from_slice(&sample.body).unwrap_or_default();
        match (body.get("code"), body.get("error"), body.get("detail")) {
            (Some(_), Some(_), None) => Self::Json,
            (Some(_), None, Some(_)) => Self::Problem,
            _ => Self::Own,
        }
    }

    fn schema(self) -> Option<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let number = || ObjectBuilder::new().schema_type(Type::Integer);
        let codes = text().enum_values(Some(DenialCode::ALL.iter().map(|code| code.as_str())));
        let scopes = |description: &str| ArrayBuilder::new().items(text()).description(Some(description));
        let object = match self {
            Self::Own => return None,
            Self::Json => ObjectBuilder::new()
                .property("error", text().description(Some("What is wrong, for people.")))
                .required("error"),
            Self::Problem => ObjectBuilder::new()
                .property("type", text().description(Some("What kind of problem it is (RFC 9457).")))
                .required("type")
                .property("title", text())
                .required("title")
                .property("status", number())
                .required("status")
                .property("detail", text().description(Some("What is wrong, for people.")))
                .required("detail")
                .property(
                    "retryable",
                    ObjectBuilder::new()
                        .schema_type(Type::Boolean)
                        .description(Some("Whether the same request may succeed later.")),
                ),
        };
        let object = object
            .property("code", codes.description(Some("Why the request was refused, for programs.")))
            .required("code")
            .property("required_scopes", scopes("All scopes that the operation asks for."))
            .property("available_scopes", scopes("The scopes of the key."));
        Some(object.build().into())
    }
}
