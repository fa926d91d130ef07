//! What the probe fills into paths, parameters and bodies.

use std::sync::{Arc, Mutex};

use apikey_testkit::probe::Probe;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::{bearer, document, emulator};

/// The requests that a probe sends, each as text. All of them are refused.
async fn requests(document: &Value) -> Vec<String> {
    let emulator = emulator().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !is_whole(&request) {
                stream.read_buf(&mut request).await.unwrap();
            }
            noted.lock().unwrap().push(String::from_utf8(request).unwrap());
            stream
                .write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await
                .unwrap();
        }
    });
    let _ = Probe::new(document, &server).unwrap().run(&emulator).await;
    seen.lock().unwrap().clone()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// The first request that a probe sends for an operation.
async fn first(method: &str, path: &str, mut operation: Value) -> String {
    operation["security"] = bearer(&[&["read"]])["security"].clone();
    let mut document = document(&[(method, path, operation)]);
    document["components"]["schemas"] = json!({
        "Node": {"type": "object", "required": ["next", "name"], "properties": {
            "next": {"$ref": "#/components/schemas/Node"}, "name": {"type": "string", "default": "n"},
        }},
    });
    requests(&document).await.remove(0)
}

/// The body of the request with this schema.
async fn body(schema: Value) -> String {
    let operation = json!({"requestBody": {"content": {"application/json": {"schema": schema}}}});
    let request = first("POST", "/", operation).await;
    request.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn parameters_are_filled() {
    let operation = json!({"parameters": [
        {"in": "path", "name": "stated", "required": true, "example": "a/b"},
        {"in": "path", "name": "typed", "required": true, "schema": {"type": "string", "format": "uuid"}},
        {"in": "query", "name": "q", "required": true, "examples": {"one": {"value": "x y&z"}}},
        {"in": "query", "name": "list", "required": true, "schema": {"type": "array", "minItems": 2, "items": {"enum": [7]}}},
        {"in": "query", "name": "left out", "schema": {"type": "string"}},
        {"in": "header", "name": "X-Tenant", "required": true, "schema": {"type": "integer", "minimum": 5}},
        {"in": "header", "name": "Authorization", "required": true, "example": "Bearer of the document"},
        {"in": "cookie", "name": "no;token", "required": true},
        {"in": "cookie", "name": "session", "required": true, "schema": {"type": "boolean"}},
    ]});
    let request = first("GET", "/a/{stated}/{typed}/{unknown}", operation).await;
    let target = "/a/a%2Fb/00000000-0000-4000-8000-000000000000/1?q=x%20y%26z&list=7%2C7";
    assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{request}");
    for line in ["x-tenant: 5\r\n", "cookie: session=true\r\n"] {
        assert!(request.contains(line), "{request}");
    }
    for absent in ["authorization", "content-type", "content-length"] {
        assert!(!request.contains(absent), "{request}");
    }
}

#[tokio::test]
async fn an_operation_replaces_parameters_of_its_path() {
    let mut document = document(&[("GET", "/{id}", bearer(&[&["read"]]))]);
    document["paths"]["/{id}"]["parameters"] = json!([
        {"in": "path", "name": "id", "required": true, "example": 1},
        {"in": "query", "name": "id", "required": true, "example": 2},
    ]);
    document["paths"]["/{id}"]["get"]["parameters"] =
        json!([{"in": "path", "name": "id", "required": true, "example": 3}]);
    assert!(requests(&document).await[0].starts_with("GET /3?id=2 "));
}

#[tokio::test]
async fn a_key_that_is_also_a_parameter_is_sent_once() {
    for (scheme, location, name) in
        [("header", "header", "x-API-key"), ("query", "query", "key"), ("cookie", "cookie", "key")]
    {
        let parameter = json!({"in": location, "name": name, "required": true, "example": "of the document"});
        let operation = json!({"security": [{scheme: ["read"]}], "parameters": [parameter]});
        let requests = requests(&document(&[("GET", "/", operation)])).await;
        assert_eq!(requests.len(), 3, "{scheme}");
        assert!(requests.iter().all(|request| !request.contains("document")), "{requests:?}");
        assert_eq!(requests[1].matches("k_live_").count(), 1, "{requests:?}");
    }
}

#[tokio::test]
async fn bodies_fit_their_schemas() {
    let deep = format!("{{\"name\":\"n\",\"next\":{}}}", "{\"name\":\"n\",\"next\":");
    for (schema, expected) in [
        (json!({"example": {"a": 1}}), "{\"a\":1}"),
        (json!({"examples": [[1]]}), "[1]"),
        (json!({"default": false}), "false"),
        (json!({"const": "c"}), "\"c\""),
        (json!({"type": ["null", "string"], "format": "date"}), "\"2026-01-01\""),
        (json!({"type": "string", "minLength": 3, "maxLength": 3}), "\"111\""),
        (json!({"type": "integer", "minimum": 2, "exclusiveMinimum": true}), "3"),
        (json!({"type": "integer", "exclusiveMinimum": 4}), "5"),
        (json!({"type": "integer", "maximum": -2}), "-2"),
        (json!({"type": "number", "minimum": 0.5}), "0.5"),
        (json!({"oneOf": [{"type": "boolean"}, {"type": "string"}]}), "true"),
        (
            json!({"allOf": [
                {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
                {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
            ], "required": ["a"]}),
            "{\"a\":\"1\",\"b\":1}",
        ),
        (
            json!({"type": "object", "required": ["a"], "properties": {"a": {}, "b": {"type": "string"}}}),
            "{\"a\":null}",
        ),
        (json!({"type": "array", "items": {"type": "integer"}}), "[1]"),
        (json!(true), "{}"),
        (json!({}), "{}"),
    ] {
        assert_eq!(body(schema.clone()).await, expected, "{schema}");
    }
    let endless = body(json!({"$ref": "#/components/schemas/Node"})).await;
    assert!(endless.starts_with(&deep[..20]) && endless.len() < 1_000, "{endless}");
    let wide = json!({"type": "array", "minItems": 1_000_000_000, "items": {"type": "array", "minItems": 1_000_000_000, "items": {
        "type": "array", "minItems": 1_000_000_000, "items": {"type": "array", "minItems": 1_000_000_000, "items": {"type": "integer"}},
    }}});
    assert!(body(wide).await.len() < 10_000);
}

#[tokio::test]
async fn a_body_has_the_media_type_that_it_is() {
    let form =
        json!({"schema": {"type": "object", "required": ["a b"], "properties": {"a b": {"example": "c&d"}}}});
    for (content, media_type, body) in [
        (
            json!({"text/plain": {"example": "a"}, "application/merge-patch+json": {"example": [1]}}),
            "application/json",
            "[1]",
        ),
        (json!({"*/*": {}}), "application/json", "{}"),
        (json!({"text/plain": {"example": "a"}}), "text/plain", "a"),
        (
            json!({"application/x-www-form-urlencoded": form}),
            "application/x-www-form-urlencoded",
            "a%20b=c%26d",
        ),
        (
            json!({"multipart/form-data": form}),
            "multipart/form-data; boundary=apikey-probe-boundary",
            "--apikey-probe-boundary\r\nContent-Disposition: form-data; name=\"a b\"\r\n\r\nc&d\r\n--apikey-probe-boundary--\r\n",
        ),
        (json!({}), "application/json", "{}"),
    ] {
        let request = first("PUT", "/", json!({"requestBody": {"content": content}})).await;
        let (head, sent) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-type: {media_type}\r\n")), "{head}");
        assert_eq!(sent, body, "{content}");
    }
    assert!(first("POST", "/", json!({})).await.ends_with("\r\n\r\n{}"));
    assert!(first("DELETE", "/", json!({})).await.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn swagger_2_has_its_body_among_its_parameters() {
    let swagger = |parameters: Value, consumes: &str| {
        json!({
            "swagger": "2.0",
            "consumes": [consumes],
            "securityDefinitions": {"header": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "paths": {"/": {"post": {"security": [{"header": []}], "parameters": parameters}}},
        })
    };
    let field = json!([{"in": "formData", "name": "a", "type": "integer", "required": true}]);
    for (document, media_type, body) in [
        (
            swagger(json!([{"in": "body", "name": "b", "schema": {"example": {"a": 1}}}]), ""),
            "application/json",
            "{\"a\":1}",
        ),
        (
            swagger(field.clone(), "application/x-www-form-urlencoded"),
            "application/x-www-form-urlencoded",
            "a=1",
        ),
        (swagger(field, "multipart/form-data"), "multipart/form-data; boundary=", "name=\"a\"\r\n\r\n1\r\n"),
        (swagger(json!([]), ""), "application/json", "{}"),
    ] {
        let request = requests(&document).await.remove(0);
        assert!(
            request.contains(&format!("content-type: {media_type}")) && request.contains(body),
            "{request}"
        );
    }
}
